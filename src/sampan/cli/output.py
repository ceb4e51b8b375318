# SPDX-License-Identifier: Apache-2.0
"""The only place that prints: data to stdout, everything else to stderr.

Text goes through one buffer that is flushed before anything else is written to the same descriptor, so that
the order on a terminal is the order of the calls.
"""

from __future__ import annotations

import os

STDOUT = 1
STDERR = 2
_FLUSH_BYTES = 1 << 16


class Output:
    """Writes whole lines; `program` starts every complaint."""

    __slots__ = ("_held", "_held_bytes", "program")

    def __init__(self, program: str = "sampan") -> None:
        self.program = program
        self._held: list[bytes] = []
        self._held_bytes = 0

    def line(self, text: str = "") -> None:
        """One line of data."""
        self.data(text.encode(errors="surrogateescape") + b"\n")

    def text(self, text: str) -> None:
        """Data as it is, without a line end of our own."""
        self.data(text.encode(errors="surrogateescape"))

    def data(self, data: bytes) -> None:
        """Bytes of data."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _FLUSH_BYTES:
            self.flush()

    def note(self, text: str) -> None:
        """One line for the person who watches."""
        self.flush()
        write_all(STDERR, text.encode(errors="surrogateescape") + b"\n")

    def warn(self, text: str) -> None:
        """Something that does not stop the command."""
        self.note(f"WARNING: {text}")

    def complain(self, message: str, hint: str | None = None) -> None:
        """What went wrong, and what to do next."""
        self.note(f"{self.program}: {message}")
        if hint:
            self.note(f"hint: {hint}")

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        self._held_bytes = 0
        if held:
            write_all(STDOUT, b"".join(held))

    @property
    def is_terminal(self) -> bool:
        """Whether data goes to a terminal."""
        return os.isatty(STDOUT)

    @property
    def width(self) -> int:
        """Columns of the terminal, 80 where there is none."""
        try:
            return os.get_terminal_size(STDOUT).columns or 80
        except OSError:
            return 80


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything to a descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
