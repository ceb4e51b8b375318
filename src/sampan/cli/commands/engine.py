# SPDX-License-Identifier: Apache-2.0
"""``sampan engine run``, ``start``, ``stop`` and ``status``.

A running engine holds a lock on its pid file, so that a pid left by a kill -9 is never mistaken for it.
"""

from __future__ import annotations

import os
from fcntl import LOCK_EX, LOCK_NB, flock
from select import POLLIN, poll

from sampan.cli.command import Command, Exit
from sampan.cli.flags import Flag, number, switch, text
from sampan.client.address import resolve_address
from sampan.client.autostart import engine_command, start_engine
from sampan.client.http import NobodyListens, connect
from sampan.errors import InvalidArgument, SampanError
from sampan.paths import Roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.address import Address

NOT_RUNNING = 3  # what `systemctl status` and init scripts answer (LSB 8.2)
_SIGTERM = 15
_STOP_S = 30

_PLACE_FLAGS: tuple[Flag, ...] = (
    text("data-root", "Directory of images, containers and volumes (overrides SAMPAN_DATA_ROOT)"),
    text("host", "Socket to listen on", short="H"),
    text("run-root", "Directory of the engine's socket and running state (overrides SAMPAN_RUN_ROOT)"),
)


def roots_of(context: Context, options: Options) -> Roots:
    """The roots of the command's own flags, then of the global ones."""
    given = context.roots
    return Roots(options.text("data-root") or given.data, options.text("run-root") or given.run)


def _address_of(context: Context, options: Options, roots: Roots) -> Address:
    flag = options.text("host") or context.host
    address = resolve_address(context.environ, flag=flag, socket=roots.socket)
    if not address.path:
        raise InvalidArgument(f"{address}: an engine listens on a unix socket", hint="unix:///path")
    return address


def running_pid(roots: Roots) -> int | None:
    """The process that holds the run root, if one does."""
    try:
        descriptor = os.open(roots.pid_file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        held = os.pread(descriptor, 32, 0).strip()
        return int(held) if held.isdigit() else None
    finally:
        os.close(descriptor)
    return None


def run_foreground(context: Context, options: Options, _arguments: list[str]) -> int:
    """Become the engine: this process is replaced, so that signals reach it."""
    roots = roots_of(context, options)
    words = engine_command(roots, _address_of(context, options, roots))
    if options.switch("debug") or context.debug:
        words.append("--debug")
    context.out.flush()
    os.execve(words[0], words, dict(context.environ))  # noqa: S606 - our own interpreter


def run_start(context: Context, options: Options, _arguments: list[str]) -> int:
    """Start one in the background, unless one already listens."""
    roots = roots_of(context, options)
    address = _address_of(context, options, roots)
    try:
        connect(address).close()
    except NobodyListens:
        start_engine(roots, address, environ=context.environ, say=context.out.note)
        context.out.note(f"engine listens on {address}")
    else:
        context.out.note(f"engine already listens on {address}")
    return 0


def run_stop(context: Context, options: Options, _arguments: list[str]) -> int:
    """Ask the engine to end and wait until it has; containers go on."""
    roots = roots_of(context, options)
    pid = running_pid(roots)
    if pid is None:
        context.out.note("engine is not running")
        return 0
    try:
        process = os.pidfd_open(pid)
        os.kill(pid, _SIGTERM)
    except ProcessLookupError:
        return 0
    waiter = poll()
    waiter.register(process, POLLIN)
    if not waiter.poll(options.number("timeout") * 1000):
        raise Exit(1, f"engine (process {pid}) did not stop in time", hint=f"its log is {roots.log_file}")
    context.out.note(f"engine (process {pid}) stopped")
    return 0


def run_status(context: Context, options: Options, _arguments: list[str]) -> int:
    """Say what runs where; exit 3 when nothing does."""
    from sampan.client.api import Engine

    roots = roots_of(context, options)
    address = _address_of(context, options, roots)
    pid = running_pid(roots)
    if pid is None:
        context.out.line("engine is not running")
        return NOT_RUNNING
    engine = Engine(address)
    try:
        version = engine.system.version().get("Version", "")
    except SampanError as error:
        raise Exit(1, f"engine (process {pid}) does not answer: {error.message}", hint=error.hint) from error
    finally:
        engine.close()
    context.out.line(f"engine {version} is running, process {pid}")
    for title, value in (("socket", address), ("data root", roots.data), ("run root", roots.run)):
        context.out.line(f"  {title}: {value}")
    return 0


RUN = Command(
    "engine run",
    run=run_foreground,
    summary="Run the engine in the foreground",
    usage="[OPTIONS]",
    flags=(*_PLACE_FLAGS, switch("debug", "Log more", short="D")),
)
START = Command(
    "engine start",
    run=run_start,
    summary="Start the engine in the background",
    usage="[OPTIONS]",
    flags=_PLACE_FLAGS,
)
STOP = Command(
    "engine stop",
    run=run_stop,
    summary="Stop the engine; containers go on",
    usage="[OPTIONS]",
    flags=(*_PLACE_FLAGS, number("timeout", "Seconds to wait for its end", short="t", default=_STOP_S)),
)
STATUS = Command(
    "engine status",
    run=run_status,
    summary="Say whether the engine runs, and where",
    usage="[OPTIONS]",
    flags=_PLACE_FLAGS,
)
