# SPDX-License-Identifier: Apache-2.0
"""Looking after a registry while it serves: the commands on its folder, what it does by itself, and its processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import wait_until
from integration.served_registry import SAMPAN, Client, ServedRegistry, digest_of, served_registry

CONFIGURATION = """
access-log = "none"
[[retention]]
repository = "team/*"
tags = ["pr-*"]
keep-last = 1
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegistry]:
    folder = tmp_path_factory.mktemp("upkeep")
    (folder / "registry.toml").write_text(CONFIGURATION)
    with served_registry(folder / "root", "--config", str(folder / "registry.toml")) as served:
        yield served


@pytest.fixture
def client(registry: ServedRegistry) -> Client:
    return registry.client()


def sampan(registry: ServedRegistry, *words: str, status: int = 0) -> str:
    place = ["--root", str(registry.root), "--config", str(registry.root.parent / "registry.toml")]
    done = subprocess.run(
        [SAMPAN, "registry", *words, *place],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def workers(registry: ServedRegistry) -> set[int]:
    pid = registry.process.pid
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_gc_beside_a_server_removes_what_nothing_needs(client: Client, registry: ServedRegistry) -> None:
    image, _ = client.push_image("gc/app", "latest", [os.urandom(1000)])
    stray = client.push_blob("gc/app", os.urandom(50_000))
    assert "removed 0 manifests, 0 blobs" in sampan(registry, "gc")
    assert "would remove 0 manifests, 1 blobs" in sampan(registry, "gc", "--grace", "0s", "--dry-run")
    assert client.ask("HEAD", f"/v2/gc/app/blobs/{stray}").status == 200
    said = sampan(registry, "gc", "--grace", "0s")
    assert client.ask("HEAD", f"/v2/gc/app/blobs/{stray}").status == 404
    said += sampan(registry, "gc", "--grace", "0s")  # the last name of a blob may have just become the last
    assert "50kB freed" in said
    assert not (registry.root / "blobs/sha256" / stray[7:]).exists()
    assert client.ask("GET", f"/v2/gc/app/manifests/{image}").status == 200
    client.ask("DELETE", "/v2/gc/app/manifests/latest")
    assert "removed 0 manifests" in sampan(registry, "gc", "--grace", "0s")
    assert "removed 1 manifests, 3 blobs" in sampan(registry, "gc", "--grace", "0s", "--untagged", "0s")
    assert client.ask("GET", "/v2/gc/app/tags/list").status == 404, "nothing is left of the repository"
    client.push_image("gc/app", "again", [b"x"])


def test_retain_removes_tags_by_the_rules(client: Client, registry: ServedRegistry) -> None:
    for tag in ("pr-1", "pr-2", "pr-3", "v1"):
        client.push_image("team/app", tag, [tag.encode()])
    assert sampan(registry, "retain", "--dry-run") == "team/app:pr-1\nteam/app:pr-2\n"
    assert sampan(registry, "retain") == "team/app:pr-1\nteam/app:pr-2\n"
    assert client.ask("GET", "/v2/team/app/tags/list").json()["tags"] == ["pr-3", "v1"]


def test_du_says_what_repositories_take(client: Client, registry: ServedRegistry) -> None:
    shared = os.urandom(100_000)
    for name in ("du/a", "du/b"):
        client.push_image(name, "latest", [shared])
    lines = [line.split() for line in sampan(registry, "du").splitlines()]
    assert lines[0] == ["REPOSITORY", "TAGS", "MANIFESTS", "SIZE"]
    sizes = {line[0]: line[1:] for line in lines[1:-1]}
    assert sizes["du/a"] == sizes["du/b"] == ["1", "1", "101kB"]


def test_what_cannot_be_read_is_refused(registry: ServedRegistry) -> None:
    done = subprocess.run([SAMPAN, "registry", "gc"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, "a directory to keep images in is needed" in done.stderr) == (1, True)
    sampan(registry, "gc", "--grace", "soon", status=1)


def test_a_worker_that_dies_is_replaced(client: Client, registry: ServedRegistry) -> None:
    before = workers(registry)
    assert len(before) >= 2
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(workers(registry) - before) == len(before), "there are new ones")
    client.close()
    assert client.ask("GET", "/v2/").status == 200


def test_a_hangup_replaces_the_workers(client: Client, registry: ServedRegistry) -> None:
    before = workers(registry)
    registry.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not workers(registry) & before and workers(registry), "they are others")
    client.close()
    client.push_image("hup/app", "latest", [b"x"])


def test_workers_end_with_who_started_them(tmp_path: Path) -> None:
    with served_registry(tmp_path / "root") as served:
        pids = workers(served)
        served.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "they have ended")


def test_a_request_in_progress_is_answered_before_the_end(tmp_path: Path) -> None:
    with served_registry(tmp_path / "root", "--workers", "1") as served:
        host, port = served.host.split(":")
        path = f"/v2/a/blobs/uploads/?digest={digest_of(b'whole')}"
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            served.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not _listens(served), "it takes nobody new")
            connection.sendall(b"whole")
            assert connection.recv(100).startswith(b"HTTP/1.1 201")
        assert served.process.wait(20) == 0


def test_two_registries_do_not_share_a_port(registry: ServedRegistry, tmp_path: Path) -> None:
    words = [SAMPAN, "registry", "serve", "--root", str(tmp_path / "other"), "--listen", registry.host]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert (done.returncode, "address already in use" in done.stderr) == (1, True)


def _listens(served: ServedRegistry) -> bool:
    """Whether the worker does: the first process holds the port open for a successor until the worker has ended."""
    port = f"{int(served.host.split(':')[1]):04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port}") and line.split()[3] == "0A"
    }
    held = set()
    for pid in workers(served):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                held.add(os.readlink(entry))
            except FileNotFoundError:
                continue
    return any(f"socket:[{inode}]" in held for inode in inodes)
