# SPDX-License-Identifier: Apache-2.0
"""A git repository on the loopback, served by git's own daemon."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Test", "-c", "user.email=test@localhost", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"},
    )
    return done.stdout.strip()


@contextmanager
def serving_repository(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A repository with two commits, a tag and a branch, served by git's own daemon on the loopback."""
    repository = tmp_path / "served" / "app.git"
    repository.mkdir(parents=True)
    run(repository, "init", "-q", "-b", "main")
    (repository / "Dockerfile").write_text("FROM scratch\n")
    (repository / "web").mkdir()
    (repository / "web" / "page").write_text("one\n")
    run(repository, "add", ".")
    run(repository, "commit", "-qm", "one")
    run(repository, "tag", "-a", "-m", "first", "v1")
    (repository / "web" / "page").write_text("two\n")
    run(repository, "commit", "-qam", "two")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"),
            *(f"--port={port}", f"--base-path={tmp_path / 'served'}"),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"git://127.0.0.1:{port}/app.git", repository
    finally:
        os.killpg(daemon.pid, 9)
        daemon.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("git daemon does not listen")
