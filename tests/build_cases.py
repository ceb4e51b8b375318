# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile cases of tests/cases/build: how one is laid out, and what of a built image is compared.

A case is a folder: `context/` with its Dockerfile, `case.toml` (`about`; `flags` of ``docker build``; `before`,
flags of builds that make the case's bases; `differs`, why we are not as Docker there, with the `error` or the
`expected-here.json` that is ours; `not-in-20-10`, why that version of Docker makes another image), `prepare.sh`
for what git does not keep (it runs in the copy of the case), `served/` for what a web server has (and git's daemon,
where it is called ``*.git``), and `expected.json`: the image that Docker builds, layer by layer, or the words of its
error (tools/build_cases.py writes it).
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from described_images import SERVER

CASES = Path(__file__).parent / "cases" / "build"
BASE = "busybox:latest"
GIT_PORT = 18724


@dataclass(frozen=True, eq=False)
class Case:
    """One folder of the corpus; `place` is where it is built."""

    name: str
    place: Path
    about: str
    flags: list[str] = field(default_factory=list)
    before: list[list[str]] = field(default_factory=list)
    differs: str = ""
    error: str = ""
    not_in_20_10: str = ""

    @property
    def tag(self) -> str:
        return f"case-{self.name}:latest"

    @property
    def builds(self) -> list[list[str]]:
        """The flags of each build, that of the case last."""
        return [*self.before, ["-t", self.tag, *self.flags]]


def case_names() -> list[str]:
    return sorted(path.parent.name for path in CASES.glob("*/case.toml"))


def read_case(name: str) -> dict[str, Any]:
    """What its case.toml says."""
    return tomllib.loads((CASES / name / "case.toml").read_text())


def expected_of(name: str, *, of: str = "here") -> dict[str, Any]:
    """What this builder must make: what Docker does, but where the case says otherwise, and why."""
    place, own = CASES / name, read_case(name).get("error")
    if of == "here" and own is not None:
        return {"error": own}
    is_own = of == "here" and (place / "expected-here.json").exists()
    expected = json.loads((place / ("expected-here.json" if is_own else "expected.json")).read_text())
    assert isinstance(expected, dict)
    return expected


def open_case(name: str, directory: Path) -> Case:
    """Copy the case to a place of its own, and make there what git does not keep."""
    place = directory / name
    shutil.copytree(CASES / name, place, symlinks=True)
    (place / "context").mkdir(exist_ok=True)
    _normalise_modes(place)
    script = place / "prepare.sh"
    if script.exists():
        subprocess.run(["/bin/bash", "-e", script], cwd=place, check=True, umask=0o022)
    known = {key.replace("-", "_"): value for key, value in read_case(name).items()}
    return Case(name, place, **known)


def _normalise_modes(place: Path) -> None:
    """Git keeps only whether a file can be executed; the rest is the checkout's umask."""
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            is_program = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if is_program else 0o644)


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[None]:
    """What the cases' `served` folders hold, for ADD: over HTTP below ``SERVER/NAME/``, and git's own repositories."""
    with _serving_files(directory), _serving_repositories(directory):
        yield


@contextlib.contextmanager
def _serving_files(directory: Path) -> Iterator[None]:

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(directory))

        def log_message(self, *_: object) -> None:
            pass

    (directory / "index.html").write_text("the root\n")
    port = int(SERVER.rpartition(":")[2])
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


@contextlib.contextmanager
def _serving_repositories(directory: Path) -> Iterator[None]:
    if not any(directory.glob("*/served/*.git")):
        yield
        return
    words = [
        "git",
        "daemon",
        "--log-destination=none",
        "--export-all",
        "--reuseaddr",
        "--listen=127.0.0.1",
        f"--port={GIT_PORT}",
    ]
    daemon = subprocess.Popen([*words, f"--base-path={directory}"], start_new_session=True)
    try:
        _wait_for(GIT_PORT)
        yield
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")
