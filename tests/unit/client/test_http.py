# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sampan import errors
from sampan.client.address import Address
from sampan.client.api import Engine
from sampan.client.http import HttpClient, NobodyListens
from sampan.client.wire import ConnectionLost
from scripted_engine import Request, ScriptedEngine, answer, chunked


@pytest.fixture
def client(scripted: ScriptedEngine) -> Iterator[HttpClient]:
    client = HttpClient(Address(path=scripted.path))
    yield client
    client.close()


@pytest.fixture
def engine(scripted: ScriptedEngine) -> Iterator[Engine]:
    engine = Engine(Address(path=scripted.path))
    yield engine
    engine.close()


def test_one_connection_serves_several_requests(scripted: ScriptedEngine, client: HttpClient) -> None:
    scripted.on("GET /a", answer(200, b"one"), chunked(b"tw", b"o"), answer(204, length=False), answer())
    assert [client.request("GET", "/a").read() for _ in range(4)] == [b"one", b"two", b"", b""]
    assert scripted.connections == 1


def test_a_second_connection_is_opened_while_an_answer_is_read(
    scripted: ScriptedEngine, client: HttpClient
) -> None:
    scripted.on("GET /slow", chunked(b"a", b"b"))
    scripted.on("GET /fast", answer(200, b"x"))
    slow = client.request("GET", "/slow")
    assert client.request("GET", "/fast").read() == b"x"
    assert slow.read() == b"ab"
    assert scripted.connections == 2


def test_an_idle_connection_that_was_closed_is_replaced(scripted: ScriptedEngine, client: HttpClient) -> None:
    def say_and_close(connection: socket.socket, _request: Request) -> None:
        connection.sendall(answer(200, b"1"))

    scripted.on("GET /a", say_and_close, answer(200, b"2"))
    assert client.request("GET", "/a").read() == b"1"
    assert client.request("GET", "/a").read() == b"2"
    assert scripted.connections == 2


def test_a_connection_that_was_closed_while_idle_is_not_used(
    scripted: ScriptedEngine, client: HttpClient
) -> None:
    def say_and_close(connection: socket.socket, _request: Request) -> None:
        connection.sendall(answer(200, b"1"))

    scripted.on("GET /a", say_and_close)
    scripted.on("POST /b", answer(200, b"2"))
    assert client.request("GET", "/a").read() == b"1"
    assert client._idle[0].comes_within(10)
    assert client.request("POST", "/b", body=b"").read() == b"2"
    assert scripted.lines == ["GET /a", "POST /b"]


def test_an_answer_may_be_waited_for(scripted: ScriptedEngine, client: HttpClient) -> None:
    go_on = threading.Event()

    def say_later(connection: socket.socket, _request: Request) -> None:
        connection.sendall(answer(200, b"xy")[:-2])
        go_on.wait(10)
        connection.sendall(b"xy")

    scripted.on("GET /a", say_later)
    waiting = client.request("GET", "/a")
    assert not waiting.comes_within(0.01)
    go_on.set()
    assert waiting.comes_within(10)
    assert waiting.read() == b"xy"
    assert waiting.comes_within(0)


def test_threads_never_share_a_connection(scripted: ScriptedEngine, client: HttpClient) -> None:
    for number in range(8):
        scripted.on(f"GET /{number}", answer(200, b"%d" % number))

    def ask(number: int) -> set[bytes]:
        return {client.request("GET", f"/{number}").read() for _ in range(50)}

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [{b"%d" % number} for number in range(8)]
    assert scripted.connections <= 8 * 2


def test_a_request_that_changes_something_is_never_sent_twice(
    scripted: ScriptedEngine, client: HttpClient
) -> None:
    scripted.on("GET /a", answer())
    scripted.on("POST /a", lambda _connection, _request: None)
    client.request("GET", "/a").read()
    with pytest.raises(ConnectionLost):
        client.request("POST", "/a", body=b"")
    assert scripted.lines == ["GET /a", "POST /a"]


def test_streamed_bodies_are_sent_in_chunks(scripted: ScriptedEngine, client: HttpClient) -> None:
    scripted.on("POST /load", answer(200, b"ok"))
    assert client.request("POST", "/load", body=iter([b"ab", b"", b"c" * 70000])).read() == b"ok"
    assert scripted.asked[0].fields["transfer-encoding"] == "chunked"
    assert scripted.asked[0].body == b"ab" + b"c" * 70000


