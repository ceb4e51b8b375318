# SPDX-License-Identifier: Apache-2.0
"""Whatever a Dockerfile says, it is understood or refused as a Dockerfile, and never anything else.

Real Dockerfiles (of tests/cases/build) are mutated: bytes, words, lines, and pieces of one in another. What parses
is planned, checked, described and compiled, as a build does before its first step. A short run is part of the suite;
``make fuzz`` goes on for SAMPAN_FUZZ_S seconds and prints what it found, as a line to add to FOUND.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.build.arguments import platform_arguments
from sampan.build.checking import check
from sampan.build.compile import StageNumbers, compile_stage
from sampan.build.describing import list_targets, outline
from sampan.build.dockerfile.location import DockerfileError
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.draft import Draft
from sampan.build.patterns import PatternSet
from sampan.build.seams import BaseImage
from sampan.build.stages import plan_stages
from sampan.errors import NotFound
from sampan.oci.platform import Platform, host_platform

SEEDS = Path(__file__).parents[2] / "cases/build"
FUZZ_S = float(os.environ.get("SAMPAN_FUZZ_S", "0"))
SHORT_RUN = 400

WORDS = (
    *(
        "FROM",
        "RUN",
        "COPY",
        "ADD",
        "ARG",
        "ENV",
        "LABEL",
        "ONBUILD",
        "HEALTHCHECK",
        "SHELL",
        "VOLUME",
        "EXPOSE",
    ),
    *(
        "CMD",
        "ENTRYPOINT",
        "USER",
        "WORKDIR",
        "STOPSIGNAL",
        "MAINTAINER",
        "AS",
        "scratch",
        "NONE",
        "--from=0",
    ),
    *(
        "--mount=type=bind,",
        "--mount=type=cache,target=",
        "--chmod=",
        "--chown=",
        "--parents",
        "--link",
        "--",
    ),
    *(
        "--interval=",
        "--retries=",
        "--platform=$X",
        "--exclude=",
        "--checksum=sha256:",
        "<<EOF",
        "<<-'E'",
        "EOF",
    ),
    *(
        "# syntax=x",
        "# escape=`",
        "# check=skip=all",
        "#",
        "\\",
        "`",
        "$",
        "${",
        "${A:-",
        "${A//",
        "${A#",
        "}",
    ),
    *(
        '["',
        '"]',
        "[",
        "]",
        "'",
        '"',
        "=",
        ",",
        "\t",
        "\r\n",
        "\n",
        "\0",
        "\ufeff",
        "\udcff",
        "\u2028",
        "9" * 400,
    ),
    *(
        "1h",
        "-1s",
        "80/tcp",
        "1-70000/udp",
        "SIGRTMIN+99",
        "http://x/y",
        "git@x:y.git#z:w",
        "https://[::1/x.git",
    ),
)

FOUND = (
    "# check=skip=Wrong\nFROM scratch\n",
    "# check=error=maybe\nFROM scratch\n",
    "# check=what\nFROM scratch\n",
    "FROM scratch\nADD https://[::1/x.git /d/\n",
    "FROM scratch\nCOPY //[::1/x /d/\n",
    "FROM scratch\nRUN echo \udcff\n",
    "FROM scratch\nRUN <<E\n\udcff\nE\n",
)


class Nowhere:
    """No image is anywhere."""

    async def resolve(self, reference: str, platform: Platform | None, *, pull: bool) -> BaseImage:
        raise NotFound(reference)


def understand(text: str) -> None:
    """All that is done with a Dockerfile before anything is done with a file or a program."""
    file = parse_dockerfile(text)
    host = host_platform()
    arguments = platform_arguments(host, host, "")
    plan = plan_stages(
        file, target="", build_args={"A": "a*b"}, platform_args=arguments, platform=host, contexts={}
    )
    list_targets(plan)
    outline(plan, file, {})
    asyncio.run(
        check(
            file,
            plan,
            build_args={},
            platform_args=arguments,
            images=Nowhere(),
            ignored=PatternSet(("a",)),
        )
    )
    for stage in plan.stages:
        compile_stage(
            plan, stage, Draft.from_scratch(), (), build_args={"A": ""}, numbers=StageNumbers(1, 99, "")
        )


def seeds() -> list[str]:
    paths = sorted(SEEDS.glob("*/Dockerfile")) + sorted(SEEDS.glob("*/context/Dockerfile"))
    return [path.read_bytes().decode("utf-8", "surrogateescape") for path in paths]


def mutations(texts: list[str], seed: int) -> Iterator[str]:
    """Without end, the same ones for the same seed."""
    chance = random.Random(seed)
    while True:
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 4)):
            text = mutate(text, texts, chance)
        yield text


def mutate(text: str, texts: list[str], chance: random.Random) -> str:
    place = chance.randint(0, len(text))
    lines = text.split("\n")
    line = chance.randrange(len(lines))
    kind = chance.randrange(7)
    if kind == 0:
        return text[:place] + chance.choice(WORDS) + text[place:]
    if kind == 1:
        return text[:place] + text[place + chance.randint(1, 9) :]
    if kind == 2:
        return text[:place] + chr(chance.choice((*range(128), 0x130, 0xFFFF, 0xDC80))) + text[place + 1 :]
    if kind == 3:
        return "\n".join([*lines[:line], *lines[line + 1 :]])
    if kind == 4:
        return "\n".join(
            [*lines[:line], lines[line], lines[chance.randrange(len(lines))], *lines[line + 1 :]]
        )
    if kind == 5:
        other = chance.choice(texts)
        return text[:place] + other[chance.randint(0, len(other)) :]
    words = lines[line].split(" ")
    words[chance.randrange(len(words))] = chance.choice(WORDS)
    return "\n".join([*lines[:line], " ".join(words), *lines[line + 1 :]])


def test_mutated_dockerfiles_are_understood_or_refused() -> None:
    texts = seeds()
    assert len(texts) > 50
    end = time.monotonic() + FUZZ_S
    understood = 0
    for number, text in enumerate(mutations(texts, seed=time.time_ns() if FUZZ_S else 6)):
        if number >= SHORT_RUN and time.monotonic() > end:
            break
        try:
            understand(text)
            understood += 1
        except DockerfileError:
            pass
        except Exception as error:
            raise AssertionError(f"{error!r}: add to FOUND: {text!r}") from error
    assert understood > number // 20  # a fuzzer whose every input is refused early finds nothing


@pytest.mark.parametrize("text", FOUND)
def test_what_was_found_before(text: str) -> None:
    with contextlib.suppress(DockerfileError):
        understand(text)
