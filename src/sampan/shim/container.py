# SPDX-License-Identifier: Apache-2.0
"""The container of this shim: its program, from created to gone.

The end comes in this order, and each step may rely on those before: the program's exit is seen; its output
is read to the end; ``exit.json`` is written; engines are told; clients are let go as soon as they have
taken all output; cgroups and ports are given up (mounts and network have
gone with the last process); engines are told that, too, for only then
may the same container be started again; the last client goes, and so does the shim.
"""

from __future__ import annotations

import os
import signal
import time

from sampan.linux.pty import set_size
from sampan.shim.exitstatus import ExitStatus, exit_code_of
from sampan.shim.logfile import DEFAULT_MAX_FILES, DEFAULT_MAX_SIZE_BYTES, LogWriter
from sampan.shim.relay import Relay
from sampan.shim.streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sampan.shim.driver import Driver
    from sampan.shim.loop import Loop
    from sampan.shim.order import Terms
    from sampan.shim.protocol import Message
    from sampan.shim.stdio import ShimEnds

_HELD_OUTPUT_S = 1.0
"""How long output may stay open after the exit: only a process outside the container can hold it."""


class Container:
    """A container that the maker has created."""

    __slots__ = (
        "_clients_gone",
        "_console_fd",
        "_loop",
        "_publish",
        "_terms",
        "driver",
        "exit_status",
        "held_fds",
        "is_paused",
        "relay",
        "started_ns",
        "streams",
    )

    def __init__(
        self,
        terms: Terms,
        driver: Driver,
        ends: ShimEnds,
        loop: Loop,
        publish: Callable[[Message], None],
        *,
        on_clients_gone: Callable[[], None],
    ) -> None:
        self._terms = terms
        self._loop = loop
        self._publish = publish
        self._clients_gone = on_clients_gone
        self._console_fd = ends.stdout if ends.is_terminal else -1
        self.driver = driver
        self.exit_status: ExitStatus | None = None
        self.started_ns = 0
        self.is_paused = False
        self.held_fds: list[int] = []
        self.relay = Relay(loop)
        """Descriptors that are only to stay open while the container lives: its published ports."""
        self.streams = Streams(
            loop,
            ends,
            log=_open_log(terms.log),
            close_stdin_with_client=terms.stdin_once,
            on_end=self._complete_if_over,
        )

    @property
    def pid(self) -> int:
        """The program's first process."""
        return self.driver.pid

    @property
    def status(self) -> str:
        """In the words of the runtime-spec."""
        if self.exit_status:
            return "stopped"
        return "running" if self.started_ns else "created"

    def start(self) -> None:
        """Let the program run."""
        self.driver.start()
        self.started_ns = time.time_ns()

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; without one there is nothing to set."""
        if self._console_fd >= 0 and not self.streams.has_ended:
            set_size(self._console_fd, rows, columns)

    def signal(self, number: int, *, everyone: bool) -> None:
        """Send a signal; to a program that has ended it is lost."""
        if self.exit_status is None:
            self.driver.signal(number, everyone=everyone)

    def set_paused(self, paused: bool) -> None:
        """Freeze or thaw every process."""
        if paused:
            self.driver.pause()
        else:
            self.driver.resume()
        self.is_paused = paused

    def program_exited(self, wait_status: int) -> None:
        """The program has ended."""
        self.exit_status = ExitStatus(
            exit_code_of(wait_status),
            oom_killed=self.driver.was_out_of_memory(),
            started_ns=self.started_ns,
            finished_ns=time.time_ns(),
        )
        if not self._terms.has_private_pids:
            self.driver.signal(signal.SIGKILL, everyone=True)
        if self.streams.has_ended:
            self._complete_if_over()
            return
        self.streams.drain()
        if not self.streams.has_ended:
            self._loop.call_after(_HELD_OUTPUT_S, self.streams.finish)

    def _complete_if_over(self) -> None:
        if self.exit_status is None or not self.streams.has_ended:
            return
        self.exit_status.write(self._terms.run_dir)
        # Before anyone hears of the end: who does may start this or another container on the same ports.
        self._free_ports()
        self._publish({"event": "exited", **self.exit_status.as_message()})
        self.streams.dismiss()
        self.release()
        self._publish({"event": "released"})
        self.streams.call_when_alone(self._clients_gone)

    def release(self) -> None:
        """Give up everything that the container needed."""
        self._free_ports()
        self.driver.delete()

    def _free_ports(self) -> None:
        self.relay.close()
        for fd in self.held_fds:
            os.close(fd)
        self.held_fds.clear()


def _open_log(log: dict[str, Any]) -> LogWriter | None:
    if not log.get("path"):
        return None
    return LogWriter(
        log["path"],
        max_size_bytes=log.get("max_size") or DEFAULT_MAX_SIZE_BYTES,
        max_files=log.get("max_file") or DEFAULT_MAX_FILES,
    )
