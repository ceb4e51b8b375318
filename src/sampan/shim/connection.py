# SPDX-License-Identifier: Apache-2.0
"""The shim's side of its connections to engines.

Several engines may be connected; each is told every event. An engine that does not read is cut off: it may
connect again and is then told the state.
"""

from __future__ import annotations

import os
import socket

from sampan.errors import SampanError
from sampan.shim.loop import IN
from sampan.shim.protocol import receive_message, send_message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.shim.loop import Loop
    from sampan.shim.protocol import Message

    Operation = Callable[[Message, list[int]], Message]
    """Does what a request asks and returns the reply; owns the descriptors."""

SOCKET_NAME = "shim.sock"


class Connections:
    """All engines that are connected, and the socket where more may come."""

    __slots__ = ("_greet", "_listener", "_loop", "_on_last_gone", "_operations", "_socks")

    def __init__(
        self,
        loop: Loop,
        operations: dict[str, Operation],
        *,
        greet: Callable[[], Message],
        on_last_gone: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._operations = operations
        self._greet = greet
        self._on_last_gone = on_last_gone
        self._socks: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def listen(self, listener: socket.socket) -> None:
        """Accept engines."""
        self._listener = listener
        self._loop.watch(listener.fileno(), IN, self._accept)

    def add(self, sock: socket.socket) -> None:
        """Serve one more engine."""
        sock.setblocking(False)
        self._socks.append(sock)
        self._loop.watch(sock.fileno(), IN, lambda _events: self._receive(sock))

    def publish(self, event: Message) -> None:
        """Tell all engines."""
        for sock in list(self._socks):
            self._send(sock, event)

    def _accept(self, _events: int) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:  # gone already, or no descriptor free: the engine tries again
            return
        self.add(sock)
        self._send(sock, self._greet())

    def _receive(self, sock: socket.socket) -> None:
        try:
            received = receive_message(sock)
        except BlockingIOError:
            return
        except (OSError, ValueError):  # reset, or not our protocol
            received = None
        if received is None:
            self._drop(sock)
            return
        message, fds = received
        reply = self._answer(message, fds)
        if "id" in message:
            self._send(sock, {"reply": message["id"], **reply})

    def _answer(self, message: Message, fds: list[int]) -> Message:
        operation = self._operations.get(message["op"])
        try:
            if operation is None:
                return describe_failure(ValueError(f"no such operation: {message['op']}"))
            return operation(message, fds)
        except (SampanError, OSError, KeyError, ValueError, TypeError) as error:
            for fd in fds:
                os.close(fd)
            return describe_failure(error)

    def _send(self, sock: socket.socket, message: Message) -> None:
        try:
            send_message(sock, message)
        except OSError:
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        if sock not in self._socks:
            return
        self._socks.remove(sock)
        self._loop.forget(sock.fileno())
        sock.close()
        if not self._socks:
            self._on_last_gone()


def open_listener(run_dir: str) -> socket.socket:
    """Listen at the socket in `run_dir`; only this user's engines may connect."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        with socket_address(run_dir) as address:
            if os.path.lexists(address):
                os.unlink(address)
            listener.bind(address)
    finally:
        os.umask(mask)
    listener.listen(4)
    return listener


class socket_address:  # noqa: N801 - used as a function
    """The socket's address while in the `with` block: short, however deep the directory lies.

    A socket's path has room for 107 bytes only; a path through /proc/self/fd always fits.
    """

    __slots__ = ("_directory",)

    def __init__(self, run_dir: str) -> None:
        self._directory = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._directory}/{SOCKET_NAME}"

    def __exit__(self, *_error: object) -> None:
        os.close(self._directory)


def describe_failure(error: BaseException) -> Message:
    """Return an error as `error` of a message: kind (a name of sampan.errors), message, hint, exit code."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ == SampanError.__module__]
    described = {
        "kind": names[0] if names else "Internal",
        "message": str(error),
        "hint": getattr(error, "hint", None),
    }
    if exit_code := getattr(error, "exit_code", None):
        described["exit_code"] = exit_code
    return {"error": described}
