# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow on purpose, and large blobs: neither takes the registry's memory or its connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import wait_until
from integration.served_registry import Client, ServedRegistry, digest_of, served_registry

pytestmark = pytest.mark.long

CONFIGURATION = """
access-log = "none"
workers = 1
[limits]
idle-timeout = "0.5s"
stall-timeout = "1s"
"""
MIB = 1 << 20


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegistry]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "registry.toml").write_text(CONFIGURATION)
    with served_registry(folder / "root", "--config", str(folder / "registry.toml")) as served:
        yield served


@pytest.fixture
def connection(registry: ServedRegistry) -> Iterator[socket.socket]:
    host, port = registry.host.split(":")
    with socket.create_connection((host, int(port)), timeout=15) as found:
        yield found


def _read_to_end(connection: socket.socket) -> bytes:
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("sent", [b"", b"GET /v2/ HT", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_never_ends_is_not_waited_for(connection: socket.socket, sent: bytes) -> None:
    connection.sendall(sent)
    started = time.monotonic()
    assert _read_to_end(connection) == b""
    assert time.monotonic() - started < 5


def test_a_connection_that_asks_nothing_more_is_closed(connection: socket.socket) -> None:
    connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in _read_to_end(connection)


def test_a_body_that_stalls_is_given_up(connection: socket.socket, registry: ServedRegistry) -> None:
    path = f"/v2/a/blobs/uploads/?digest={digest_of(b'x')}"
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    assert b" 408 " in _read_to_end(connection).partition(b"\r\n")[0]
    wait_until(lambda: not list((registry.root / "uploads").iterdir()), "nothing is left of it")


def test_a_body_that_trickles_is_given_up(connection: socket.socket) -> None:
    path = f"/v2/a/blobs/uploads/?digest={digest_of(b'x')}"
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode())
    connection.settimeout(0.1)
    found = b""
    for _ in range(100):
        try:
            connection.sendall(b"x")
            found = connection.recv(1000)
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        break
    assert b" 408 " in found


def test_a_client_that_does_not_take_its_answer_is_cut_off(
    registry: ServedRegistry, connection: socket.socket
) -> None:
    client = registry.client()
    data = bytes(32 * MIB)
    digest = client.push_blob("large", data)
    connection.sendall(f"GET /v2/large/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    worker = _worker(registry)
    before = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    wait_until(lambda: _has_closed(registry, connection), "the registry has closed the connection")
    assert len(list(Path(f"/proc/{worker}/fd").iterdir())) <= before
    assert len(_read_to_end(connection)) < len(data)


def _has_closed(registry: ServedRegistry, connection: socket.socket) -> bool:
    port = f"{connection.getsockname()[1]:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    there = [line.split() for line in lines if line.split()[2].endswith(f":{port}")]
    return all(fields[3] != "01" for fields in there)  # established, as the registry's end sees it


def test_memory_stays_flat_whatever_a_blob_s_size(registry: ServedRegistry) -> None:
    worker = _worker(registry)
    block = bytes(MIB)
    digest = "sha256:" + _sha256_of_zeros(160)
    client = registry.client()
    client.push_blob("flat", b"warm")
    before = _peak_kib(worker)
    place = client.ask("POST", "/v2/flat/blobs/uploads/")["Location"]
    place = client.ask("PATCH", place, iter([block] * 160))["Location"]
    assert client.ask("PUT", place, digest=digest).status == 201
    reader = Client(registry.host)
    assert len(reader.ask("GET", f"/v2/flat/blobs/{digest}").body) == 160 * MIB
    reader.close()
    assert _peak_kib(worker) - before < 24 * 1024


def test_an_encoding_of_the_transfer_is_no_encoding_of_the_blob(registry: ServedRegistry) -> None:
    """Nobody makes us unpack a bomb: the digest is of the bytes that came."""
    data = b"\x1f\x8b not gzip at all"
    client = registry.client()
    answer = client.ask(
        "POST", "/v2/a/blobs/uploads/", data, {"Content-Encoding": "gzip"}, digest=digest_of(data)
    )
    assert answer.status == 201


def _worker(registry: ServedRegistry) -> int:
    pid = registry.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def _sha256_of_zeros(mib: int) -> str:
    import hashlib

    state = hashlib.sha256()
    for _ in range(mib):
        state.update(bytes(MIB))
    return state.hexdigest()


def test_a_body_that_is_too_much_for_the_quota_is_refused_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "registry.toml").write_text('workers = 1\n[quota]\ntotal = "3MiB"\n')
    with served_registry(tmp_path / "root", "--config", str(tmp_path / "registry.toml")) as served:
        client = served.client()
        client.push_blob("a", bytes(2 * MIB))
        place = client.ask("POST", "/v2/a/blobs/uploads/")["Location"]
        answer = client.ask("PATCH", place, bytes(4 * MIB))
        assert (answer.status, answer.code) == (403, "DENIED")
        assert sum(path.stat().st_size for path in (served.root / "uploads").iterdir()) < 4 * MIB
        refused = served.client().ask(
            "POST", "/v2/a/blobs/uploads/", b"x" * 2 * MIB, digest=digest_of(b"x" * 2 * MIB)
        )
        assert (refused.status, refused.code) == (403, "DENIED")
