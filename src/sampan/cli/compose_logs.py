# SPDX-License-Identifier: Apache-2.0
"""Output of several containers in one: a prefix with a colour of its own before every line.

Implements: docker compose's log consumer: ``web-1  | text``; the prefixes are as wide as the longest.
"""

from __future__ import annotations

from threading import Lock

from sampan.cli.output import STDOUT, write_all

_COLOURS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")
_LONGEST_LINE = 1 << 20


class LogPrinter:
    """Prints lines of containers; known names are added before their first line, so that columns stand."""

    def __init__(self, *, colour: bool, prefix: bool, descriptor: int = STDOUT) -> None:
        self._colour = colour
        self._prefix = prefix
        self._descriptor = descriptor
        self._lock = Lock()
        self._colours: dict[str, str] = {}
        self._width = 0

    def add(self, name: str) -> None:
        """Make room for a name."""
        with self._lock:
            if name not in self._colours:
                self._colours[name] = _COLOURS[len(self._colours) % len(_COLOURS)]
                self._width = max(self._width, len(name))

    def lines(self, name: str, lines: list[bytes]) -> None:
        """Print complete lines of one container."""
        self.add(name)
        with self._lock:
            start = self._start(name)
            write_all(self._descriptor, b"".join(start + line + b"\n" for line in lines))

    def event(self, text: str) -> None:
        """Something that happened, without a prefix."""
        with self._lock:
            write_all(self._descriptor, text.encode(errors="surrogateescape") + b"\n")

    def _start(self, name: str) -> bytes:
        if not self._prefix:
            return b""
        text = f"{name.ljust(self._width)}  | "
        if self._colour:
            text = f"\x1b[{self._colours[name]}m{text}\x1b[0m"
        return text.encode(errors="surrogateescape")


class Lines:
    """Cuts one stream into lines; what has no end yet is kept, but not without a bound."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now."""
        *whole, self._held = (self._held + data).split(b"\n")
        if len(self._held) > _LONGEST_LINE:
            whole.append(self._held)
            self._held = b""
        return [line.removesuffix(b"\r") for line in whole]

    def rest(self) -> list[bytes]:
        """The line that never ended."""
        held, self._held = self._held, b""
        return [held] if held else []
