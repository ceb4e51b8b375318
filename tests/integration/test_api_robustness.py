# SPDX-License-Identifier: Apache-2.0
"""What clients do wrong: they are slow, they vanish, they send nonsense. Nobody else must notice."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from checked_api import CheckedApi
from integration.engine_process import EngineProcess, wait_until
from integration.kernel_state import resident_bytes
from integration.test_api_conformance import small_tar
from sampan.api.app import RESOURCES

IMAGE = "busybox:latest"
SLOW_CLIENTS = 1000
MEBIBYTE = 1 << 20
WARMING_UP, VISITS = 10, int(os.environ.get("SAMPAN_STRESS_VISITS", "30"))


@pytest.fixture
def api(engine: EngineProcess) -> CheckedApi:
    return CheckedApi(engine.socket)


# It reads its input, and ends at once whenever somebody stops it.
VICTIM = {"Image": IMAGE, "Cmd": ["cat"], "OpenStdin": True, "StopSignal": "SIGKILL"}


@pytest.fixture
def container(api: CheckedApi) -> str:
    """A running container."""
    created = api.ask("POST", "/containers/create", {"name": "victim"}, body=VICTIM, expect=201)
    api.ask("POST", "/containers/victim/start", expect=204)
    return str(created.json["Id"])


@pytest.fixture
def chatty(api: CheckedApi) -> str:
    """A running container that says more than any connection holds."""
    body = {"Image": IMAGE, "Cmd": ["yes"], "StopSignal": "SIGKILL"}
    created = api.ask("POST", "/containers/create", {"name": "chatty"}, body=body, expect=201)
    api.ask("POST", "/containers/chatty/start", expect=204)
    return str(created.json["Id"])


def connect(engine: EngineProcess) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(engine.socket))
    return sock


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_head(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            raise AssertionError(f"the connection ended in its head: {data!r}")
        data += chunk
    return data


@contextlib.contextmanager
def opened(engine: EngineProcess, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(engine)) for _ in range(count)]


UNFINISHED = (
    b"GET /info HTTP/1.1\r\nHos",
    b"POST /containers/chatty/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConn",
    b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf",
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
    b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf",
    b"POST /images/create?fromSrc=- HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf",
    b"PUT /containers/chatty/archive?path=/tmp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf",
)
UNREAD = (
    ("GET", "/events"),
    ("POST", "/containers/chatty/wait"),
    ("GET", f"/images/get?names={IMAGE}"),
    ("GET", "/containers/chatty/logs?stdout=1&follow=1"),
    ("GET", "/containers/chatty/stats"),
    ("GET", "/containers/chatty/export"),
)


class TestSlowClients:
    def test_a_thousand_of_them_do_not_stop_the_others(
        self, engine: EngineProcess, api: CheckedApi, chatty: str
    ) -> None:
        """Half a head, half a body, a stream that nobody reads: a container still starts in no time."""
        kinds = [*UNFINISHED, *(request(*each) for each in UNREAD)]
        before = figures(engine, api)
        with opened(engine, SLOW_CLIENTS) as clients:
            for number, client in enumerate(clients):
                client.sendall(kinds[number % len(kinds)])
            begun = time.monotonic()
            assert len(api.ask("GET", "/containers/json", expect=200).json) == 1
            created = api.ask(
                "POST", "/containers/create", body={"Image": IMAGE, "Cmd": ["true"]}, expect=201
            )
            api.ask("POST", f"/containers/{created.json['Id']}/start", expect=204)
            api.ask("POST", f"/containers/{created.json['Id']}/wait", expect=200)
            api.ask("GET", "/images/json", expect=200)
            api.ask("POST", f"/images/{IMAGE}/tag", {"repo": "meanwhile"}, expect=201)
            api.ask("DELETE", "/images/meanwhile", expect=200)
            api.ask("GET", "/system/df", expect=200)
            api.ask("POST", "/build", raw=small_tar("Dockerfile", f"FROM {IMAGE}\n".encode()), expect=200)
            saved = api.ask("GET", f"/images/{IMAGE}/get", expect=200)
            assert len(saved.body) > MEBIBYTE
            assert time.monotonic() - begun < 60.0  # one that waited for a slow client would never end
            assert figures(engine, api)[0] > before[0] + SLOW_CLIENTS / 2
        api.ask("DELETE", f"/containers/{created.json['Id']}", expect=204)
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")


def figures(engine: EngineProcess, api: CheckedApi) -> tuple[int, int, int]:
    """Descriptors, tasks and listeners of the engine, as the engine and the kernel count them."""
    assert engine.process is not None
    info = api.ask("GET", "/info").json
    return len(os.listdir(f"/proc/{engine.process.pid}/fd")), info["NGoroutines"], info["NEventsListener"]


VANISHING = {
    "wait": request("POST", "/containers/victim/wait?condition=next-exit"),
    "events": request("GET", "/events"),
    "logs": request("GET", "/containers/victim/logs?stdout=1&follow=1"),
    "attach": request(
        "POST", "/containers/victim/attach?stream=1&stdin=1&stdout=1", "Connection: Upgrade", "Upgrade: tcp"
    ),
    "stats": request("GET", "/containers/victim/stats"),
    "save": request("GET", f"/images/{IMAGE}/get"),
    "export": request("GET", "/containers/victim/export"),
    "archive": request("GET", "/containers/victim/archive?path=/bin"),
}
HEAVY = {"save", "export", "archive"}
BROKEN_OFF = {
    "load": b"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"\0" * 300,
    "import": b"POST /images/create?fromSrc=- HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    + b"x" * 300,
    "build": b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 300,
    "create": b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
    "archive": b"PUT /containers/victim/archive?path=/tmp HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    + small_tar("file", bytes(3000))[:2000],
}


def leave_exec(engine: EngineProcess, api: CheckedApi, container: str) -> None:
    """Be attached to a program that reads, and go."""
    body = {"Cmd": ["cat"], "AttachStdin": True, "AttachStdout": True}
    exec_id = api.ask("POST", f"/containers/{container}/exec", body=body, expect=201).json["Id"]
    with connect(engine) as client:
        headers = ("Content-Type: application/json", "Connection: Upgrade", "Upgrade: tcp")
        client.sendall(request("POST", f"/exec/{exec_id}/start", *headers, body=b"{}"))
        assert b"101 UPGRADED" in read_head(client)


def leave_lightly(engine: EngineProcess, api: CheckedApi, container: str) -> None:
    for what in VANISHING.keys() - HEAVY:
        with connect(engine) as client:
            client.sendall(VANISHING[what])
            read_head(client)
    for data in BROKEN_OFF.values():
        with connect(engine) as client:
            client.sendall(data)
    leave_exec(engine, api, container)


def leave_heavily(engine: EngineProcess, _: CheckedApi, __: str) -> None:
    for what in HEAVY:
        with connect(engine) as client:
            client.sendall(VANISHING[what])
            read_head(client)


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """It takes calls and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