def test_an_early_refusal_is_told_although_the_body_was_not_read(
    scripted: ScriptedEngine, engine: Engine
) -> None:
    """A server may answer before it has read the body, and close."""
    listener = socket.socket(socket.AF_UNIX)
    path = scripted.path + "2"
    listener.bind(path)
    listener.listen()

    def pieces():  # type: ignore[no-untyped-def]
        yield b"x"
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(answer(409, b'{"message":"no space"}', fields={"Connection": "close"}))
        connection.close()
        yield b"y" * 1_000_000

    with pytest.raises(errors.Conflict, match="no space"):
        Engine(Address(path=path)).call("POST", "/images/load", body=pieces())
    listener.close()


def test_a_hijacked_connection_keeps_what_came_with_its_head(
    scripted: ScriptedEngine, client: HttpClient
) -> None:
    def talk(connection: socket.socket, request: Request) -> None:
        assert request.fields["upgrade"] == "tcp"
        head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        connection.sendall(head + b"early")
        connection.sendall(b"echo:" + connection.recv(100))

    scripted.on("POST /attach", talk)
    hijacked = client.hijack("POST", "/attach")
    assert (hijacked.status, hijacked.initial) == (101, b"early")
    hijacked.socket.sendall(b"hi")
    assert hijacked.socket.recv(100) == b"echo:hi"
    hijacked.socket.close()


def test_a_refused_hijack_is_the_error_it_names(scripted: ScriptedEngine, client: HttpClient) -> None:
    scripted.on("POST /attach", json={"message": "No such container: x"}, status=404)
    with pytest.raises(errors.NotFound, match="No such container: x"):
        client.hijack("POST", "/attach")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidArgument),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (500, errors.Internal),
        (501, errors.Unsupported),
        (503, errors.Unavailable),
    ],
)
def test_errors_keep_the_engines_words(
    scripted: ScriptedEngine, engine: Engine, status: int, kind: type[errors.SampanError]
) -> None:
    scripted.on("GET /x", json={"message": "Conflict. The name is taken"}, status=status)
    with pytest.raises(kind, match=r"^Conflict\. The name is taken$"):
        engine.get("/x")


def test_an_error_that_is_no_json_is_shown_as_it_is(scripted: ScriptedEngine, engine: Engine) -> None:
    scripted.on("GET /x", answer(502, b"bad gateway\n"))
    with pytest.raises(errors.Internal, match="engine answered: bad gateway"):
        engine.get("/x")


def test_what_is_already_so_is_no_error(scripted: ScriptedEngine, engine: Engine) -> None:
    scripted.on("POST /containers/a/start", answer(304, length=False))
    engine.containers.start("a")
    assert scripted.lines == ["POST /containers/a/start"]


def test_a_truncated_body_is_an_error(scripted: ScriptedEngine, client: HttpClient) -> None:
    def talk(connection: socket.socket, _request: Request) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    scripted.on("GET /a", talk)
    with pytest.raises(ConnectionLost):
        client.request("GET", "/a").read()


def test_something_else_than_http_is_said(scripted: ScriptedEngine, client: HttpClient) -> None:
    scripted.on("GET /a", lambda connection, _request: connection.sendall(b"SSH-2.0-x\r\n\r\n"))
    with pytest.raises(errors.DataCorrupt, match="not HTTP"):
        client.request("GET", "/a")


def test_nobody_listening_is_said_with_the_address(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NobodyListens, match=r"cannot connect to the engine at unix://.*: no such file"):
        HttpClient(Address(path=str(tmp_path / "none"))).request("GET", "/")


def test_lines_are_given_as_they_are_complete(scripted: ScriptedEngine, client: HttpClient) -> None:
    scripted.on("GET /events", chunked(b'{"a":1}\n{"a"', b":2}\n", b'{"a":3}'))
    assert list(client.request("GET", "/events").iter_json()) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_an_older_engine_is_spoken_to_in_its_version(scripted: ScriptedEngine, engine: Engine) -> None:
    too_new = answer(400, b'{"message":"client version 1.51 is too new"}', fields={"Api-Version": "1.47"})
    scripted.on("GET /info", too_new, answer(200, b'{"ID":"x"}'))
    assert engine.system.info() == {"ID": "x"}
    assert engine.version == "1.47"


def test_the_next_step_that_an_engine_names_is_handed_on(scripted: ScriptedEngine, engine: Engine) -> None:
    scripted.on("GET /a", answer(409, b'{"message": "taken", "hint": "choose another"}'))
    scripted.on("GET /b", answer(409, b'{"message": "taken", "hint": 3}'))
    hints = []
    for path in ("/a", "/b"):
        with pytest.raises(errors.Conflict, match="taken") as refused:
            engine.get(path)
        hints.append(refused.value.hint)
    assert hints == ["choose another", None]
