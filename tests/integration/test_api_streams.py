# SPDX-License-Identifier: Apache-2.0
"""Attach, exec and wait byte by byte: hijacked connections, half-closes, heads before bodies, refusals."""

from __future__ import annotations

import time

import pytest

from integration.engine_process import EngineProcess
from integration.raw_client import RawClient, ask, stream

UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")
ATTACH = "stream=1&stdin=1&stdout=1&stderr=1"


@pytest.fixture
def path(engine: EngineProcess) -> str:
    return str(engine.socket)


def create(path: str, *cmd: str, **config: object) -> str:
    body = {"Image": "busybox", "Cmd": list(cmd), "OpenStdin": True, "StdinOnce": True, **config}
    status, _, made = ask(path, "POST", "/v1.51/containers/create", body)
    assert status == 201, made
    return str(made["Id"])


def start(path: str, container: str) -> None:
    status, _, answer = ask(path, "POST", f"/v1.51/containers/{container}/start")
    assert status == 204, answer


@pytest.mark.parametrize("upgrade", [True, False])
def test_attach_answers_as_docker_does(path: str, upgrade: bool) -> None:
    container = create(path, "cat")
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/{container}/attach?{ATTACH}", *(UPGRADE if upgrade else ()))
        status, headers = client.head()
        kind = "multiplexed-stream" if upgrade else "raw-stream"  # whatever it is, as in Docker
        assert headers["content-type"] == f"application/vnd.docker.{kind}"
        assert (status, headers.get("upgrade")) == ((101, "tcp") if upgrade else (200, None))
        assert "content-length" not in headers
        assert "transfer-encoding" not in headers
        start(path, container)
        client.sock.sendall(b"through")
        client.half_close()
        assert stream(client.rest(), 1) == b"through"


def test_old_versions_and_terminals_get_a_raw_stream_type(path: str) -> None:
    for version, tty in (("1.41", False), ("1.51", True)):
        container = create(path, "true", Tty=tty)
        with RawClient(path) as client:
            client.send("POST", f"/v{version}/containers/{container}/attach?{ATTACH}", *UPGRADE)
            assert client.head()[1]["content-type"] == "application/vnd.docker.raw-stream"


def test_half_close_is_the_end_of_stdin_and_output_goes_on(path: str) -> None:
    script = "cat >/dev/null; i=0; while [ $i -lt 20 ]; do echo $i; sleep 0.02; i=$((i+1)); done; echo done"
    container = create(path, "sh", "-c", script)
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/{container}/attach?{ATTACH}", *UPGRADE)
        client.head()
        start(path, container)
        client.sock.sendall(b"x" * 100_000)
        client.half_close()
        assert stream(client.rest(), 1).endswith(b"19\ndone\n")


@pytest.mark.parametrize("running", [True, False])
def test_bytes_sent_with_the_request_are_not_lost(path: str, running: bool) -> None:
    container = create(path, "sh", "-c", "read a; echo got $a; read b; echo got $b")
    if running:
        start(path, container)
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/{container}/attach?{ATTACH}", *UPGRADE, after=b"early\n")
        client.head()
        if not running:
            start(path, container)
        client.sock.sendall(b"late\n")
        assert stream(client.rest(), 1) == b"got early\ngot late\n"


def test_half_close_right_behind_the_request(path: str) -> None:
    container = create(path, "cat")
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/{container}/attach?{ATTACH}", *UPGRADE, after=b"all of it")
        client.half_close()
        client.head()
        start(path, container)
        assert stream(client.rest(), 1) == b"all of it"


