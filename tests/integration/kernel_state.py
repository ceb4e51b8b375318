# SPDX-License-Identifier: Apache-2.0
"""What an engine and its containers may leave in the kernel: links, mounts, cgroups, processes."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

from integration.engine_process import EngineProcess, wait_until
from sampan.network.names import names_for_data_root

LIMIT_S = 10.0


@dataclass(frozen=True)
class KernelState:
    """All that there is of an engine's containers, by kind."""

    links: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[int]


class KernelWatch:
    """Looks at one engine's share of the kernel; containers are known by every id that was ever seen."""

    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine
        self._bridge = names_for_data_root(str(engine.data)).bridge
        self._ids: set[str] = set()
        self.before = self.look()

    def look(self) -> KernelState:
        """What there is now."""
        for folder in (self._engine.data / "containers", self._engine.run / "containers"):
            with contextlib.suppress(FileNotFoundError):
                self._ids |= set(os.listdir(folder))
        return KernelState(
            links=frozenset(_ports(self._bridge)),
            mounts=frozenset(line for line in _lines("/proc/self/mounts") if str(self._engine.data) in line),
            cgroups=frozenset(path for path in _cgroups() if os.path.basename(path) in self._ids),
            processes=frozenset(self._processes()),
        )

    def hear_of_events(self) -> None:
        """Learn the ids of containers that came and went between two looks."""
        flags = ["--since", "1h", "--until", f"{time.time():.6f}", "--filter", "type=container"]
        self._ids |= set(self._engine.out("events", *flags, "--format", "{{.Actor.ID}}").split())

    def wait_for_before(self) -> None:
        """Nothing more than at first, within a deadline: tidying goes on behind the answer."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.look() == self.before, "the kernel is as before", limit_s=LIMIT_S)
        assert self.look() == self.before

    def _processes(self) -> list[int]:
        """Whoever is in a container's control group."""
        found = []
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            with contextlib.suppress(OSError):
                text = " ".join(_lines(f"/proc/{pid}/cgroup"))
                found += [pid] if any(each in text for each in self._ids) else []
        return found


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def _ports(bridge: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(f"/sys/class/net/{bridge}/brif")
    return []


def _cgroups() -> list[str]:
    bases = [
        "/sys/fs/cgroup/sampan",
        *(f"/sys/fs/cgroup/{name}/sampan" for name in os.listdir("/sys/fs/cgroup")),
    ]
    return [f"{base}/{name}" for base in bases if os.path.isdir(base) for name in os.listdir(base)]


def _lines(path: str) -> list[str]:
    with open(path) as file:
        return file.read().splitlines()