class TestVanishingClients:
    @pytest.mark.parametrize("what", VANISHING)
    def test_who_leaves_in_the_middle_of_an_answer_leaves_nothing(
        self, engine: EngineProcess, api: CheckedApi, container: str, what: str
    ) -> None:
        before = figures(engine, api)
        with opened(engine, 20) as clients:
            for client in clients:
                client.sendall(VANISHING[what])
            for client in clients:
                assert b" 200 " in read_head(client)[:20] or what == "attach"
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")
        assert api.ask("GET", f"/containers/{container}/json").json["State"]["Running"]

    @pytest.mark.parametrize("what", BROKEN_OFF)
    def test_who_breaks_off_a_request_leaves_nothing(
        self, engine: EngineProcess, api: CheckedApi, container: str, what: str
    ) -> None:
        before = figures(engine, api)
        with opened(engine, 10) as clients:
            for client in clients:
                client.sendall(BROKEN_OFF[what])
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")

    def test_who_leaves_an_exec_leaves_nothing(
        self, engine: EngineProcess, api: CheckedApi, container: str
    ) -> None:
        before = figures(engine, api)
        for _ in range(5):
            leave_exec(engine, api, container)
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")
        assert not api.ask("GET", f"/containers/{container}/json").json["ExecIDs"]

    def test_who_leaves_before_the_start_leaves_nothing(self, engine: EngineProcess, api: CheckedApi) -> None:
        created = api.ask("POST", "/containers/create", {"name": "victim"}, body=VICTIM, expect=201)
        before = figures(engine, api)
        for _ in range(20):
            with connect(engine) as client:
                client.sendall(VANISHING["attach"])
                assert b"101 UPGRADED" in read_head(client)
        wait_until(lambda: figures(engine, api)[0] <= before[0] + 1, f"one more than {before}")
        api.ask("DELETE", f"/containers/{created.json['Id']}", expect=204)
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")

    def test_who_leaves_a_pull_ends_it(
        self, engine: EngineProcess, api: CheckedApi, silent_registry: str
    ) -> None:
        before = figures(engine, api)
        with opened(engine, 10) as clients:
            for number, client in enumerate(clients):
                name = f"{silent_registry}/image{number}"
                client.sendall(request("POST", f"/images/create?fromImage={name}&tag=1"))
            wait_until(lambda: figures(engine, api)[1] >= before[1] + len(clients), "all are at it")
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")

    @pytest.mark.parametrize("action", ["start", "stop", "restart", "remove"])
    def test_who_leaves_a_change_finds_it_done(
        self, engine: EngineProcess, api: CheckedApi, container: str, action: str
    ) -> None:
        """It takes its time, and goes on although nobody waits for it."""
        if action == "start":
            api.ask("POST", f"/containers/{container}/kill", expect=204)
        before = api.ask("GET", f"/containers/{container}/json").json["State"]["StartedAt"]
        method, path = ("DELETE", "?force=1") if action == "remove" else ("POST", f"/{action}")
        with connect(engine) as client:
            client.sendall(request(method, f"/containers/{container}{path}"))
        wanted = {"start": "running", "stop": "exited", "restart": "running", "remove": None}[action]

        def is_done() -> bool:
            answer = api.send("GET", f"/containers/{container}/json")
            if answer.status == 404:
                return wanted is None
            state = answer.json["State"]
            return state["Status"] == wanted and (action != "restart" or state["StartedAt"] > before)

        wait_until(is_done, f"{action} is done")

    @pytest.mark.parametrize(("ways", "limit_bytes"), [("light", 3 * MEBIBYTE), ("heavy", 24 * MEBIBYTE)])
    def test_many_who_leave_cost_no_memory(
        self, engine: EngineProcess, api: CheckedApi, container: str, ways: str, limit_bytes: int
    ) -> None:
        """Of archives, which pass in large pieces, the allocator keeps some of the room for the next."""
        assert engine.process is not None
        pid, leave = engine.process.pid, leave_lightly if ways == "light" else leave_heavily
        before = figures(engine, api)
        used = [resident_bytes(pid)]
        for count in (WARMING_UP, VISITS):
            for _ in range(count):
                leave(engine, api, container)
            wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")
            used.append(resident_bytes(pid))
        assert used[2] - used[1] < limit_bytes, used

    def test_who_leaves_a_build_ends_it(self, engine: EngineProcess, api: CheckedApi) -> None:
        before = figures(engine, api)
        context = small_tar("Dockerfile", f"FROM {IMAGE}\nRUN sleep 300\n".encode())
        with connect(engine) as client:
            client.sendall(
                request("POST", "/build?nocache=1", "Content-Type: application/x-tar", body=context)
            )
            seen = b""
            while b"RUN sleep" not in seen:
                seen += client.recv(65536)
        wait_until(lambda: figures(engine, api) <= before, f"as before: {before}")