def make_exec(path: str, container: str, *cmd: str, **more: object) -> str:
    body = {"Cmd": list(cmd), "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, **more}
    status, _, made = ask(path, "POST", f"/v1.51/containers/{container}/exec", body)
    assert status == 201, made
    return str(made["Id"])


@pytest.fixture
def ship(path: str) -> str:
    container = create(path, "sleep", "60")
    start(path, container)
    return container


@pytest.mark.parametrize("upgrade", [True, False])
def test_exec_start_with_a_body(path: str, ship: str, upgrade: bool) -> None:
    exec_id = make_exec(path, ship, "sh", "-c", "cat; echo err >&2; exit 3")
    with RawClient(path) as client:
        headers = UPGRADE if upgrade else ()
        body = {"Detach": False, "Tty": False}
        client.send("POST", f"/v1.51/exec/{exec_id}/start", *headers, body=body, after=b"early ")
        assert client.head()[0] == (101 if upgrade else 200)
        client.sock.sendall(b"and late")
        client.half_close()
        data = client.rest()
    assert stream(data, 1) == b"early and late"
    assert stream(data, 2) == b"err\n"
    assert ask(path, "GET", f"/v1.51/exec/{exec_id}/json")[2]["ExitCode"] == 3


def test_exec_start_of_a_missing_program_tells_the_stream(path: str, ship: str) -> None:
    exec_id = make_exec(path, ship, "frobnicate")
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/exec/{exec_id}/start", *UPGRADE, body={})
        status, _ = client.head()
        said = client.rest()
    assert status in (101, 400)
    assert b"executable file not found in $PATH" in said
    assert ask(path, "GET", f"/v1.51/exec/{exec_id}/json")[2]["ExitCode"] == 127


def test_wait_answers_its_head_at_once(path: str) -> None:
    container = create(path, "cat")
    for condition in ("next-exit", "removed", "not-running"):
        if condition == "not-running":
            start(path, container)
        with RawClient(path) as client:
            begin = time.monotonic()
            client.send("POST", f"/v1.51/containers/{container}/wait?condition={condition}")
            status, headers = client.head()
            assert time.monotonic() - begin < 2
            assert (status, headers["content-type"]) == (200, "application/json")


def test_logs_and_events_answer_their_heads_at_once(path: str, ship: str) -> None:
    for url in (f"/v1.51/containers/{ship}/logs?follow=1&stdout=1", "/v1.51/events"):
        with RawClient(path) as client:
            client.send("GET", url)
            assert client.head()[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping(path: str, method: str) -> None:
    with RawClient(path) as client:
        client.send(method, "/_ping", "Connection: close")
        status, headers = client.head()
        assert client.rest() == (b"OK" if method == "GET" else b"")
    assert status == 200
    assert headers["api-version"] == "1.51"
    assert headers["ostype"] == "linux"
    assert headers["docker-experimental"] == "false"
    assert "builder-version" in headers


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("/v1.24/version", 200, None),
        ("/v1.51/version", 200, None),
        ("/version", 200, None),
        ("/v1.99/version", 400, "client version 1.99 is too new. Maximum supported API version is 1.51"),
        (
            "/v1.23/version",
            400,
            (
                "client version 1.23 is too old. Minimum supported API version is 1.24, "
                "please upgrade your client to a newer version"
            ),
        ),
        ("/v1.51/nothing", 404, "page not found"),
        ("/nothing/here", 404, "page not found"),
        ("/v1.51/containers/nobody/json", 404, "No such container: nobody"),
        ("/v1.51/images/nothing:1/json", 404, "No such image: nothing:1"),
        ("/v1.51/containers/nobody/logs?stdout=1", 404, "No such container: nobody"),
        ("/v1.51/exec/nothing/json", 404, "No such exec instance: nothing"),
        ('/v1.51/containers/json?filters={"bad":{"x":true}}', 400, "invalid filter 'bad'"),
        ('/v1.51/images/json?filters={"bad":["x"]}', 400, "invalid filter 'bad'"),
    ],
)
def test_answers_to_get(path: str, url: str, status: int, message: str | None) -> None:
    got, _, body = ask(path, "GET", url)
    assert got == status
    if message:
        assert body == {"message": message}


