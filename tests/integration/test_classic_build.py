# SPDX-License-Identifier: Apache-2.0
"""`build` with both command lines; docker's classic builder sends its context as a tar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import CommandLine

DOCKERFILE = """\
FROM busybox AS base
ARG COLOUR=red
ENV COLOUR=$COLOUR
WORKDIR /app
COPY file.txt ./
RUN echo "$COLOUR $(cat file.txt)" >result && echo noise
FROM base AS final
LABEL made=here
USER 1000
EXPOSE 8080/tcp
CMD ["cat", "/app/result"]
"""


@pytest.fixture
def project(cli: CommandLine, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "file.txt").write_text("text")
    yield tmp_path
    for container in cli.out("ps", "-aq").split():
        cli("rm", "-f", container)
    for name in ("built:1", "built:2"):
        cli("rmi", "-f", name, check=False)


@pytest.fixture
def builder(cli: CommandLine) -> CommandLine:
    cli.engine.environment["DOCKER_BUILDKIT"] = "0"
    return cli


def test_build_and_run(builder: CommandLine, project: Path) -> None:
    builder("build", "-t", "built:1", "-t", "built:2", "--build-arg", "COLOUR=blue", str(project))
    assert builder.out("run", "--rm", "built:1") == "blue text"
    config = json.loads(builder.out("inspect", "-f", "{{json .Config}}", "built:2"))
    assert config["User"] == "1000"
    assert config["Labels"] == {"made": "here"}
    assert config["ExposedPorts"] == {"8080/tcp": {}}


def test_quiet_prints_the_id(builder: CommandLine, project: Path) -> None:
    image_id = builder.out("build", "-q", "-t", "built:1", str(project))
    assert builder.out("inspect", "-f", "{{.Id}}", "built:1") == image_id


def test_target_and_dockerfile_elsewhere(builder: CommandLine, project: Path) -> None:
    (project / "Other").write_text(DOCKERFILE.replace("made=here", "made=other"))
    builder("build", "-t", "built:1", "-f", f"{project}/Other", "--target", "base", str(project))
    assert builder.out("inspect", "-f", "{{json .Config.Labels}}", "built:1") in ("null", "{}")


def test_a_failing_step_gives_its_code(builder: CommandLine, project: Path) -> None:
    (project / "Dockerfile").write_text("FROM busybox\nRUN echo before; exit 7\n")
    done = builder("build", "-t", "built:1", str(project), check=False)
    assert done.returncode == 7
    words = (
        "The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7"
        if builder.name == "docker"
        else 'process "/bin/sh -c echo before; exit 7" did not complete successfully: exit code: 7'
    )
    assert words in done.stderr
    assert "before" in done.stdout + done.stderr
    assert builder.out("ps", "-aq") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM busybox\nRUNN true\n", "unknown instruction: RUNN"),
        ("FROM busybox\nCOPY missing /\n", "missing"),
        ("FROM no-such-image:9\n", "no-such-image:9"),
        ("", "the Dockerfile cannot be empty"),
        ("RUN true\n", "no build stage in current context"),
    ],
)
def test_what_cannot_be_built(builder: CommandLine, project: Path, text: str, said: str) -> None:
    (project / "Dockerfile").write_text(text)
    done = builder("build", "-t", "built:1", str(project), check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert builder.out("images", "-q", "built") == ""


def test_a_missing_dockerfile(builder: CommandLine, project: Path) -> None:
    (project / "Dockerfile").unlink()
    done = builder("build", "-t", "built:1", str(project), check=False)
    assert done.returncode == 1
    assert "Dockerfile" in done.stderr
    assert "no such file or directory" in done.stderr


def test_an_unknown_target(builder: CommandLine, project: Path) -> None:
    error = builder.fails(1, "build", "--target", "nowhere", str(project))
    assert "target" in error
    assert "nowhere" in error


def test_context_from_stdin(builder: CommandLine, project: Path) -> None:
    image_id = builder("build", "-q", "-", input='FROM busybox\nCMD ["echo", "piped"]\n').stdout.strip()
    assert builder.out("run", "--rm", image_id) == "piped"
    builder("rmi", "-f", image_id)


def test_the_second_build_is_cached(builder: CommandLine, project: Path) -> None:
    first = builder.out("build", "-q", "-t", "built:1", str(project))
    assert builder.out("build", "-q", "-t", "built:1", str(project)) == first
    again = builder("build", "-t", "built:1", str(project))
    said = (again.stdout + again.stderr).lower()
    assert "cache" in said
    assert "\nnoise\n" not in again.stdout + again.stderr


def test_dockerignore(builder: CommandLine, project: Path) -> None:
    (project / ".dockerignore").write_text("*.log\n!keep.log\n")
    for name in ("a.log", "keep.log"):
        (project / name).write_text("")
    (project / "Dockerfile").write_text('FROM busybox\nCOPY . /c\nCMD ["ls", "/c"]\n')
    builder("build", "-t", "built:1", str(project))
    assert builder.out("run", "--rm", "built:1").split() == ["Dockerfile", "file.txt", "keep.log"]


def test_a_step_is_isolated_and_leaves_nothing(builder: CommandLine, project: Path) -> None:
    steps = ("grep -q 'Seccomp:.*2' /proc/self/status", "[ $(ps | grep -c .) -lt 6 ]", "! ls /work")
    (project / "Dockerfile").write_text("FROM busybox\n" + "".join(f"RUN {step}\n" for step in steps))
    builder("build", "--no-cache", "-t", "built:1", str(project))
    assert builder.out("ps", "-aq") == ""
