# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial.md is done as it stands: its files are written, its commands typed, its pages opened, in order.

A console block is commands, each with what it prints: lines that must come in this order, `...` for any others. A
block with a file's name after its language is that file, or what is put at its end. `Open <URL>: "words"` is a page
with these words on it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.base_images import POSTGRES, PYTHON, build_environment, cache_home, ensure_bases, free_port
from integration.engine_process import EngineProcess, running_engine

from visitor import Visitor  # isort: skip - base_images says where it is

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
STEP = re.compile(
    r'^```(?P<info>\S.*)\n(?P<body>(?:.*\n)*?)```$|Open <(?P<url>[^>]+)>: "(?P<words>[^"]+)"', re.MULTILINE
)
AT_THE_END = " (at the end)"
LONGEST_S = 300

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is typed, and the lines that are shown below it."""

    line: str
    shown: tuple[str, ...]


def parse_console(body: str) -> list[Command]:
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]
    return [Command(lines[0], tuple(lines[1:])) for lines in (part.splitlines() for part in parts)]


class Reader:
    """Somebody who does what the page says, at a port that is free here."""

    def __init__(self, engine: EngineProcess, home: Path) -> None:
        self.engine = engine
        self.folder = home
        self.port = free_port()
        programs = home / ".bin"
        programs.mkdir(parents=True)
        (programs / "sampan").write_text(f'#!/bin/sh\nexec {sys.executable} -m sampan.cli.main "$@"\n')
        (programs / "sampan").chmod(0o755)
        self.environment = engine.environment | {
            "PATH": f"{programs}:{engine.environment['PATH']}",
            "XDG_CACHE_HOME": str(cache_home()),
        }

    def follow(self, page: str) -> int:
        """Do all of it; how many things there were to do."""
        done = 0
        page = page.replace("8000:8000", f"{self.port}:8000").replace(
            "127.0.0.1:8000", f"127.0.0.1:{self.port}"
        )
        for step in STEP.finditer(page):
            language, _, name = (step["info"] or "").partition(" ")
            if step["url"]:
                self.open(step["url"], step["words"])
            elif language == "console":
                for command in parse_console(step["body"]):
                    self.type(command)
                    done += 1
                continue
            else:
                assert name, f"a block without the name of its file:\n{step['body']}"
                self.write(name, step["body"])
            done += 1
        return done

    def type(self, command: Command) -> None:
        """Run it in the folder where the one before has ended, and look at what it prints."""
        place = self.engine.data.parent / "place"
        done = subprocess.run(
            ["/bin/sh", "-c", f'{command.line}\ncode=$?; pwd > "{place}"; exit $code'],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {command.line}\n{said}"
        assert shows(command.shown, said), (
            f"$ {command.line}\n{said}\nis not what the page shows: {command.shown}"
        )
        self.folder = Path(place.read_text().strip())

    def write(self, name: str, body: str) -> None:
        """Write the file, or add to it."""
        path = self.folder / name.removesuffix(AT_THE_END)
        before = path.read_text() if name.endswith(AT_THE_END) else ""
        path.write_text(before + body)

    def open(self, url: str, words: str) -> None:
        """The page has these words on it."""
        page = Visitor(url.partition("#")[0]).get_when_ready("/")
        assert words in page, f"{url}:\n{page}"


def shows(lines: tuple[str, ...], said: str) -> bool:
    """Whether the lines come in this order; `...` within one stands for anything."""
    wanted = [line for line in lines if line.strip(". ")]
    patterns = [".*".join(map(re.escape, line.rstrip().split("..."))) for line in wanted]
    return re.search(r"(?:.*\n)*?".join(f"{pattern} *\n" for pattern in patterns) or "^", said) is not None


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with running_engine(tmp_path / "engine") as engine:
        if build_environment():
            configuration = tmp_path / "config.toml"
            configuration.write_text("host-ca = true\n")
            engine.stop()
            engine.environment["SAMPAN_CONFIG"] = str(configuration)
            engine.start()
        ensure_bases(engine, PYTHON, POSTGRES)
        yield Reader(engine, tmp_path / "home")


def test_the_tutorial_works_as_it_stands(reader: Reader) -> None:
    assert reader.follow(PAGE) >= 30
    left = reader.engine.out("images", "--format", "{{.Repository}}").split()
    assert sorted(set(left)) == ["busybox", "postgres", "python"]
    assert reader.engine.out("ps", "-aq") == reader.engine.out("volume", "ls", "-q") == ""


def test_lines_are_found_in_their_order_only() -> None:
    said = "one\ntwo and more\nthree\n"
    assert shows(("one", "...", "three"), said)
    assert shows(("two ... more",), said)
    assert shows((), said)
    assert not shows(("three", "one"), said)
    assert not shows(("four",), said)
