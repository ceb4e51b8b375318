# SPDX-License-Identifier: Apache-2.0
"""A program's three streams: from the program to its log and every client, from the clients to the program.

Holds: a client that listens slowly slows the program (as with Docker), one that has gone does not; nothing
that the program wrote is lost between its exit and the end of its streams; the log gets everything, clients
or not.

A program that writes many small pieces would wake this process for each of them. After a few in quick
succession its output is left to gather in the pipe for a millisecond, unless somebody talks to it (`stdin`)
and may be waiting for the answer.
"""

from __future__ import annotations

import functools
import os
import time

from sampan.shim.client import Client
from sampan.shim.keys import DEFAULT_KEYS, DetachScanner, parse_detach_keys
from sampan.shim.logfile import STDERR, STDOUT
from sampan.shim.loop import IN
from sampan.shim.stdin import Stdin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.shim.logfile import LogWriter
    from sampan.shim.loop import Loop
    from sampan.shim.protocol import Message
    from sampan.shim.stdio import ShimEnds

_READ_BYTES = 64 << 10
_SMALL_BYTES = 16 << 10
_QUICK_NS = 1_000_000
_QUICK_READS = 8
_REST_S = 0.001


class Streams:
    """The streams of one program, container or exec."""

    __slots__ = (
        "_clients",
        "_close_stdin_with_client",
        "_dismissed",
        "_draining",
        "_last_read_ns",
        "_log",
        "_loop",
        "_on_end",
        "_on_gone",
        "_paused",
        "_quick_reads",
        "_sources",
        "_stdin",
        "_tty",
    )

    def __init__(
        self,
        loop: Loop,
        ends: ShimEnds,
        *,
        log: LogWriter | None = None,
        close_stdin_with_client: bool = False,
        on_end: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._log = log
        self._tty = ends.is_terminal
        self._close_stdin_with_client = close_stdin_with_client
        self._on_end = on_end
        """Called once, when the program's output has been read to its end."""
        self._on_gone: Callable[[], None] | None = None
        self._dismissed = False
        self._stdin = Stdin(loop, ends.stdin, self._on_stdin_room) if ends.stdin >= 0 else None
        self._sources = {
            fd: stream for fd, stream in ((ends.stdout, STDOUT), (ends.stderr, STDERR)) if fd >= 0
        }
        self._clients: list[Client] = []
        self._draining = self._paused = False
        self._quick_reads = self._last_read_ns = 0
        for fd in self._sources:
            os.set_blocking(fd, False)
        self._watch_sources()

    @property
    def has_ended(self) -> bool:
        """True when the program's output has been read to its end."""
        return not self._sources

    @property
    def has_clients(self) -> bool:
        """True while somebody is attached."""
        return bool(self._clients)

    @property
    def is_stdin_full(self) -> bool:
        """True while the program does not take what it was sent."""
        return self._stdin is not None and self._stdin.is_full

    def attach(self, fd: int, request: Message) -> None:
        """Attach a client: `stdin`, `stdout`, `stderr`, `detach_keys`, `initial` (typed already, Latin-1)."""
        keys = request.get("detach_keys") or DEFAULT_KEYS
        client = Client(
            self,
            self._loop,
            fd,
            wants=frozenset(n for n, name in ((STDOUT, "stdout"), (STDERR, "stderr")) if request.get(name)),
            framed=not self._tty,
            sends=bool(request.get("stdin")) and self._stdin is not None,
            scanner=DetachScanner(parse_detach_keys(keys) if self._tty else b""),
        )
        self._clients.append(client)
        if initial := request.get("initial"):
            client.type(initial.encode("latin-1"))
        if self._dismissed:
            client.leave()
        else:
            client.watch()

    def type(self, data: bytes) -> None:
        """Send `data` to the program."""
        if self._stdin:
            self._stdin.write(data)

    def on_typing_end(self) -> None:
        """A client will type no more: a pipe ends if it was for one client only, a terminal never."""
        if self._stdin and self._close_stdin_with_client and not self._tty:
            self._stdin.close_when_written()

    def drop(self, client: Client) -> None:
        """Let a client go: it has vanished, detached, or taken everything."""
        if client not in self._clients:
            return
        self._clients.remove(client)
        typed = client.stop_typing()
        client.close()
        if typed:
            self.on_typing_end()
        self.on_room()
        if self._on_gone and not self._clients:
            self._on_gone()

    def on_room(self) -> None:
        """Go on reading if no client is behind any more."""
        if self._paused and not any(client.is_full for client in self._clients):
            self._paused = False
            self._watch_sources()

    def drain(self) -> None:
        """After the program's exit: read what is left, however slow the clients are."""
        self._draining, self._paused = True, False
        self._watch_sources()
        for fd in list(self._sources):
            while fd in self._sources and self._read(fd):
                pass

    def finish(self) -> None:
        """Give up on output that does not end (another process holds it), and on the program's input."""
        for fd in list(self._sources):
            self._end_source(fd)

    def dismiss(self) -> None:
        """Let every client go as soon as it has taken what there is for it, and any that comes later."""
        self._dismissed = True
        for client in list(self._clients):
            client.leave()

    def call_when_alone(self, on_gone: Callable[[], None]) -> None:
        """Call back when no client is left; at once if that is so."""
        if self._clients:
            self._on_gone = on_gone
        else:
            on_gone()

    def _watch_sources(self) -> None:
        for fd in self._sources:
            self._loop.watch(fd, IN, functools.partial(self._on_readable, fd))

    def _on_readable(self, fd: int, _events: int) -> None:
        size = self._read(fd)
        if size and not self._draining:
            self._rest_if_busy(size)

    def _read(self, fd: int) -> int:
        """Read once and pass it on; 0 when there is nothing now or nothing any more."""
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:  # EIO: the last program on the terminal has gone
            data = b""
        if not data:
            self._end_source(fd)
            return 0
        stream = self._sources[fd]
        if self._log:
            self._log.write(time.time_ns(), stream, data)
        for client in [client for client in self._clients if stream in client.wants]:
            client.send(stream, data)
        if not self._draining and any(client.is_full for client in self._clients):
            self._pause()
        return len(data)

    def _rest_if_busy(self, size: int) -> None:
        now_ns = time.monotonic_ns()
        quick = now_ns - self._last_read_ns < _QUICK_NS and size < _SMALL_BYTES
        self._quick_reads = self._quick_reads + 1 if quick else 0
        self._last_read_ns = now_ns
        if self._quick_reads >= _QUICK_READS and self._stdin is None and not self._paused:
            self._quick_reads = 0
            self._pause()
            self._loop.call_after(_REST_S, self.on_room)

    def _pause(self) -> None:
        self._paused = True
        for fd in self._sources:
            self._loop.forget(fd)

    def _end_source(self, fd: int) -> None:
        self._loop.forget(fd)
        del self._sources[fd]
        os.close(fd)
        if self._sources:
            return
        if self._stdin:
            self._stdin.close()
            self._stdin = None
        self._on_end()

    def _on_stdin_room(self) -> None:
        for client in self._clients:
            client.watch()