def test_filters_that_are_no_json(path: str) -> None:
    status, _, body = ask(path, "GET", "/v1.51/containers/json?filters={nonsense")
    assert status == 400
    assert body["message"]


def test_states_that_are_so_already(path: str, ship: str) -> None:
    assert ask(path, "POST", f"/v1.51/containers/{ship}/start")[0] == 304
    assert ask(path, "POST", f"/v1.51/containers/{ship}/stop?t=0")[0] == 204
    assert ask(path, "POST", f"/v1.51/containers/{ship}/stop")[0] == 304


def test_conflicts(path: str, ship: str) -> None:
    for method, url in (
        ("DELETE", f"/v1.51/containers/{ship}"),
        ("POST", f"/v1.51/containers/{ship}/unpause"),
    ):
        status, _, body = ask(path, method, url)
        assert status == 409, (url, body)
    assert ask(path, "POST", f"/v1.51/containers/{ship}/pause")[0] == 204
    assert ask(path, "POST", f"/v1.51/containers/{ship}/pause")[0] == 409
    assert ask(path, "POST", f"/v1.51/containers/{ship}/unpause")[0] == 204
    taken = {"Image": "busybox", "Cmd": ["true"]}
    assert ask(path, "POST", "/v1.51/containers/create?name=twice", taken)[0] == 201
    assert ask(path, "POST", "/v1.51/containers/create?name=twice", taken)[0] == 409


def test_bad_requests(path: str, ship: str) -> None:
    body = {"Image": "busybox"}
    assert ask(path, "POST", "/v1.51/containers/create?name=not%20good", body)[0] == 400
    status, _, answer = ask(path, "GET", f"/v1.51/containers/{ship}/logs")
    assert (status, answer["message"]) == (400, "Bad parameters: you must choose at least one stream")
    assert ask(path, "POST", "/v1.51/containers/create", {"Image": "no-such:1"})[0] == 404
    assert ask(path, "POST", f"/v1.51/containers/{ship}/wait?condition=someday")[0] == 400
    with RawClient(path) as client:
        client.send("POST", "/v1.51/containers/create", "Connection: close", body="not an object")
        assert client.head()[0] == 400


def test_attach_to_nobody(path: str) -> None:
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/nobody/attach?{ATTACH}", *UPGRADE)
        assert client.head()[0] == 404


@pytest.mark.parametrize("url", ["/v1.51/swarm", "/v1.51/nodes", "/v1.51/services"])
def test_swarm_is_not_there(path: str, url: str) -> None:
    assert ask(path, "GET", url)[0] == 503


def test_one_connection_serves_many_requests(path: str) -> None:
    with RawClient(path) as client:
        for _ in range(3):
            client.send("GET", "/v1.51/containers/nobody/json")
            status, headers = client.head()
            assert status == 404
            data = client.sock.recv(int(headers["content-length"])) if not client._buffer else client._buffer
            client._buffer = b""
            assert b"No such container" in data


def test_resize_before_the_start_is_kept(path: str) -> None:
    container = create(path, "stty", "size", Tty=True, AttachStdout=True)
    assert ask(path, "POST", f"/v1.51/containers/{container}/resize?h=31&w=97")[0] == 200
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/{container}/attach?{ATTACH}", *UPGRADE)
        client.head()
        start(path, container)
        assert client.rest() == b"31 97\r\n"


def test_attach_with_logs_replays(path: str) -> None:
    container = create(path, "sh", "-c", "echo before; read x; echo after")
    start(path, container)
    with RawClient(path) as first:
        first.send("GET", f"/v1.51/containers/{container}/logs?stdout=1&follow=1")
        first.head()
        first.sock.recv(100)
    with RawClient(path) as client:
        client.send("POST", f"/v1.51/containers/{container}/attach?{ATTACH}&logs=1", *UPGRADE, after=b"go\n")
        client.head()
        assert stream(client.rest(), 1) == b"before\nafter\n"
