# SPDX-License-Identifier: Apache-2.0
"""Of a context, what Docker's own command line sends is what ours sends and what a build in place reads."""

from __future__ import annotations

import http.server
import io
import os
import random
import shutil
import socketserver
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.build.files.scan import Filters, scan
from sampan.build.origins import open_context
from sampan.cli.build_archive import iter_context

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="the docker command line is not here")

FILES = (
    *("a", "b.txt", "ab", "x.y", "dir/a", "dir/b.txt", "dir/deep/a", "dir/deep/c.md", "dir/deep/er/b.txt"),
    *(
        "other/a",
        "other/dir/a",
        ".hidden",
        ".git/config",
        "src/a.pyc",
        "src/pkg/a.pyc",
        "src/pkg/b.py",
        "[x]",
        "a b",
    ),
)
PATTERNS = (
    *(
        "*",
        "a",
        "dir",
        "dir/",
        "/dir",
        "./dir",
        "dir/*",
        "dir/**",
        "**/a",
        "**/*.txt",
        "*.txt",
        "**",
        "*/*",
        "*/*/a",
    ),
    *(
        "!a",
        "!dir",
        "!dir/deep",
        "!dir/deep/c.md",
        "!**/a",
        "!**/*.txt",
        "!other",
        "!src/pkg",
        "[ab]*",
        "?",
        ".*",
    ),
    *(
        "!.git",
        "**/deep",
        "dir/../other",
        "# a",
        "",
        "  src  ",
        "!**",
        "a*",
        "dir/[a-c]*",
        "\\[x\\]",
        "a\\ b",
        "**/pkg/**",
    ),
    *("Dockerfile", ".dockerignore", "src/**/*.pyc", "**.py", "dir**"),
)


class _Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Takes a context and says that all is well."""

    daemon_threads = True
    bodies: list[bytes]


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Engine

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b"OK")

    def do_POST(self) -> None:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.server.bodies.append(body)
        self._answer(b'{"stream":"Successfully built 123456789abc\\n"}\n')

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.47")
        self.send_header("Ostype", "linux")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Engine]:
    server = _Engine(str(tmp_path_factory.mktemp("engine") / "s"), _Answers)
    server.bodies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "dir/link").symlink_to("/etc/passwd")
    return folder


def sent_by_docker(taker: _Engine, context: Path, config: Path) -> set[str]:
    taker.bodies.clear()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(config),
        "DOCKER_CONFIG": str(config),
        "DOCKER_HOST": f"unix://{taker.server_address!s}",
        "DOCKER_BUILDKIT": "0",
    }
    subprocess.run(
        ["docker", "build", str(context)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return names_of(taker.bodies[0])


def names_of(data: bytes) -> set[str]:
    """The files: of folders Docker's command line sends some that nothing is in."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name for member in archive if not member.isdir()}


def lists() -> list[list[str]]:
    chance = random.Random(12)
    return [chance.sample(PATTERNS, chance.randint(1, 5)) for _ in range(24)]


def test_patterns_leave_out_the_same(taker: _Engine, context: Path, tmp_path: Path) -> None:
    for patterns in lists():
        (context / ".dockerignore").write_text("\n".join(patterns))
        expected = sent_by_docker(taker, context, tmp_path)
        sent = names_of(b"".join(iter_context(str(context), dockerfile="Dockerfile")))
        assert sent == expected, patterns
        read = in_place(context)
        steering = {
            "Dockerfile",
            ".dockerignore",
        }  # always sent, for the engine to read, but no part of a COPY
        assert read | steering == expected, patterns


def in_place(context: Path) -> set[str]:
    filters = Filters(open_context(str(context), dockerfile="Dockerfile").ignored)
    fd = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return {entry.path for entry in scan(fd, "", filters) if not entry.is_folder}
    finally:
        os.close(fd)
