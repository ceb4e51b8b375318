# SPDX-License-Identifier: Apache-2.0
"""A client attached to a program's streams: the hijacked connection of an Engine API request.

Output goes out raw where there is a terminal and else in Docker's frames: stream number, three zero bytes,
big-endian length, data. The socket may be shared with the engine, whose flags are left as they are, so every
call says for itself that it does not block.
"""

from __future__ import annotations

import socket
import struct

from sampan.shim.loop import ERR, HUP, IN, OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.shim.keys import DetachScanner
    from sampan.shim.loop import Loop
    from sampan.shim.streams import Streams

_FRAME = struct.Struct(">BxxxI")
_FULL_BYTES = 256 << 10
_RECEIVE_BYTES = 32 << 10
_NOW = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Client:
    """One connection; `wants` are the numbers of the streams it listens to, `sends` whether it may type."""

    __slots__ = ("_backlog", "_loop", "_scanner", "_sends", "_sock", "_streams", "framed", "leaving", "wants")

    def __init__(
        self,
        streams: Streams,
        loop: Loop,
        fd: int,
        *,
        wants: frozenset[int],
        framed: bool,
        sends: bool,
        scanner: DetachScanner,
    ) -> None:
        self._streams = streams
        self._loop = loop
        self._sock = socket.socket(fileno=fd)
        self._sends = sends
        self._scanner = scanner
        self._backlog = bytearray()
        self.wants = wants
        self.framed = framed
        self.leaving = False
        """True once it is to be closed as soon as all output has been taken."""

    @property
    def is_full(self) -> bool:
        """True while it takes less than it is sent."""
        return len(self._backlog) >= _FULL_BYTES

    def send(self, stream: int, data: bytes) -> None:
        """Send output of a stream it wants; what does not fit waits."""
        parts = (_FRAME.pack(stream, len(data)), data) if self.framed else (data,)
        if self._backlog:
            self._backlog += b"".join(parts)
            return
        try:
            sent = self._sock.sendmsg(parts, (), _NOW)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._streams.drop(self)
            return
        if sent < sum(map(len, parts)):
            self._backlog += b"".join(parts)[sent:]
            self.watch()

    def type(self, data: bytes) -> None:
        """Take what the client has typed: to the program, unless it is the request to let the client go."""
        data, detach = self._scanner.feed(data)
        if data:
            self._streams.type(data)
        if detach:
            self._streams.drop(self)

    def leave(self) -> None:
        """Go when all output has been taken: at once if it has."""
        self.leaving = True
        self._sends = False
        if self._backlog:
            self.watch()
        else:
            self._streams.drop(self)

    def stop_typing(self) -> bool:
        """Listen to it no more; tell whether it might have typed until now."""
        sent, self._sends = self._sends, False
        return sent

    def watch(self) -> None:
        """Watch for what matters now: room for output, and typing unless the program takes none."""
        if self._sock.fileno() < 0:
            return
        events = OUT if self._backlog else 0
        if self._sends and not self._streams.is_stdin_full:
            events |= IN
        self._loop.watch(self._sock.fileno(), events, self._on_events)

    def close(self) -> None:
        """Close the connection for the engine's copy, too; unread input is taken, lest it cause a reset."""
        if self._sock.fileno() < 0:
            return
        self._loop.forget(self._sock.fileno())
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
            while self._sock.recv(_RECEIVE_BYTES, _NOW):
                pass
        except OSError:
            pass
        self._sock.close()

    def _on_events(self, events: int) -> None:
        if events & OUT:
            self._flush()
        if events & (IN | HUP) and self._sends:
            self._receive(everything=bool(events & HUP))
        if events & (HUP | ERR):
            self._streams.drop(self)

    def _flush(self) -> None:
        try:
            del self._backlog[: self._sock.send(self._backlog, _NOW)]
        except BlockingIOError:
            return
        except OSError:
            self._streams.drop(self)
            return
        if not self._backlog and self.leaving:
            self._streams.drop(self)
            return
        self.watch()
        if not self.is_full:
            self._streams.on_room()

    def _receive(self, *, everything: bool) -> None:
        """Read what was typed; of a client that has hung up all that is left, full program or not."""
        while self._sends and (data := self._receive_once()) is not None:
            if data:
                self.type(data)
            else:
                self._sends = False
                self._streams.on_typing_end()
            if not everything:
                break
        if not self._sends or self._streams.is_stdin_full:
            self.watch()

    def _receive_once(self) -> bytes | None:
        """Return what there is, b"" at the end, None when nothing has come yet."""
        try:
            return self._sock.recv(_RECEIVE_BYTES, _NOW)
        except BlockingIOError:
            return None
        except OSError:
            return b""
