# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: a command line run on a real pty, typed at and read from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

from integration.engine_process import CommandLine

READ_LIMIT_S = 10.0


class Terminal:
    """One program on the slave side of a pty; `expect` consumes what it printed."""

    def __init__(
        self, argv: list[str], environment: dict[str, str], *, rows: int = 24, columns: int = 80
    ) -> None:
        self.fd, slave = os.openpty()
        self._buffer = b""
        self.seen = b""
        self.resize(rows, columns, signalled=False)
        self.initial = termios.tcgetattr(slave)
        self._slave = slave
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )

    def resize(self, rows: int, columns: int, *, signalled: bool = True) -> None:
        """Change the window; the program is told as a terminal emulator does."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if signalled:
            self.process.send_signal(signal.SIGWINCH)

    def resize_until_told(self, rows: int, columns: int) -> None:
        """Change the window until the program says so: a client may not listen yet when its program runs."""
        told = f"{rows} {columns}"
        end = time.monotonic() + READ_LIMIT_S
        while told.encode() not in self._buffer and time.monotonic() < end:
            self.resize(rows, columns)
            self._read(time.monotonic() + 0.5)
        self.expect(told)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def expect(self, text: str) -> str:
        """Read until `text` appears; what came before it."""
        wanted = text.encode()
        end = time.monotonic() + READ_LIMIT_S
        while wanted not in self._buffer:
            if time.monotonic() > end or not self._read(end):
                raise AssertionError(f"{text!r} did not appear; the terminal shows {self.seen!r}")
        before, _, self._buffer = self._buffer.partition(wanted)
        return before.decode(errors="replace")

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        data = os.read(self.fd, 65536)
        self._buffer += data
        self.seen += data
        return bool(data)

    def wait(self) -> int:
        """The program's exit code."""
        return self.process.wait(READ_LIMIT_S)

    def settings_are_restored(self) -> bool:
        """Whether the terminal is as it was before the program."""
        return termios.tcgetattr(self._slave) == self.initial

    def close(self) -> None:
        """End whatever still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self._slave)


@contextlib.contextmanager
def terminal(cli: CommandLine, *args: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """One command of a command line on a terminal of its own."""
    opened = Terminal([*cli.argv, *args], cli.engine.environment, rows=rows, columns=columns)
    try:
        yield opened
    finally:
        opened.close()
