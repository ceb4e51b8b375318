# SPDX-License-Identifier: Apache-2.0
"""What goes wrong while a project comes up: it is told with object, reason and next step, and `down` clears it all."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.compose_project import ComposeProject
from integration.engine_process import EngineProcess, wait_until

SLEEP = "image: busybox, command: sleep 300, stop_signal: SIGKILL"


@pytest.fixture
def project(shared_engine: EngineProcess, tmp_path: Path) -> Iterator[ComposeProject]:
    """An empty project; whatever happens, `down` must be able to clear it."""
    made = ComposeProject(shared_engine, tmp_path / "fails", "fails")
    yield made
    made.down("--remove-orphans")
    assert made.left() == []
    made.close()


def fails(project: ComposeProject, *words: str) -> str:
    """`up` ends with 1; what it told."""
    done = project.compose("--progress", "plain", "up", *(words or ("-d",)), check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr


@contextlib.contextmanager
def running(project: ComposeProject, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs as long as the block; its output is read into `said` when it is over."""
    with subprocess.Popen(
        project.argv(*words),
        cwd=project.place,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str], times: int = 1) -> str:
    """Send SIGINT; what it said until it ended with 130."""
    for number in range(times):
        if number:
            time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    return said


def test_a_service_that_never_gets_healthy(project: ComposeProject) -> None:
    check = "healthcheck: {test: 'echo no database yet; exit 1', interval: 100ms, retries: 2}"
    project.write(
        f"services:\n  db: {{{SLEEP}, {check}}}\n"
        f"  web: {{{SLEEP}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
    )
    told = fails(project)
    assert "dependency failed to start: container fails-db-1 is unhealthy" in told
    assert "its last check said: no database yet" in told
    assert "fails-db-1 (running), fails-web-1 (created)" in told
    assert "`sampan compose down`" in told
    assert project.states() == {"db-1": "running", "web-1": "created"}


def test_a_dependency_that_ends_badly(project: ComposeProject) -> None:
    project.write(
        "services:\n  job: {image: busybox, command: sh -c 'exit 5'}\n"
        f"  web: {{{SLEEP}, depends_on: {{job: {{condition: service_completed_successfully}}}}}}\n"
    )
    assert "dependency failed to start: container fails-job-1 exited (5)" in fails(project)


def test_an_image_that_cannot_be_had(project: ComposeProject) -> None:
    project.write(f"services:\n  db: {{{SLEEP}}}\n  web: {{image: 'localhost:1/no/such:1'}}\n")
    told = fails(project)
    assert "Image localhost:1/no/such:1  Error" in told
    assert "service web" in told
    assert project.states() == {}


def test_a_port_that_is_taken(project: ComposeProject) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        project.write(f"services:\n  web: {{{SLEEP}, ports: ['127.0.0.1:{port}:80']}}\n  db: {{{SLEEP}}}\n")
        told = fails(project)
        assert f"127.0.0.1:{port}" in told
        assert "Container fails-web-1  Error" in told
        assert "fails-web-1 (created)" in told
    project.up()
    assert set(project.states().values()) == {"running"}


def test_a_circle_of_dependencies(project: ComposeProject) -> None:
    project.write(f"services:\n  a: {{{SLEEP}, depends_on: [b]}}\n  b: {{{SLEEP}, depends_on: [a]}}\n")
    told = fails(project)
    project.write(f"services:\n  a: {{{SLEEP}}}\n")
    assert "compose.yaml:2: services.a.depends_on.b: dependency cycle detected: a -> b -> a" in told
    assert project.states() == {}


def test_a_program_that_is_not_there(project: ComposeProject) -> None:
    project.write("services:\n  web: {image: busybox, command: [no-such-program]}\n")
    told = fails(project)
    assert "Container fails-web-1  Error" in told
    assert "no-such-program" in told


def test_a_hook_that_fails(project: ComposeProject) -> None:
    project.write(f"services:\n  web: {{{SLEEP}, post_start: [{{command: sh -c 'exit 4'}}]}}\n")
    assert "container fails-web-1: hook exited with status 4" in fails(project)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_stops_what_runs(project: ComposeProject, times: int) -> None:
    patient = "image: busybox, command: sleep 300, stop_grace_period: " + ("30s" if times > 1 else "1s")
    project.write(f"services:\n  db: {{{SLEEP}}}\n  web: {{{patient}}}\n")
    with running(project, "--progress", "plain", "up") as process:
        wait_until(lambda: list(project.states().values()) == ["running"] * 2, "both run")
        began = time.monotonic()
        said = interrupted(process, times)
    assert time.monotonic() - began < 15
    assert "Gracefully Stopping" in said
    assert set(project.states().values()) == {"exited"}


