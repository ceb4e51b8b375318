# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a build: live on a terminal, as lines elsewhere, and how a failure ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess
from integration.terminal import terminal

FAILING = """\
FROM busybox AS one
RUN --mount=target=/context echo from one && until test -e /context/go; do sleep 0.1; done
FROM busybox
COPY --from=one /etc/passwd /
RUN echo last words && exit 7
MAINTAINER me
"""


@pytest.fixture(scope="module")
def cli(shared_engine: EngineProcess) -> CommandLine:
    return CommandLine(shared_engine, "sampan")


@pytest.fixture
def project(cli: CommandLine, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "Dockerfile").write_text(FAILING)
    (tmp_path / "go").touch()
    yield str(tmp_path)
    cli.engine.remove_nameless_images()


def test_a_terminal_shows_it_live_and_then_what_failed(cli: CommandLine, project: str) -> None:
    (Path(project) / "go").unlink()
    with terminal(cli, "build", "--no-cache", project, columns=100) as screen:
        screen.expect("[+] Building")
        screen.expect(" => => # from one")
        (Path(project) / "go").touch()  # the context is mounted in place
        screen.expect(" => ERROR [stage-1 3/3] RUN echo last words && exit 7")
        screen.expect(" > [stage-1 3/3] RUN echo last words && exit 7:")
        screen.expect("last words")
        screen.expect("1 warning found")
        screen.expect("   5 | >>> RUN echo last words && exit 7")
        screen.expect("did not complete successfully: exit code: 7")
        assert screen.wait() == 7
        assert screen.settings_are_restored()


def test_what_is_cached_is_marked(cli: CommandLine, project: str) -> None:
    cli("build", "--target", "one", project)
    with terminal(cli, "build", "--target", "one", project, columns=100) as screen:
        screen.expect("1 warning found")
        assert screen.wait() == 0
    assert b" => CACHED [one 2/2] RUN " in screen.seen
    assert b") FINISHED" in screen.seen


def test_elsewhere_it_is_lines(cli: CommandLine, project: str) -> None:
    done = cli("build", "--progress", "plain", project, check=False)
    said = done.stderr
    assert done.returncode == 7
    assert "#1 WARN: MaintainerDeprecated: " in said
    assert "\n------\n > [stage-1 3/3] RUN echo last words && exit 7:\n" in said
    assert said.index("1 warning found") < said.index("Dockerfile:5\n") < said.index("exit code: 7", -200)


def test_programs_read_objects_and_quiet_says_the_id_alone(cli: CommandLine, project: str) -> None:
    said = cli("build", "--progress", "rawjson", "--target", "one", project).stderr
    names = {vertex["name"] for line in said.splitlines() for vertex in json.loads(line).get("vertexes", [])}
    assert "[internal] load build definition from Dockerfile" in names
    assert any(name.startswith("[one 2/2] RUN ") for name in names)
    quiet = cli("build", "-q", "--target", "one", project)
    assert (quiet.stdout.startswith("sha256:"), quiet.stderr) == (True, "")
