# SPDX-License-Identifier: Apache-2.0
"""Programs run inside the container besides its own.

Holds: an engine knows an exec's exit code before its client sees the end of the stream, since the client asks
for the code as soon as it does.
"""

from __future__ import annotations

import os

from sampan.linux.pty import set_size
from sampan.shim.exitstatus import exit_code_of
from sampan.shim.stdio import Pipes, ShimEnds
from sampan.shim.streams import Streams
from sampan.shim.surroundings import assign_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.shim.driver import Driver
    from sampan.shim.loop import Loop
    from sampan.shim.protocol import Message

_HELD_OUTPUT_S = 2.0
"""How long a background process may hold a client after the exec's own exit (Docker's own figure)."""


class Execs:
    """All execs that run, by id."""

    __slots__ = ("_by_id", "_driver", "_loop", "_publish")

    def __init__(self, driver: Driver, loop: Loop, publish: Callable[[Message], None]) -> None:
        self._driver = driver
        self._loop = loop
        self._publish = publish
        self._by_id: dict[str, _Exec] = {}

    def start(self, request: Message, fds: list[int]) -> int:
        """Run a request's `process` as `user`; the client of `attach`, if any, is the one descriptor."""
        process = request["process"]
        root = os.open(f"/proc/{self._driver.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            assign_user(process, root, request.get("user") or "", request.get("group_add") or ())
        finally:
            os.close(root)
        client = request.get("attach")
        made = _Exec(self, request["exec_id"], is_terminal=bool(process.get("terminal")))
        made.run(self._driver, self._loop, process, client)
        self._by_id[made.exec_id] = made
        if client:
            made.attach(fds.pop(0), client)
        return made.pid

    def pids(self) -> dict[str, int]:
        """The pid of each exec that runs."""
        return {exec_id: each.pid for exec_id, each in self._by_id.items() if each.exit_code is None}

    def resize(self, exec_id: str, rows: int, columns: int) -> None:
        """Set the size of an exec's terminal; of one that has ended there is none."""
        if each := self._by_id.get(exec_id):
            each.resize(rows, columns)

    def signal(self, exec_id: str, number: int) -> None:
        """Send a signal to an exec's program: until we have reaped it, the pid is no one else's."""
        each = self._by_id.get(exec_id)
        if each and each.exit_code is None:
            os.kill(each.pid, number)

    def process_exited(self, pid: int, wait_status: int) -> None:
        """A child that is not the container's program has ended."""
        for each in list(self._by_id.values()):
            if each.pid == pid and each.exit_code is None:
                each.exited(exit_code_of(wait_status), self._loop)

    def ended(self, each: _Exec, exit_code: int) -> None:
        """An exec is over and its output read."""
        del self._by_id[each.exec_id]
        self._publish({"event": "exec-exited", "exec_id": each.exec_id, "exit_code": exit_code})


class _Exec:
    """One program and its streams."""

    __slots__ = ("_console_fd", "_execs", "_is_terminal", "_streams", "exec_id", "exit_code", "pid")

    def __init__(self, execs: Execs, exec_id: str, *, is_terminal: bool) -> None:
        self._execs = execs
        self._is_terminal = is_terminal
        self._console_fd = -1
        self._streams: Streams | None = None
        self.exec_id = exec_id
        self.exit_code: int | None = None
        self.pid = 0

    def run(self, driver: Driver, loop: Loop, process: Message, client: Message | None) -> None:
        """Start the program; what nobody listens to goes to /dev/null, but a terminal has to be read."""
        typing = bool(client and client.get("stdin"))
        pipes = Pipes(
            stdin=typing and not self._is_terminal, output=client is not None and not self._is_terminal
        )
        try:
            self.pid, self._console_fd = driver.execute(process, pipes.theirs)
        except BaseException:
            pipes.close()
            raise
        pipes.close_theirs()
        if self._is_terminal:
            ends = ShimEnds.of_terminal(self._console_fd, typing=typing)
        elif client is not None:
            ends = pipes.shim
        else:
            return
        self._streams = Streams(loop, ends, close_stdin_with_client=True, on_end=self._end_if_over)

    def attach(self, fd: int, request: Message) -> None:
        """Give the streams to a client."""
        if self._streams:
            self._streams.attach(fd, request)

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size while it has one."""
        if self._is_terminal and self._streams and not self._streams.has_ended:
            set_size(self._console_fd, rows, columns)

    def exited(self, exit_code: int, loop: Loop) -> None:
        """The program has ended; its output may not have."""
        self.exit_code = exit_code
        streams = self._streams
        if streams is None or streams.has_ended:
            self._end_if_over()
            return
        streams.drain()
        if not streams.has_ended:
            loop.call_after(_HELD_OUTPUT_S, streams.finish)

    def _end_if_over(self) -> None:
        if self.exit_code is None or (self._streams and not self._streams.has_ended):
            return
        self._execs.ended(self, self.exit_code)
        if self._streams:
            self._streams.dismiss()