class TestNonsense:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/containers/create", b""),
            ("POST", "/containers/create", b"{"),
            ("POST", "/containers/create", b"[]"),
            ("POST", "/containers/create", b"null"),
            ("POST", "/containers/create", b'{"Image": 5}'),
            ("POST", "/containers/create", b'{"Image": "x", "HostConfig": {"Memory": "lots"}}'),
            ("POST", "/containers/create", b'{"Image": "x", "Env": {"a": 1}}'),
            ("POST", "/containers/create", b"\xff\xfe"),
            ("POST", "/containers/create", b'{"Image": "busybox", "Cmd": ["a\\u0000b"]}'),
            ("POST", "/containers/create", b'{"Image": "busybox", "Cmd": ["a"], "Env": ["A=\\u0000"]}'),
            ("POST", "/containers/create", b'{"Image": "busybox", "Cmd": ["a"], "WorkingDir": "/\\u0000"}'),
            ("POST", "/containers/victim/exec", b'{"Cmd": ["a\\u0000b"]}'),
            ("GET", "/containers/victim/json?x=%00", b""),
            ("POST", "/containers/victim/exec", b""),
            ("POST", "/containers/victim/exec", b'{"Cmd": "no list"}'),
            ("POST", "/containers/victim/exec", b'{"Cmd": []}'),
            ("POST", "/volumes/create", b'{"Name": ["x"]}'),
            ("POST", "/volumes/create", b'{"Name": "../x"}'),
            ("POST", "/networks/create", b"{"),
            ("POST", "/containers/victim/update", b'{"Memory": []}'),
            ("GET", "/containers/json?filters={", b""),
            ("GET", "/containers/json?filters=[]", b""),
            ("GET", "/containers/json?filters=%7B%22bad%22%3A%5B%22x%22%5D%7D", b""),
            ("GET", "/containers/json?limit=many", b""),
            ("GET", "/images/json?filters=%7B%22since%22%3A%5B%22UPPER%22%5D%7D", b""),
            ("GET", "/events?since=yesterday", b""),
            ("GET", "/events?until=1e400", b""),
            ("GET", "/containers/victim/logs?stdout=1&since=never", b""),
            ("POST", "/containers/victim/kill?signal=SIGNONSENSE", b""),
            ("POST", "/containers/victim/kill?signal=99999999999999999999", b""),
            ("POST", "/containers/victim/stop?t=soon", b""),
            ("POST", "/containers/victim/resize?h=x&w=y", b""),
            ("POST", "/containers/victim/resize?h=99999999999&w=-1", b""),
            ("POST", "/containers/victim/wait?condition=bored", b""),
            ("POST", "/containers/victim/rename?name=-", b""),
            ("POST", f"/images/{IMAGE}/tag?repo=UPPER", b""),
            ("POST", f"/images/{IMAGE}/tag", b""),
            ("POST", "/images/create", b""),
            ("POST", "/build?buildargs=%7B", b""),
            ("POST", "/build?memory=x&shmsize=y", b""),
            ("GET", "/system/df?type=everything", b""),
            ("GET", "/networks?filters=%7B%22color%22%3A%5B%22x%22%5D%7D", b""),
            ("GET", "/volumes?filters=7", b""),
        ],
    )
    def test_is_refused_with_a_reason(
        self, api: CheckedApi, container: str, method: str, path: str, body: bytes
    ) -> None:
        answer = api.send(method, path, raw=body)
        assert answer.status == 400, (answer.status, answer.body)
        assert answer.message

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/"),
            ("GET", "/nothing"),
            ("PATCH", "/containers/json"),
            ("DELETE", "/info"),
            ("PUT", "/images/load"),
            ("GET", "/containers/create"),
            ("GET", "//containers/json"),
            ("GET", "/containers/%2e%2e/json"),
        ],
    )
    def test_an_unknown_place_is_404_in_json(self, api: CheckedApi, method: str, path: str) -> None:
        answer = api.send(method, path)
        assert (answer.status, set(answer.json)) == (404, {"message"})
        assert answer.headers["Api-Version"] == "1.51"

    @pytest.mark.parametrize(
        "data",
        [
            b"\0\1\2\3\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET /info HTTP/9.9\r\n\r\n",
            b"GET /info HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            b"POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
            b"GET /info HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (8 * MEBIBYTE) + b"\r\n\r\n",
        ],
        ids=["binary", "no-path", "version", "length", "chunk", "huge-header"],
    )
    def test_what_is_not_http_ends_its_connection_alone(
        self, engine: EngineProcess, api: CheckedApi, data: bytes
    ) -> None:
        with connect(engine) as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
            assert b" 500 " not in answer.split(b"\r\n")[0]
        api.ask("GET", "/info", expect=200)


