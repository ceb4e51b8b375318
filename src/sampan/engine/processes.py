# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc shows them (proc(5)).

Numbers stay as the kernel gives them; what they look like in a table is `process_columns`' part.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, with the numbers as /proc has them."""

    pid: int
    uid: int
    name: str
    command: str
    stat: tuple[str, ...]
    """The fields of /proc/PID/stat from the third on, `state` first."""
    status: dict[str, str] = field(default_factory=dict)
    wchan: str = ""

    def number(self, position: int) -> int:
        """A field of stat by the number that proc(5) gives it."""
        return int(self.stat[position - 3])

    @property
    def cpu_s(self) -> int:
        """Seconds of processor time."""
        return (self.number(14) + self.number(15)) // TICKS


@dataclass(frozen=True, slots=True)
class Clock:
    """Now, and when the machine started."""

    now_s: float
    uptime_s: float
    memory_bytes: int

    def started_s(self, process: Process) -> float:
        """When the process was started, in seconds since 1970."""
        return self.now_s - self.uptime_s + process.number(22) / TICKS

    def age_s(self, process: Process) -> float:
        """How long the process has existed."""
        return max(self.uptime_s - process.number(22) / TICKS, 0.0)


def read_clock() -> Clock:
    """The clock of this machine."""
    with open("/proc/uptime", encoding="ascii") as uptime:
        pages = os.sysconf("SC_PHYS_PAGES")
        return Clock(time.time(), float(uptime.read().split()[0]), pages * PAGE_BYTES)


def read_process(pid: int) -> Process | None:
    """The process, if it still exists."""
    try:
        stat = _read(pid, "stat").decode("utf-8", "replace")
        status = _read(pid, "status").decode("utf-8", "replace")
        arguments = _read(pid, "cmdline").rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
        wchan = _read(pid, "wchan").decode("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    left, _, right = stat.rpartition(")")  # the name may have anything in it
    name = left.partition("(")[2]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return Process(
        pid=pid,
        uid=int(fields["Uid"].split()[1]),
        name=name,
        command=arguments or f"[{name}]",
        stat=tuple(right.split()),
        status=fields,
        wchan=wchan,
    )


def _read(pid: int, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()
