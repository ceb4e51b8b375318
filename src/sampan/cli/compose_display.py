# SPDX-License-Identifier: Apache-2.0
"""How a compose command shows what it does: a live view, plain lines, JSON lines, or nothing.

Implements: docker compose's displays, on stderr. Plain lines are `` Container demo-web-1  Created``. All of it
takes events from several threads.
"""

from __future__ import annotations

import os
import time
from threading import Event, Lock, Thread

from sampan.cli.output import STDERR, write_all
from sampan.client.jsontext import encode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from sampan.cli.context import Context
    from sampan.compose.running.report import Report

_INTERVAL_S = 0.1
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_GREEN, _RED, _BLUE, _GREY, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[34m", "\x1b[90m", "\x1b[0m"


class Display:
    """What all of them are: a report that is opened and closed; the base shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last state on the screen."""

    def working(self, subject: str, word: str, detail: str = "") -> None:
        """Something began, or is further on its way."""

    def done(self, subject: str, word: str, detail: str = "") -> None:
        """It has come to its end."""

    def failed(self, subject: str, word: str, detail: str = "") -> None:
        """It could not be done."""

    def output(self, subject: str, text: str) -> None:
        """What a hook or another builder says."""

    def build_event(self, subject: str, event: Mapping[str, Any]) -> None:
        """What the builder says."""

    def notice(self, text: str) -> None:
        """Something people should know."""


class Builds:
    """The builds of one command as plain lines, and the last words of those that failed."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[Any, list[str]]] = {}

    def event(self, subject: str, event: Mapping[str, Any]) -> list[str]:
        """The lines that one event adds."""
        from sampan.cli.progress_plain import PlainProgress

        if subject not in self._shown:
            said: list[str] = []
            self._shown[subject] = PlainProgress(said.append), said
        progress, lines = self._shown[subject]
        progress.event(dict(event))
        image = subject.removeprefix("Image ")
        told = [f" {image}  {line}" for line in lines if line]
        lines.clear()
        return told

    def failure(self) -> list[str]:
        """The last words of steps that failed."""
        return [line for progress, _ in self._shown.values() for line in progress.trace.failure()]


class PlainDisplay(Display):
    """A line for each event, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._builds = Builds()
        self._last: dict[str, str] = {}
        self._closed = False

    def working(self, subject: str, word: str, detail: str = "") -> None:
        """Told once a word: how far a pull is, is for those who watch."""
        if self._last.get(subject) != word:
            self._line(subject, word, "" if detail.endswith("%") else detail)

    def done(self, subject: str, word: str, detail: str = "") -> None:
        """It has come to its end."""
        if self._last.get(subject) != word:
            self._line(subject, word, detail)

    failed = done

    def _line(self, subject: str, word: str, detail: str) -> None:
        self._last[subject] = word
        self._say(f" {subject}  {word}{f'  {detail}' if detail else ''}")

    def output(self, subject: str, text: str) -> None:
        """Its lines."""
        for line in text.splitlines():
            self._say(f" {subject}  | {line}")

    def build_event(self, subject: str, event: Mapping[str, Any]) -> None:
        """Its lines."""
        with self._lock:
            lines = self._builds.event(subject, event)
        for line in lines:
            self._say(line)

    def notice(self, text: str) -> None:
        """Told as it is."""
        self._say(text)

    def close(self) -> None:
        """The last words of what failed; nothing is said after them."""
        if self._closed:
            return
        for line in self._builds.failure():
            self._say(line)
        self._closed = True

    def _say(self, text: str) -> None:
        with self._lock:
            if self._closed:
                return
            write_all(STDERR, text.encode(errors="surrogateescape") + b"\n")


class JsonDisplay(Display):
    """Docker Compose's JSON lines: id, status (Working, Done, Error, Warning), text."""

    def __init__(self) -> None:
        self._lock = Lock()

    def working(self, subject: str, word: str, detail: str = "") -> None:
        """Status Working."""
        self._event(subject, "Working", word, detail)

    def done(self, subject: str, word: str, detail: str = "") -> None:
        """Status Done."""
        self._event(subject, "Done", word, detail)

    def failed(self, subject: str, word: str, detail: str = "") -> None:
        """Status Error."""
        self._event(subject, "Error", word, detail)

    def notice(self, text: str) -> None:
        """Status Warning."""
        self._event("", "Warning", text, "")

    def _event(self, subject: str, status: str, text: str, detail: str) -> None:
        event = {"id": subject, "status": status, "text": text, "details": detail}
        line = encode_json({name: value for name, value in event.items() if value}) + b"\n"
        with self._lock:
            write_all(STDERR, line)


class _Row:
    __slots__ = ("began_s", "detail", "ended_s", "state", "word")

    def __init__(self, now_s: float) -> None:
        self.word = self.detail = ""
        self.state = "working"
        self.began_s = now_s
        self.ended_s: float | None = None


class LiveDisplay(Display):
    """A table that a thread draws anew until `close`: a row a subject, with a mark and its seconds."""

    def __init__(self, descriptor: int = STDERR) -> None:
        self._descriptor = descriptor
        self._lock = Lock()
        self._rows: dict[str, _Row] = {}
        self._builds = Builds()
        self._drawn = 0
        self._ended = Event()
        self._drawing = Thread(target=self._draw_on, daemon=True)
        self._drawing.start()

    def working(self, subject: str, word: str, detail: str = "") -> None:
        """A row that turns."""
        self._set(subject, "working", word, detail)

    def done(self, subject: str, word: str, detail: str = "") -> None:
        """A row with a tick."""
        self._set(subject, "done", word, detail)

    def failed(self, subject: str, word: str, detail: str = "") -> None:
        """A row with a cross."""
        self._set(subject, "failed", word, detail)

    def _set(self, subject: str, state: str, word: str, detail: str) -> None:
        now_s = time.monotonic()
        with self._lock:
            row = self._rows.get(subject)
            if row is None or (row.ended_s is not None and state == "working"):
                row = self._rows[subject] = _Row(now_s)
            row.state, row.word, row.detail = state, word, detail
            row.ended_s = None if state == "working" else now_s

    def output(self, subject: str, text: str) -> None:
        """The last line that it said."""
        lines = text.splitlines()
        with self._lock:
            row = self._rows.get(subject)
            if row is not None and lines:
                row.detail = lines[-1]

    def build_event(self, subject: str, event: Mapping[str, Any]) -> None:
        """The last line of the build."""
        with self._lock:
            lines = self._builds.event(subject, event)
            row = self._rows.get(subject)
            if row is not None and lines and row.state == "working":
                row.detail = lines[-1].partition("  ")[2]

    def notice(self, text: str) -> None:
        """Above the table."""
        with self._lock:
            if self._ended.is_set():
                return
            self._erase()
            self._write(text + "\n")

    def close(self) -> None:
        """Draw the last state, and leave it there."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._drawing.join()
        with self._lock:
            self._draw(whole=True)
            for line in self._builds.failure():
                self._write(line + "\n")

    def _draw_on(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            with self._lock:
                self._draw(whole=False)

    def _draw(self, *, whole: bool) -> None:
        if not self._rows:
            return
        columns, height = self._size()
        rows = format_rows(self._rows, time.monotonic())
        if not whole:
            rows = rows[:1] + rows[1:][-(height - 2) :]
        self._erase()
        self._write("".join(_cut(row, columns) + "\n" for row in rows))
        self._drawn = len(rows)

    def _erase(self) -> None:
        if self._drawn:
            self._write(f"\x1b[{self._drawn}A\r\x1b[J")
        self._drawn = 0

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._descriptor)
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24

    def _write(self, text: str) -> None:
        write_all(self._descriptor, text.encode(errors="surrogateescape"))


def format_rows(rows: Mapping[str, _Row], now_s: float) -> list[tuple[str, str, str]]:
    """Colour, text and time of each line, the heading first."""
    ended = sum(row.ended_s is not None for row in rows.values())
    heading = ("", f"[+] Running {ended}/{len(rows)}", "")
    width = max(len(subject) for subject in rows)
    return [heading, *(_row(subject.ljust(width), row, now_s) for subject, row in rows.items())]


def _row(subject: str, row: _Row, now_s: float) -> tuple[str, str, str]:
    colour, mark = {"done": (_GREEN, "✔"), "failed": (_RED, "✘")}.get(row.state, (_BLUE, ""))
    if not mark:
        mark = _SPINNER[int(now_s / _INTERVAL_S) % len(_SPINNER)]
    detail = f"  {row.detail}" if row.detail else ""
    seconds = (row.ended_s if row.ended_s is not None else now_s) - row.began_s
    return colour, f" {mark} {subject}  {row.word}{detail}", f"{seconds:.1f}s"


def _cut(row: tuple[str, str, str], columns: int) -> str:
    """One line that fits, its time at the right."""
    colour, text, seconds = row
    room = columns - len(seconds) - 2
    shown = text if len(text) <= room else text[: room - 1] + "…"
    padded = f"{shown.ljust(room)} {_GREY}{seconds}{_PLAIN}" if seconds else shown
    return f"{colour}{padded}{_PLAIN}" if colour else padded


def open_display(context: Context, *, quiet: bool = False, live: bool = True) -> Display:
    """The display that --progress, --ansi and the terminal ask for; without `live`, lines at most."""
    kind = context.compose.text("progress") or "auto"
    ansi = context.compose.text("ansi")
    if quiet or kind == "quiet":
        return Display()
    if kind == "json":
        return JsonDisplay()
    live = live and (kind == "tty" or (kind == "auto" and os.isatty(STDERR)))
    dumb = (
        ansi == "never" or context.environ.get("TERM") == "dumb" or context.environ.get("NO_COLOR", "") != ""
    )
    return LiveDisplay() if live and (ansi == "always" or not dumb) else PlainDisplay()


if TYPE_CHECKING:
    _is_a_report: Report = Display()
