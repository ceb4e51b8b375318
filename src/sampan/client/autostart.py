# SPDX-License-Identifier: Apache-2.0
"""Start an engine in the background where none listens.

The engine is told one descriptor, on which it writes ``1`` once it listens, or a line that says why it
cannot; it goes on in a session of its own, with its output in the run root's log file. Clients that want one
at the same moment take turns by a lock: the first starts it, the others find it there.
"""

from __future__ import annotations

import os
import sys
from fcntl import LOCK_EX, flock

from sampan.client.http import NobodyListens, connect
from sampan.errors import PermissionDenied, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.client.address import Address
    from sampan.paths import Roots

READY = b"1"
_READY_DESCRIPTOR = 3
_LONGEST_COMPLAINT = 4096
_TURN_FILE = "starting.lock"


class EngineDidNotStart(Unavailable):
    """The engine that was started ended, or said that it cannot run."""

    def __init__(self, reason: str, log_file: str) -> None:
        super().__init__(f"engine did not start: {reason}", hint=f"its log is {log_file}")


def engine_command(roots: Roots, address: Address, *, ready: int | None = None) -> list[str]:
    """The words that run an engine with these roots; `-P` keeps the current folder off its import path."""
    words = [sys.executable, "-P", "-m", "sampan.daemon.main"]
    words += ["--data-root", roots.data, "--run-root", roots.run]
    if address.path != roots.socket:
        words += ["--host", str(address)]
    return words if ready is None else [*words, "--ready-fd", str(ready)]


def start_engine(
    roots: Roots, address: Address, *, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Start an engine with this environment and wait until it listens at `address`."""
    say("starting the engine")
    _ensure_run_root(roots)
    with open(f"{roots.run}/{_TURN_FILE}", "wb") as turn:
        flock(turn, LOCK_EX)
        if _listens(address):
            return
        complaint = _spawn_and_wait(roots, address, environ)
    if complaint is not None and not _listens(address):
        raise EngineDidNotStart(complaint, roots.log_file)


def _spawn_and_wait(roots: Roots, address: Address, environ: Mapping[str, str]) -> str | None:
    """None when the new engine is ready, else why it is not."""
    reader, writer = os.pipe()
    try:
        words = engine_command(roots, address, ready=_READY_DESCRIPTOR)
        _spawn(words, environ, ready=writer, log_file=roots.log_file)
    finally:
        os.close(writer)
    with open(reader, "rb", buffering=0) as ready:
        said = ready.read(1) or b""
        if said == READY:
            return None
        said += ready.read(_LONGEST_COMPLAINT) or b""
    complaint = said.decode(errors="replace").strip()
    return complaint or "it ended before it was ready: " + _last_line(roots.log_file)


def _last_line(path: str) -> str:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _LONGEST_COMPLAINT, 0))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")


def _ensure_run_root(roots: Roots) -> None:
    try:
        os.makedirs(roots.run, mode=0o711, exist_ok=True)
    except OSError as error:
        raise PermissionDenied(
            f"run root {roots.run}: {(error.strerror or str(error)).lower()}",
            hint="run as root, or name a folder of your own with --run-root",
        ) from error


def _spawn(words: list[str], environ: Mapping[str, str], *, ready: int, log_file: str) -> None:
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.posix_spawn(
        words[0],
        words,
        environ,
        file_actions=(
            (os.POSIX_SPAWN_DUP2, ready, _READY_DESCRIPTOR),
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log_file, append, 0o640),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ),
        setsid=True,
    )


def _listens(address: Address) -> bool:
    try:
        connect(address).close()
    except NobodyListens:
        return False
    return True
