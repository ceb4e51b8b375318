# SPDX-License-Identifier: Apache-2.0
"""The columns of ps(1): their names, their titles and how they print what /proc says (pure but for user names)."""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable
from functools import cache

from sampan.engine.processes import PAGE_BYTES, TICKS, Clock, Process

PTS_MAJORS = range(136, 144)
DAY_S = 86_400


@cache
def user_name(uid: int) -> str:
    """The name that the host has for a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def format_tty(number: int) -> str:
    """The terminal's name below /dev from its device number."""
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    if not number:
        return "?"
    if major in PTS_MAJORS:
        return f"pts/{(major - PTS_MAJORS.start) * 256 + minor}"
    return f"tty{minor}" if major == 4 else "console" if (major, minor) == (5, 1) else "?"


def format_elapsed(seconds: int, *, padded: bool = False) -> str:
    """`[DD-]HH:MM:SS`; without padding hours are left out where there are none."""
    days, rest = divmod(seconds, DAY_S)
    hours, minutes, seconds = rest // 3600, rest // 60 % 60, rest % 60
    head = f"{days}-" if days else ""
    return (
        f"{head}{hours:02}:{minutes:02}:{seconds:02}"
        if padded or days or hours
        else f"{minutes:02}:{seconds:02}"
    )


def format_start(started_s: float, now_s: float) -> str:
    """The time today, the day this year, or the year."""
    started, now = time.localtime(started_s), time.localtime(now_s)
    if started[:3] == now[:3] or now_s - started_s < DAY_S:
        return time.strftime("%H:%M", started)
    return time.strftime("%b%d", started) if started.tm_year == now.tm_year else str(started.tm_year)


def format_state(process: Process) -> str:
    """The state, then BSD's letters: `<` and `N` priority, `s` leader of a session, `l` threads, `+` foreground."""
    nice = process.number(19)
    return "".join(
        (
            process.stat[0],
            "<" if nice < 0 else "N" if nice > 0 else "",
            "s" if process.number(6) == process.pid else "",
            "l" if process.number(20) > 1 else "",
            "+" if process.number(8) == process.number(5) else "",
        )
    )


def cpu_share(process: Process, clock: Clock) -> float:
    """Percent of one processor over the process's life."""
    age = clock.age_s(process)
    return 100 * (process.number(14) + process.number(15)) / TICKS / age if age > 0 else 0.0


def _memory_share(process: Process, clock: Clock) -> float:
    return 100 * process.number(24) * PAGE_BYTES / clock.memory_bytes


def _kib(process: Process, name: str) -> str:
    return process.status.get(name, "0").split()[0]


Column = tuple[str, Callable[[Process, Clock], str]]

COLUMNS: dict[str, Column] = {
    "pid": ("PID", lambda p, _: str(p.pid)),
    "ppid": ("PPID", lambda p, _: p.stat[1]),
    "pgid": ("PGID", lambda p, _: p.stat[2]),
    "sid": ("SID", lambda p, _: p.stat[3]),
    "uid": ("UID", lambda p, _: str(p.uid)),
    "gid": ("GID", lambda p, _: p.status["Gid"].split()[1]),
    "user": ("USER", lambda p, _: user_name(p.uid)),
    "ruser": ("RUSER", lambda p, _: user_name(int(p.status["Uid"].split()[0]))),
    "c": ("C", lambda p, clock: str(min(int(cpu_share(p, clock)), 99))),
    "pcpu": ("%CPU", lambda p, clock: f"{cpu_share(p, clock):.1f}"),
    "pmem": ("%MEM", lambda p, clock: f"{_memory_share(p, clock):.1f}"),
    "vsz": ("VSZ", lambda p, _: _kib(p, "VmSize")),
    "rss": ("RSS", lambda p, _: _kib(p, "VmRSS")),
    "tty": ("TT", lambda p, _: format_tty(p.number(7))),
    "stat": ("STAT", lambda p, _: format_state(p)),
    "state": ("S", lambda p, _: p.stat[0]),
    "stime": ("STIME", lambda p, clock: format_start(clock.started_s(p), clock.now_s)),
    "lstart": ("STARTED", lambda p, clock: time.ctime(clock.started_s(p))),
    "etime": ("ELAPSED", lambda p, clock: format_elapsed(int(clock.age_s(p)))),
    "etimes": ("ELAPSED", lambda p, clock: str(int(clock.age_s(p)))),
    "time": ("TIME", lambda p, _: format_elapsed(p.cpu_s, padded=True)),
    "bsdtime": ("TIME", lambda p, _: f"{p.cpu_s // 60}:{p.cpu_s % 60:02}"),
    "nice": ("NI", lambda p, _: p.stat[16]),
    "pri": ("PRI", lambda p, _: str(39 - p.number(18))),
    "nlwp": ("NLWP", lambda p, _: p.stat[17]),
    "psr": ("PSR", lambda p, _: p.stat[36]),
    "wchan": ("WCHAN", lambda p, _: p.wchan if p.wchan not in ("", "0") else "-"),
    "comm": ("COMMAND", lambda p, _: p.name),
    "args": ("COMMAND", lambda p, _: p.command),
}

ALIASES = {
    "%cpu": "pcpu", "%mem": "pmem", "cmd": "args", "command": "args", "ucmd": "comm", "ucomm": "comm",
    "euser": "user", "uname": "user", "euid": "uid", "egid": "gid", "tt": "tty", "tname": "tty", "s": "state",
    "start_time": "stime", "start": "stime", "cputime": "time", "ni": "nice", "thcount": "nlwp", "pgrp": "pgid",
    "sess": "sid", "session": "sid", "vsize": "vsz", "rssize": "rss", "rsz": "rss",
}  # fmt: skip