def test_ctrl_c_before_anything_has_started(project: ComposeProject) -> None:
    check = "healthcheck: {test: 'false', interval: 100ms, retries: 1000}"
    project.write(
        f"services:\n  db: {{{SLEEP}, {check}}}\n"
        f"  web: {{{SLEEP}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
    )
    for flags in ([], ["-d"]):
        with running(project, "--progress", "plain", "up", *flags) as process:
            wait_until(lambda: project.states().get("db-1") == "running", "db runs")
            said = interrupted(process)
        assert project.states()["web-1"] == "created"
        assert "Traceback" not in said
        if flags:
            assert "fails-db-1 (running), fails-web-1 (created)" in said


def test_ctrl_c_during_a_build(project: ComposeProject) -> None:
    project.write(
        "services:\n  web:\n    build:\n      context: .\n      dockerfile_inline: |\n"
        "        FROM busybox\n        RUN echo begun; sleep 60\n"
    )
    with running(project, "--progress", "plain", "up", "--build") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "begun" in line and "RUN" not in line:
                break
        said = interrupted(process)
    assert "Traceback" not in said
    assert project.states() == {}


def test_ctrl_c_during_a_pull(project: ComposeProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes calls, and never answers
        arrived = threading.Event()

        def listen() -> None:
            with contextlib.suppress(OSError):
                kept.append(silent.accept()[0])
                arrived.set()

        kept: list[socket.socket] = []
        threading.Thread(target=listen, daemon=True).start()
        image = f"localhost:{silent.getsockname()[1]}/slow:1"
        project.write(f"services:\n  web: {{image: '{image}'}}\n")
        with running(project, "--progress", "plain", "up", "-d") as process:
            assert arrived.wait(20)
            said = interrupted(process)
        for connection in kept:
            connection.close()
    assert "Traceback" not in said
    assert project.states() == {}


def test_an_engine_that_is_killed_in_the_middle(own_engine: EngineProcess, tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(6)]
    text = "services:\n" + "".join(f"  {name}: {{{SLEEP}, environment: {{A: '1'}}}}\n" for name in names)
    project = ComposeProject(own_engine, tmp_path / "killed", "killed", text)
    project.environment["SAMPAN_AUTOSTART"] = "0"
    with running(project, "--progress", "plain", "up", "-d") as process:
        wait_until(lambda: len(project.ids()) >= 2, "some containers are there")
        own_engine.kill()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "sampan: " in said
    assert "Traceback" not in said
    own_engine.start()
    project.write(text.replace("A: '1'", "A: '2'"))
    assert set(project.up() and project.states().values()) == {"running"}
    assert sorted(project.states()) == sorted(f"{name}-1" for name in names)
    with running(project, "--progress", "plain", "up", "-d", "--force-recreate") as process:
        first = set(project.ids().values())
        wait_until(lambda: len(set(project.ids().values()) - first) >= 2, "some are made anew")
        own_engine.kill()
        process.communicate(timeout=30)
    own_engine.start()
    project.up()
    assert sorted(project.states()) == sorted(f"{name}-1" for name in names)
    assert set(project.states().values()) == {"running"}
    project.down()
    assert project.left() == []
    project.close()


def test_two_that_bring_up_the_same_at_once(project: ComposeProject) -> None:
    names = [f"s{number}" for number in range(4)]
    project.write(
        "services:\n"
        + "".join(f"  {name}: {{{SLEEP}, volumes: ['shared:/v']}}\n" for name in names)
        + "volumes: {shared: {}}\n"
    )
    with running(project, "up", "-d") as one, running(project, "up", "-d") as other:
        said = [one.communicate(timeout=60)[0], other.communicate(timeout=60)[0]]
    codes = [one.returncode, other.returncode]
    assert 0 in codes, said
    for code, words in zip(codes, said, strict=True):  # as with Docker's: who comes second to a name is told
        assert code == 0 or 'The container name "/fails-s' in words
    project.up()
    assert project.states() == {f"{name}-1": "running" for name in names}
