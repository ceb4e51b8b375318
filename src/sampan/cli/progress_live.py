# SPDX-License-Identifier: Apache-2.0
"""``--progress=tty``: a build as a few lines that are drawn again and again, like BuildKit's display.

Drawn by hand with three ANSI sequences (cursor up, erase below, colour); a timer's signal redraws while nothing
arrives, so that the seconds go on. No threads, no library.
"""

from __future__ import annotations

import os
import time
from _signal import (  # type: ignore[import-not-found] # `signal` itself loads enum
    ITIMER_REAL,
    SIGALRM,
    getsignal,
    setitimer,
    signal,
)

from sampan.cli.output import STDERR, write_all
from sampan.cli.progress import Trace, format_status, format_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.progress import Vertex
    from sampan.client.jsontext import Json

_INTERVAL_S = 0.15
_LOG_LINES = 6
_BLUE, _RED, _YELLOW, _PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLOURS = {"ERROR ": _RED, "CANCELED ": _YELLOW}
_ERASE_BELOW = "\x1b[J"


class LiveProgress:
    """Holds the lower part of the terminal until `close`."""

    def __init__(self, descriptor: int = STDERR) -> None:
        self.trace = Trace()
        self._descriptor = descriptor
        self._began_ns = time.time_ns()
        self._drawn = 0
        self._busy = False
        self._saved = getsignal(SIGALRM)
        signal(SIGALRM, lambda _number, _frame: self._draw(finished=False))
        setitimer(ITIMER_REAL, _INTERVAL_S, _INTERVAL_S)

    def event(self, event: Json) -> None:
        """Take one event; the timer shows it soon."""
        self.trace.take(event, time.time_ns())

    def close(self) -> None:
        """Draw the last state, and leave it there."""
        setitimer(ITIMER_REAL, 0.0)
        signal(SIGALRM, self._saved)
        self._draw(finished=True)

    def _draw(self, *, finished: bool) -> None:
        if self._busy:
            # The timer struck in the middle of a drawing.
            return
        self._busy = True
        columns, rows = self._size()
        lines = list(frame(self.trace, self._began_ns, time.time_ns(), finished=finished))
        if not finished:
            lines = lines[:1] + lines[1:][-(rows - 2) :]
        up = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        self._write(up + _ERASE_BELOW + "".join(_coloured(line, columns) + "\n" for line in lines))
        self._drawn = len(lines)
        self._busy = False

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError:
            return 80, 24
        return size.columns or 80, max(size.lines, 4) or 24

    def _write(self, text: str) -> None:
        write_all(self._descriptor, text.encode(errors="replace"))


def frame(trace: Trace, began_ns: int, now_ns: int, *, finished: bool) -> Iterator[tuple[str, str, str]]:
    """The display's lines: text, what stands at the right margin, colour."""
    vertices = list(trace.vertices.values())
    done = sum(vertex.completed_ns is not None for vertex in vertices)
    seconds = (now_ns - began_ns) / 1e9
    state = " FINISHED" if finished and all(not vertex.error for vertex in vertices) else ""
    yield f"[+] Building {seconds:.1f}s ({done}/{len(vertices)}){state}", "", ""
    for vertex in vertices:
        yield from _vertex_lines(vertex, now_ns)
        if vertex is vertices[0]:  # the one that reads the Dockerfile
            yield from ((f" => WARN: {format_warning(warning)}", "0.0s", "") for warning in trace.warnings)


def _vertex_lines(vertex: Vertex, now_ns: int) -> Iterator[tuple[str, str, str]]:
    running = vertex.completed_ns is None
    outcome = _outcome(vertex)
    colour = "" if running else _COLOURS.get(outcome, _BLUE)
    yield f" => {outcome}{vertex.name}", f"{vertex.seconds(now_ns):.1f}s", colour
    for status in vertex.statuses.values():
        yield (
            f" => => {format_status(status)}",
            f"{vertex.status_seconds(status['name'], now_ns):.1f}s",
            colour,
        )
    for line in vertex.lines[-_LOG_LINES:] if running else ():
        yield f" => => # {line.partition(' ')[2]}", "", ""


def _outcome(vertex: Vertex) -> str:
    if vertex.error:
        return "CANCELED " if vertex.error.endswith("cancelled") else "ERROR "
    return "CACHED " if vertex.cached else ""


def iter_frame(trace: Trace, now_ns: int) -> Iterator[str]:
    """What stood there at the end of a build that is over, for who reads it now."""
    began_ns = min((vertex.started_ns for vertex in trace.vertices.values()), default=now_ns)
    for text, right, _ in frame(trace, began_ns, now_ns, finished=True):
        yield f"{text} {right}".rstrip()


def _coloured(line: tuple[str, str, str], columns: int) -> str:
    text, right, colour = line
    room = max(columns - len(right) - 1, 1)
    shown = "".join(letter if letter.isprintable() else " " for letter in text)[:room]
    padded = f"{shown:<{room}} {right}" if right else shown
    return f"{colour}{padded}{_PLAIN}" if colour else padded
