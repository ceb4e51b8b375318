# SPDX-License-Identifier: Apache-2.0
"""How a process is scheduled (runtime-spec: process.scheduler, ioPriority, execCPUAffinity; linux.personality)."""

from __future__ import annotations

import os

from sampan.errors import InvalidArgument
from sampan.linux import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}


def apply_scheduling(process_spec: dict[str, Any]) -> None:
    """Set what the config asks for, while the privileges for it are still there."""
    scheduler, io_priority = process_spec.get("scheduler"), process_spec.get("ioPriority")
    if scheduler:
        process.set_scheduler(
            _choose(_POLICIES, scheduler["policy"], "scheduler policy"),
            flags=sum(_choose(_FLAGS, flag, "scheduler flag") for flag in scheduler.get("flags") or ()),
            nice=scheduler.get("nice") or 0,
            priority=scheduler.get("priority") or 0,
            times=(
                scheduler.get("runtime") or 0,
                scheduler.get("deadline") or 0,
                scheduler.get("period") or 0,
            ),
        )
    if io_priority:
        kind = _choose(_IO_CLASSES, io_priority["class"], "I/O priority class")
        process.set_io_priority(kind, io_priority.get("priority") or 0)
    affinity = process_spec.get("execCPUAffinity") or {}
    if affinity.get("final") or affinity.get("initial"):
        os.sched_setaffinity(0, parse_cpu_list(affinity.get("final") or affinity["initial"]))


def apply_personality(personality: dict[str, Any] | None) -> None:
    """Set the execution domain."""
    if personality:
        process.set_personality(_choose(_PERSONALITIES, personality["domain"], "personality domain"))


def parse_cpu_list(text: str) -> set[int]:
    """Read the kernel's list form: `0-2,5`."""
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise InvalidArgument(f'processor list "{text}" is not a list such as 0-2,5')
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def _choose(table: dict[str, int], name: str, subject: str) -> int:
    if name not in table:
        raise InvalidArgument(f'{subject} "{name}" is unknown')
    return table[name]
