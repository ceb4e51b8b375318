# SPDX-License-Identifier: Apache-2.0
"""What mmdebstrap says, as phases with counts.

Pure: lines go in, `Event` values come out. apt's and dpkg's lines are counted against the number of packages
that apt announced, once for fetching and once for setting up.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

_PHASES = {
    "I: running apt-get update": "reading package lists",
    "I: downloading packages": "fetching packages",
    "I: extracting archives": "unpacking the base",
    "I: installing essential packages": "installing the base",
    "I: installing remaining packages": "installing packages",
    "I: running --customize-hook": "laying files over",
    "I: cleaning package lists": "cleaning up",
    "I: creating tarball": "packing",
}
_ANNOUNCED = re.compile(r"^\d+ upgraded, (\d+) newly installed")
_FETCHED = re.compile(r"^Get:\d+ \S+ \S+ \S+ (\S+) ")
_SET_UP = re.compile(r"^Setting up (\S+)")
_LAST_LINES = 25


@dataclass(frozen=True, slots=True)
class Event:
    """Where a bootstrap is: a phase, and how many packages of how many where that is known."""

    phase: str
    done: int = 0
    total: int = 0
    item: str = ""


class ProgressReader:
    """Follows one run of mmdebstrap; `tail` is what it said last, for when it fails."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=_LAST_LINES)
        self.probes: dict[str, str] = {}
        self._phase = "starting"
        self._total = 0
        self._fetched: set[str] = set()
        self._set_up: set[str] = set()

    def feed(self, line: str, *, probe_mark: str) -> Event | None:
        """One line; an event where it moved something a person would want to see."""
        if line.startswith(probe_mark):
            name, _, value = line.removeprefix(probe_mark).partition("=")
            self.probes[name] = value.strip()
            return None
        self.tail.append(line)
        return self._phase_event(line) or self._package_event(line)

    def _phase_event(self, line: str) -> Event | None:
        phase = next((name for start, name in _PHASES.items() if line.startswith(start)), None)
        if phase is None or phase == self._phase:
            return None
        self._phase = phase
        return Event(phase)

    def _package_event(self, line: str) -> Event | None:
        if announced := _ANNOUNCED.match(line):
            self._total += int(announced.group(1))
        elif self._phase != "reading package lists" and (fetched := _FETCHED.match(line)):
            self._fetched.add(fetched.group(1))
            return Event("fetching packages", len(self._fetched), self._total, fetched.group(1))
        elif set_up := _SET_UP.match(line):
            name = set_up.group(1).partition(":")[0]
            self._set_up.add(name)
            return Event(self._phase, len(self._set_up), self._total, name)
        return None
