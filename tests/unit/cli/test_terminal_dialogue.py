# SPDX-License-Identifier: Apache-2.0
"""run, exec, attach and build as a dialogue with an engine that says what is written here."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripted_engine import Request, ScriptedEngine, answer, chunked, frame

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CREATED = {"Id": "c1", "Warnings": []}
IMAGE = "sha256:" + "a" * 64


class Scene:
    """An engine with one container, `c1`; `started` and `finish` are what its program does."""

    def __init__(self, path: str) -> None:
        self.engine = ScriptedEngine(path)
        self.started = threading.Event()
        self.ended = threading.Event()
        self.output = b""
        self.echo = False
        self.received = b""
        self.status = 0
        self.engine.on("POST /containers/create", json=CREATED, status=201)
        self.engine.on("POST /containers/c1/attach", self._attach)
        self.engine.on("POST /containers/c1/wait", self._wait)
        self.engine.on("POST /containers/c1/start", self._start)
        self.engine.on("POST /containers/c1/resize", answer())
        self.engine.on("POST /containers/c1/kill", self._kill)
        self.engine.serve()

    def _start(self, connection: socket.socket, _request: Request) -> None:
        connection.sendall(answer(204, length=False))
        self.started.set()

    def _attach(self, connection: socket.socket, _request: Request) -> None:
        connection.sendall(UPGRADED)
        self.started.wait(20)
        connection.sendall(self.output)
        if self.echo:
            while data := connection.recv(1000):
                self.received += data
            connection.sendall(frame(1, b"[" + self.received + b"]"))
            self.ended.set()
        self.ended.wait(20)

    def _wait(self, connection: socket.socket, _request: Request) -> None:
        connection.sendall(HEAD)
        self.ended.wait(20)
        connection.sendall(
            chunked(json.dumps({"StatusCode": self.status}).encode()).partition(b"\r\n\r\n")[2]
        )

    def _kill(self, connection: socket.socket, request: Request) -> None:
        self.status = 128 + int(request.query["signal"][0])
        connection.sendall(answer(204, length=False))
        self.ended.set()

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command(self.engine.path, *words), input=stdin, capture_output=True, timeout=30)

    def finish(self, status: int = 0, output: bytes = b"") -> None:
        self.status, self.output = status, output
        self.ended.set()


def command(path: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "sampan.cli.main", "-H", f"unix://{path}", *words]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(str(tmp_path / "s"))
    yield made
    made.started.set()
    made.ended.set()
    made.engine.close()


def test_run_attaches_and_waits_before_it_starts(scene: Scene) -> None:
    scene.finish(3, frame(1, b"out\n") + frame(2, b"err\n"))
    done = scene.run("run", "--rm", "busybox", "x")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert scene.engine.lines == [
        "POST /containers/create",
        "POST /containers/c1/attach",
        "POST /containers/c1/wait",
        "POST /containers/c1/start",
    ]
    assert scene.engine.asked[1].query == {
        "detachKeys": ["ctrl-p,ctrl-q"],
        "stderr": ["1"],
        "stdout": ["1"],
        "stream": ["1"],
    }
    assert scene.engine.asked[2].query == {"condition": ["removed"]}


def test_stdin_reaches_the_program_and_its_end_too(scene: Scene) -> None:
    scene.echo = True
    done = scene.run("run", "-i", "busybox", stdin=b"hello" * 1000)
    assert done.stdout == b"[" + b"hello" * 1000 + b"]"
    assert scene.engine.asked[2].query == {"condition": ["next-exit"]}


def test_a_detached_run_prints_the_id(scene: Scene) -> None:
    done = scene.run("run", "-d", "busybox")
    assert (done.returncode, done.stdout) == (0, b"c1\n")
    assert scene.engine.lines == ["POST /containers/create", "POST /containers/c1/start"]


def test_the_id_file_holds_the_id_and_is_not_overwritten(scene: Scene, tmp_path: Path) -> None:
    path = str(tmp_path / "cid")
    scene.run("run", "-d", "--cidfile", path, "busybox")
    assert Path(path).read_text() == "c1"
    done = scene.run("run", "-d", "--cidfile", path, "busybox")
    assert done.returncode == 125
    assert b"container ID file found" in done.stderr


@pytest.mark.parametrize(
    ("message", "status"),
    [('exec: "x": executable file not found in $PATH', 127), ("/x: permission denied", 126), ("no", 125)],
)
def test_a_start_that_fails_says_why_and_removes(scene: Scene, message: str, status: int) -> None:
    scene.engine.on("POST /containers/c1/start", json={"message": message}, status=400)
    scene.engine.on("DELETE /containers/c1", answer(204, length=False))
    done = scene.run("run", "--rm", "busybox")
    assert done.returncode == status
    assert message.encode() in done.stderr
    assert scene.engine.lines[-1] == "DELETE /containers/c1"


def test_a_missing_image_is_pulled(scene: Scene) -> None:
    missing = answer(404, json.dumps({"message": "No such image: x:latest"}).encode())
    created = answer(201, json.dumps(CREATED).encode())
    scene.engine.on("POST /containers/create", missing, created)
    scene.engine.on("POST /images/create", chunked(b'{"status":"Pulling from library/x","id":"latest"}\n'))
    done = scene.run("run", "-d", "x")
    assert (done.returncode, done.stdout) == (0, b"c1\n")
    assert done.stderr == b"Unable to find image 'x:latest' locally\nlatest: Pulling from library/x\n"
    assert scene.engine.asked[1].query == {"fromImage": ["x"], "tag": ["latest"]}


def test_an_image_that_cannot_be_pulled_is_an_engine_error(scene: Scene) -> None:
    scene.engine.on("POST /containers/create", json={"message": "No such image: x:1"}, status=404)
    scene.engine.on("POST /images/create", json={"message": "pulling is not available yet"}, status=501)
    done = scene.run("run", "x:1")
    assert done.returncode == 125
    assert b"pulling is not available yet" in done.stderr
    assert scene.run("run", "--pull", "never", "x:1").returncode == 125
    assert scene.run("run", "--pull", "sometimes", "x:1").returncode == 125


def test_signals_are_passed_on(scene: Scene) -> None:
    child = subprocess.Popen(command(scene.engine.path, "run", "busybox"), stdout=subprocess.PIPE)
    assert scene.started.wait(20)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 128 + signal.SIGTERM
    assert scene.engine.asked[-1].query == {"signal": ["15"]}
    child.communicate()


def test_a_terminal_inside_needs_one_outside(scene: Scene) -> None:
    done = scene.run("run", "-it", "busybox")
    assert (done.returncode, done.stderr) == (1, b"sampan: the input device is not a TTY\n")
    assert scene.engine.asked == []


def test_detaching_leaves_the_container_and_restores_the_terminal(scene: Scene) -> None:
    scene.output = b"\x1b[1mready"
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (30, 100))
    before = termios.tcgetattr(slave)
    child = subprocess.Popen(
        command(scene.engine.path, "run", "-it", "busybox"), stdin=slave, stdout=slave, stderr=slave
    )
    assert b"ready" in read_until(master, b"ready")
    os.write(master, b"\x10\x11")
    assert child.wait(20) == 0
    assert b"read escape sequence" in read_until(master, b"sequence")
    assert termios.tcgetattr(slave) == before
    assert scene.engine.asked[0].json["HostConfig"]["ConsoleSize"] == [30, 100]  # type: ignore[index]
    resized = [request.query for request in scene.engine.asked if request.path.endswith("/resize")]
    assert resized == [{"h": ["30"], "w": ["100"]}]
    os.close(master)
    os.close(slave)


def read_until(descriptor: int, what: bytes) -> bytes:
    seen, deadline = b"", time.monotonic() + 20
    while what not in seen and time.monotonic() < deadline:
        if select.select([descriptor], [], [], 1)[0]:
            seen += os.read(descriptor, 1000)
    return seen


def test_exec_gives_the_programs_status(scene: Scene) -> None:
    def talk(connection: socket.socket, _request: Request) -> None:
        connection.sendall(UPGRADED + frame(1, b"hi\n"))

    scene.engine.on("POST /containers/web/exec", json={"Id": "e1"}, status=201)
    scene.engine.on("POST /exec/e1/start", talk)
    scene.engine.on("GET /exec/e1/json", json={"ExitCode": 4, "Running": False})
    done = scene.run("exec", "-e", "A=1", "-w", "/x", "-u", "me", "web", "ls", "-l")
    assert (done.returncode, done.stdout) == (4, b"hi\n")
    body = scene.engine.asked[0].json
    assert isinstance(body, dict)
    assert (body["Cmd"], body["Env"], body["WorkingDir"], body["User"]) == (["ls", "-l"], ["A=1"], "/x", "me")
    assert (body["AttachStdin"], body["AttachStdout"], body["Tty"]) == (False, True, False)


def test_a_detached_exec_says_nothing(scene: Scene) -> None:
    scene.engine.on("POST /containers/web/exec", json={"Id": "e1"}, status=201)
    scene.engine.on("POST /exec/e1/start", answer())
    done = scene.run("exec", "-d", "web", "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert scene.engine.asked[1].json == {"Detach": True, "Tty": False}


def test_attach_refuses_what_does_not_run(scene: Scene) -> None:
    scene.engine.on("GET /containers/web/json", json={"Id": "c1", "State": {"Running": False}, "Config": {}})
    done = scene.run("attach", "web")
    assert done.returncode == 1
    assert b"cannot attach to a stopped container, start it first" in done.stderr


def test_attach_ends_with_the_programs_status(scene: Scene) -> None:
    found = {"Id": "c1", "State": {"Running": True}, "Config": {"Tty": False, "OpenStdin": False}}
    scene.engine.on("GET /containers/web/json", json=found)
    scene.started.set()
    scene.finish(9, frame(1, b"last words"))
    done = scene.run("attach", "web")
    assert (done.returncode, done.stdout) == (9, b"last words")


def test_start_prints_the_names(scene: Scene) -> None:
    done = scene.run("start", "c1", "nope")
    assert (done.returncode, done.stdout) == (1, b"c1\n")


def test_start_attached_ends_with_the_programs_status(scene: Scene) -> None:
    found = {"Id": "c1", "Config": {"Tty": False, "OpenStdin": True}, "HostConfig": {"AutoRemove": False}}
    scene.engine.on("GET /containers/web/json", json=found)
    scene.echo, scene.status = True, 5
    done = scene.run("start", "-a", "-i", "web", stdin=b"hello")
    assert (done.returncode, done.stdout) == (5, b"[hello]")
    assert scene.run("start", "-a", "web", "db").stderr.startswith(b"sampan: you cannot start and attach")


def test_a_container_that_cannot_start_again_is_a_plain_failure(scene: Scene) -> None:
    scene.engine.on("GET /containers/web/json", json={"Id": "c1", "Config": {}, "HostConfig": {}})
    scene.engine.on("POST /containers/c1/start", json={"message": "permission denied"}, status=400)
    assert scene.run("start", "-a", "web").returncode == 1


def build_stream(*messages: dict[str, object]) -> bytes:
    return chunked(b"".join(json.dumps(message).encode() + b"\n" for message in messages))


def test_a_folder_is_built_in_place(scene: Scene, tmp_path: Path) -> None:
    scene.engine.on("POST /build", build_stream({"aux": {"ID": IMAGE}}))
    iidfile = tmp_path / "iid"
    done = scene.run("build", "-q", "-t", "a", "--iidfile", str(iidfile), str(tmp_path))
    assert (done.returncode, done.stdout) == (0, IMAGE.encode() + b"\n")
    assert iidfile.read_text() == IMAGE
    asked = scene.engine.asked[1]
    assert (asked.query["sampan.context"], asked.query["t"]) == ([str(tmp_path)], ["a"])
    assert asked.body == b""


def test_an_engine_that_cannot_read_it_gets_an_archive(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "Dockerfile").write_text("FROM scratch")
    refusal = answer(409, b'{"message":"context cannot be read in place: other namespace"}')
    scene.engine.on("POST /build", refusal, build_stream({"aux": {"ID": IMAGE}}))
    assert scene.run("build", "-q", str(tmp_path / "ctx")).returncode == 0
    assert b"FROM scratch" in scene.engine.asked[2].body
    assert "sampan.context" not in scene.engine.asked[2].query


def test_a_dockerfile_on_stdin_is_a_context_of_its_own(scene: Scene) -> None:
    scene.engine.on("POST /build", build_stream({"aux": {"ID": IMAGE}}))
    assert scene.run("build", "-q", "-", stdin=b"FROM scratch\n").returncode == 0
    assert b"FROM scratch\n" in scene.engine.asked[0].body


def test_a_failed_build_shows_where(scene: Scene, tmp_path: Path) -> None:
    error = "exit code: 3"
    began = {"type": "vertex", "id": "a", "name": "[2/2] RUN false", "started_ns": 1, "completed_ns": None}
    scene.engine.on(
        "POST /build",
        build_stream(
            {"sampan": began},
            {"sampan": {**began, "completed_ns": 2, "error": error}},
            {"errorDetail": {"message": error, "code": 3, "excerpt": "Dockerfile:2\n---"}, "error": error},
        ),
    )
    done = scene.run("build", "--progress", "plain", str(tmp_path))
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.decode().splitlines() == [
        "#1 [2/2] RUN false",
        "#1 ERROR: exit code: 3",
        "------",
        " > [2/2] RUN false:",
        "------",
        "Dockerfile:2",
        "---",
        "sampan: failed to build: failed to solve: exit code: 3",
    ]
