# SPDX-License-Identifier: Apache-2.0
"""`compose watch` and `up --watch` with real files: the effect in the container is waited for."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.compose_project import ComposeProject
from integration.engine_process import EngineProcess, wait_until
from sampan.errors import SampanError

TEXT = """\
services:
  web:
    build: {context: ., dockerfile_inline: "FROM busybox\\nCOPY needs.txt /needs.txt\\n"}
    command: sleep 300
    stop_signal: SIGKILL
    scale: 2
    volumes: ["assets:/assets"]
    develop:
      watch:
        - {path: ./src, action: sync, target: /srv/src, initial_sync: true, ignore: ["cache/"]}
        - {path: ./only, action: sync, target: /srv/only, include: "*.css"}
        - {path: ./needs.txt, action: rebuild}
        - {path: ./app.conf, action: sync+restart, target: /srv/app.conf}
        - path: ./site.conf
          action: sync+exec
          target: /srv/site.conf
          exec: {command: cp /srv/site.conf /srv/loaded}
        - {path: ./nudge, action: restart}
        - {path: ./later, action: sync, target: /srv/later}
volumes: {assets: {}}
"""


class Watching:
    """A watching command, and all that it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def says(self, words: str) -> None:
        wait_until(
            lambda: words in self.said, lambda: f"it says {words!r}, not only {self.said!r}", limit_s=60
        )


@pytest.fixture
def project(shared_engine: EngineProcess, tmp_path: Path) -> Iterator[ComposeProject]:
    made = ComposeProject(shared_engine, tmp_path / "watched", "watched", TEXT)
    for name in ("src/main.py", "src/cache/x", "only/a.css", "needs.txt", "app.conf", "site.conf", "nudge"):
        made.write("one", name)
    made.write("**/*.log\n", ".dockerignore")
    yield made
    made.close()


@contextlib.contextmanager
def watching(project: ComposeProject, *words: str) -> Iterator[Watching]:
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
            held = Watching(process)
            held.says("Watch enabled")
            yield held
        finally:
            process.kill()


def becomes(project: ComposeProject, command: str, output: str, *, number: int = 1) -> None:
    said = ""

    def does() -> bool:
        nonlocal said
        with contextlib.suppress(SampanError, IndexError):  # between two containers there may be none
            said = project.prints("web", command, number=number)
        return said == output

    wait_until(does, lambda: f"{command} prints {output!r}, not {said!r}", limit_s=60)


def nameless_images(project: ComposeProject) -> list[dict[str, Any]]:
    filters = {"dangling": ["true"], "label": [f"com.docker.compose.project={project.name}"]}
    return project.engine_api.images.list(filters=filters)


def test_changes_of_files_reach_the_container(project: ComposeProject) -> None:
    with watching(project, "watch") as held:
        becomes(project, "cat /srv/src/main.py; ls /srv/src", "onemain.py")  # the cache is not there
        project.write("two", "src/main.py")
        project.write("deep", "src/new/folder/file")
        project.write("log", "src/some.log")
        project.write("swap", "src/.main.py.swp")
        becomes(project, "cat /srv/src/main.py /srv/src/new/folder/file", "twodeep")
        assert project.prints("web", "ls -A /srv/src") == "main.py\nnew"
        (project.place / "src/main.py").unlink()
        becomes(project, "ls /srv/src", "new")
        for number in range(300):
            project.write("x", f"later/{number % 7}/{number}")  # a folder that was not there
        becomes(project, "find /srv/later -type f | wc -l", "300")
        shutil.rmtree(project.place / "later")
        becomes(project, "ls /srv", "src")
        project.write("again", "later/again")
        becomes(project, "cat /srv/later/again", "again", number=2)
        project.write("css", "only/b.css")
        project.write("text", "only/b.txt")
        becomes(project, "ls /srv/only", "b.css")
        held.process.send_signal(signal.SIGINT)
        assert held.process.wait(60) == 130
    assert project.states() == {"web-1": "running", "web-2": "running"}


def test_changes_that_restart_or_rebuild(project: ComposeProject) -> None:
    with watching(project, "watch", "--quiet") as held:
        first = project.inspect("web")
        replaced = project.write("conf", "app.conf.new")
        replaced.rename(project.place / "app.conf")  # as editors do
        wait_until(
            lambda: project.inspect("web")["State"]["StartedAt"] != first["State"]["StartedAt"], "it restarts"
        )
        wait_until(lambda: project.inspect("web")["State"]["Running"], "it runs")
        becomes(project, "cat /srv/app.conf", "conf")
        project.write("site", "site.conf")
        becomes(project, "cat /srv/loaded", "site")
        began = project.inspect("web")["State"]["StartedAt"]
        project.write("two", "nudge")
        wait_until(lambda: project.inspect("web")["State"]["StartedAt"] != began, "it restarts again")
        assert project.inspect("web")["Id"] == first["Id"]
        project.write("two", "needs.txt")
        wait_until(lambda: project.containers("web")[0]["ImageID"] != first["Image"], "it is made anew")
        becomes(project, "cat /needs.txt", "two")
        becomes(project, "cat /needs.txt", "two", number=2)
        wait_until(lambda: not nameless_images(project), "the image before it is removed", limit_s=60)
        assert held.process.poll() is None


def test_up_stays_and_watches(project: ComposeProject) -> None:
    with watching(project, "up", "--build", "--watch") as held:
        project.write("three", "src/main.py")
        becomes(project, "cat /srv/src/main.py", "three")
        held.says('Syncing service "web" after 1 changes were detected')
        project.write("x", "needs.txt")
        held.says('service "web" successfully built')
        becomes(project, "cat /needs.txt", "x")
        assert held.process.poll() is None
        held.process.send_signal(signal.SIGINT)
        assert held.process.wait(60) == 130
    assert project.states() == {"web-1": "exited", "web-2": "exited"}


def test_what_cannot_be_watched_is_refused(project: ComposeProject) -> None:
    text = "services: {web: {image: busybox, command: sleep 300%s}}\n"
    for more, words in (
        ("", "none of the selected services is configured for watch"),
        (", develop: {watch: [{path: ., action: rebuild}]}", "services.web.develop.watch[0]: cannot rebuild"),
        (
            ", volumes: ['./in:/in'], develop: {watch: [{path: ./in/x, action: sync, target: /x}]}",
            "/in/x is mounted into the container",
        ),
    ):
        project.write(text % more)
        done = project.compose("watch", check=False)
        assert done.returncode == 1
        assert words in done.stderr
    assert project.states() == {}
