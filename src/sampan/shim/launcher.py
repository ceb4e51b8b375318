# SPDX-License-Identifier: Apache-2.0
"""The launcher: a small process with everything loaded that a container needs, forking a shim per order.

It runs from a sealed copy of the interpreter, so that what enters a container never has a writable file of the
host behind /proc/PID/exe (CVE-2019-5736). It has one thread and no event loop, and it does not even see orders:
a spare shim, forked beforehand, waits for the next one on the same socket, and a byte in a pipe says that it has
it. The pipe's end without that byte means that no order will come.

What a shim reports goes straight to the engine, over the first descriptor of the order; if it dies, that
descriptor's closing says so.

The engine's end of the socket closing is the launcher's end, too. Shims go on. Orders that were waiting then are
still carried out, each to the point where it is noticed that nobody wants the container. The next engine's launcher
waits for that, at a lock that launchers and makers hold: two makers of one container would take it from each other.
"""

from __future__ import annotations

import fcntl
import gc
import os
import resource
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

SOCKET_FD = 3
"""Where the launcher finds its end of the socket."""

_CALM_S = 0.02
_PREDECESSOR_TIMEOUT_S = 10.0

_PROGRAM = "import sys; sys.path[:] = sys.argv[1].split(':'); from sampan.shim.launcher import main; main()"


class Launcher:
    """A running launcher, seen from the engine."""

    __slots__ = ("pid", "sock")

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self.sock = sock

    @classmethod
    def start(
        cls, log_path: str = "/dev/null", lock_path: str = "", open_files: tuple[int, int] | None = None
    ) -> Launcher:
        """Start one; what it or a shim prints before it dies is appended to `log_path`.

        Launchers with the same `lock_path` follow each other. `open_files` is the limit that containers inherit.

        posix_spawn shares nothing with this process but the descriptors named here, so it may be called with
        threads and an event loop running.
        """
        from sampan.linux.process import copy_to_sealed_memfd
        from sampan.linux.socket import seqpacket_pair

        ours, theirs = seqpacket_pair()
        executable = copy_to_sealed_memfd("/proc/self/exe")
        try:
            pid = os.posix_spawn(
                f"/proc/self/fd/{executable}",
                # Python finds its prefix and its virtual environment from argv[0]
                [sys.executable, "-IS", "-c", _PROGRAM, ":".join(map(os.path.abspath, sys.path)), lock_path],
                {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
                file_actions=_redirections(theirs.fileno(), log_path),
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
            )
        finally:
            os.close(executable)
            theirs.close()
        if open_files is not None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, open_files)
        return cls(pid, ours)

    def close(self) -> None:
        """Let it end, and wait for that."""
        self.sock.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:  # ended and collected before
            return


def _redirections(sock_fd: int, log_path: str) -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    null, log = os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return [
        (os.POSIX_SPAWN_DUP2, sock_fd, SOCKET_FD),  # first: the descriptors 0 to 2 are ours until now
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", null, 0),
        (os.POSIX_SPAWN_DUP2, 0, 1),
        (os.POSIX_SPAWN_OPEN, 2, log_path, log, 0o600),
    ]


def main() -> None:
    """Serve orders until the engine has gone."""
    import socket

    from sampan.linux.process import close_range, set_name

    close_range(SOCKET_FD + 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on an engine in the foreground
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects shims that end before us
    os.set_inheritable(SOCKET_FD, False)
    os.chdir("/")
    os.umask(0o022)
    set_name("sampan-launcher")
    _load_everything()
    lock = _wait_for_predecessor(sys.argv[2]) if sys.argv[2] else -1
    orders = socket.socket(fileno=SOCKET_FD)
    while _fork_spare(orders, lock):
        _let_the_container_start(orders)


def _wait_for_predecessor(path: str) -> int:
    """Return the lock; if a maker hangs, in a volume on a dead server perhaps, the others need not."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + _PREDECESSOR_TIMEOUT_S
    while time.monotonic() < end:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_CALM_S)
        else:
            return fd
    sys.stderr.write("launcher: makers of a former engine are still at work\n")
    return fd


def _fork_spare(orders: socket.socket, lock: int) -> bool:
    """Fork a shim that waits for the next order; return true when it has one, false when none will come."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        os.close(reader)
        _become_shim(orders, writer, lock)
    os.close(writer)
    try:
        return bool(os.read(reader, 1))
    finally:
        os.close(reader)


def _let_the_container_start(orders: socket.socket) -> None:
    """Leave the processors to the order under way for a moment, unless there is another already."""
    select.select([orders], [], [], _CALM_S)


def _load_everything() -> None:
    """Import what a shim may need: it shares these pages with all others as long as it writes none.

    Objects alive now are taken from the collector's sight: its marks would be written into every page.
    """
    import codecs

    import sampan.shim.shim  # noqa: F401 - and with it whatever a shim and its maker do
    from sampan.shim.native import remember_hierarchies

    for codec in ("ascii", "latin-1"):
        codecs.lookup(codec)  # loaded by name at the first use, which must not be later
    remember_hierarchies()
    gc.collect()
    gc.freeze()
    gc.disable()


def _become_shim(orders: socket.socket, taken_fd: int, lock: int) -> None:
    """Be a shim until its container has ended; never return into the launcher's loop."""
    status = 1
    try:
        from sampan.shim.shim import run_shim

        run_shim(orders, taken_fd, lock)
        status = 0
    except BaseException:  # noqa: BLE001 - the last resort before the process ends: say why
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
