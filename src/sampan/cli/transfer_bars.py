# SPDX-License-Identifier: Apache-2.0
"""A pull or push on a terminal: a line for each layer, drawn again in place, with rate and time left.

Lines that are no layer's stay above or below in the order in which they came, as with docker.
"""

from __future__ import annotations

import os
import time

from sampan.cli.output import STDOUT, write_all
from sampan.cli.units import format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.jsontext import Json

_INTERVAL_S = 0.1
_BAR = 30
_MOVING = frozenset(("Downloading", "Extracting", "Pushing"))


class Layer:
    """What one layer is at."""

    __slots__ = ("began_s", "current", "first", "name", "status", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = ""
        self.current = self.total = self.first = 0
        self.began_s = 0.0

    def update(self, status: str, current: int, total: int, now_s: float) -> None:
        """Take one message."""
        if status != self.status:
            self.began_s, self.first = now_s, current
        self.status, self.current, self.total = status, current, total

    def line(self, now_s: float) -> str:
        """``3f5a: Downloading [====>   ] 3.1MB/9.8MB 1.2MB/s 5s``."""
        if self.status not in _MOVING or not self.total:
            return f"{self.name}: {self.status}"
        done = min(self.current * _BAR // self.total, _BAR)
        bar = ("=" * done + ">")[:_BAR].ljust(_BAR)
        seconds = now_s - self.began_s
        rate = (self.current - self.first) / seconds if seconds > 0 else 0.0
        speed = (
            f" {format_size(int(rate))}/s {format_left((self.total - self.current) / rate)}" if rate else ""
        )
        amount = f"{format_size(self.current)}/{format_size(self.total)}"
        return f"{self.name}: {self.status} [{bar}] {amount}{speed}"


def format_left(seconds: float) -> str:
    """``5s``, ``3m20s``, ``2h05m``."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole // 60 % 60:02}m"


class TransferBars:
    """Draws while messages come; `close` leaves the last state."""

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._descriptor = descriptor
        self._layers: dict[str, Layer] = {}
        self._drawn = 0
        self._next_s = 0.0

    def message(self, message: Json) -> None:
        """Take one message of the engine."""
        status, name = str(message.get("status", "")), str(message.get("id", ""))
        if not status:
            return
        if name and "progressDetail" in message:
            detail = message["progressDetail"] or {}
            now_s = time.monotonic()
            layer = self._layers.setdefault(name, Layer(name))
            layer.update(status, int(detail.get("current") or 0), int(detail.get("total") or 0), now_s)
            if now_s >= self._next_s:
                self._next_s = now_s + _INTERVAL_S
                self._draw(now_s)
            return
        self.close()
        self._write(_printable(f"{name}: {status}" if name else status) + "\n")

    def close(self) -> None:
        """What is drawn stays; layers that come later begin below."""
        if self._layers:
            self._draw(time.monotonic())
        self._layers, self._drawn = {}, 0

    def _draw(self, now_s: float) -> None:
        columns, rows = self._size()
        lines = [layer.line(now_s) for layer in self._layers.values()][-(rows - 1) :]
        up = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        self._write(up + "".join(f"\x1b[2K{_printable(line)[: columns - 1]}\n" for line in lines))
        self._drawn = len(lines)

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError:
            return 80, 24
        return size.columns or 80, max(size.lines or 24, 4)

    def _write(self, text: str) -> None:
        write_all(self._descriptor, text.encode(errors="replace"))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