ROUTES = sorted(
    {
        (route.method, route.path)
        for resource in RESOURCES
        for route in resource.routes
        if route.method != "*" and route.path not in ("/events", "/session")
    }
)
TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = st.sampled_from(
    [
        "Image",
        "Cmd",
        "Env",
        "Entrypoint",
        "HostConfig",
        "Labels",
        "Name",
        "Container",
        "Healthcheck",
        "Tty",
        "Memory",
    ]
)
QUERY_WORDS = """
    all filters limit size signal t condition name repo tag fromSrc changes h w force v tail since until stdout type
    path noOverwriteDirNonDir container q buildargs platform dockerfile names quiet ps_args stream
"""
QUERY_NAMES = st.sampled_from(QUERY_WORDS.split())


@settings(
    max_examples=300,
    phases=[Phase.generate],  # shrinking something that hangs would take all day
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(
    route=st.sampled_from(ROUTES),
    name=st.sampled_from(["victim", "busybox:latest", "missing", "a/b", "%00", "..", "é"]),
    query=st.dictionaries(QUERY_NAMES, TEXT | st.sampled_from(["1", "0", "-1", "{}", "[]"]), max_size=4),
    body=st.none() | JSON | st.dictionaries(FIELD_NAMES, JSON, max_size=3),
)
def test_no_request_is_answered_with_500_or_not_at_all(
    engine: EngineProcess, route: tuple[str, str], name: str, query: dict[str, str], body: Any
) -> None:
    api = CheckedApi(engine.socket)
    api.send("POST", "/containers/create", {"name": "victim"}, body=VICTIM)
    api.send("POST", "/containers/victim/start")
    method, path = route
    path = path.replace("{name:.+}", name).replace("{id}", name).replace("{name}", name)
    head = request(
        method,
        f"{path}?{urlencode(query)}".encode().decode("latin-1"),
        "Connection: close",
        body=b"" if body is None else json.dumps(body).encode(),
    )
    with connect(engine) as client:
        client.settimeout(10)
        client.sendall(head)
        try:
            first = client.recv(65536).split(b"\r\n")[0]
        except TimeoutError:
            raise AssertionError(f"no answer to {method} {path} {query} {body}") from None
    assert b" 500 " not in first, (method, path, query, body, first)


class TestGigabytes:
    """An upload of any size takes a fixed amount of memory, and garbage is refused early."""

    @pytest.mark.parametrize(
        ("path", "garbage"),
        [
            ("/images/load", b"\xa5"),
            ("/images/load", b"\0"),
            ("/images/load", b"Dockerfile"),
            ("/build", b"\xa5"),
            ("/build", b"\0"),
            ("/images/create?fromSrc=-", b"\0"),
        ],
    )
    def test_a_gigabyte_of_garbage(
        self, engine: EngineProcess, api: CheckedApi, path: str, garbage: bytes
    ) -> None:
        assert engine.process is not None
        before = resident_bytes(engine.process.pid)
        peak, begun = before, time.monotonic()
        chunk = (garbage * MEBIBYTE)[:MEBIBYTE]
        piece = b"%x\r\n" % len(chunk) + chunk + b"\r\n"
        with connect(engine) as client:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(request("POST", path, "Transfer-Encoding: chunked"))
                for number in range(1024):
                    client.sendall(piece)
                    if number % 64 == 0:
                        peak = max(peak, resident_bytes(engine.process.pid))
                client.sendall(b"0\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                answer = client.recv(65536)
                assert b" 500 " not in answer.split(b"\r\n")[0]
        assert peak - before < 48 * MEBIBYTE
        assert time.monotonic() - begun < 20
        api.ask("GET", "/info", expect=200)
