# SPDX-License-Identifier: Apache-2.0
"""What an engine and its containers may leave: in the kernel links, rules, mounts, cgroups, processes and network
namespaces; on disk folders and rows.

Everything is counted by names that no other engine has, so that others may work at the same time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from integration.engine_process import EngineProcess, wait_until
from sampan.network.names import names_for_data_root

LIMIT_S = 10.0
IDLE_SHIMS = 3
TABLES = ("containers", "snapshots", "volumes", "networks")


@dataclass(frozen=True)
class KernelState:
    """All that there is of an engine's containers, by kind."""

    links: frozenset[str]
    rules: tuple[str, ...]
    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[int]
    shims: int
    """Processes between engine and container: an idle engine has the launcher and a spare keeper and maker."""
    namespaces: int


class KernelWatch:
    """Looks at one engine's share of the kernel; containers are known by every id that was ever seen."""

    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine
        self.names = names_for_data_root(str(engine.data))
        self._ids: set[str] = set()
        wait_until(lambda: self.look().shims >= IDLE_SHIMS, "the launcher is ready")
        self.before = self.look()

    def look(self) -> KernelState:
        """What there is now."""
        for folder in (self._engine.data / "containers", self._engine.run / "containers"):
            with contextlib.suppress(FileNotFoundError):
                self._ids |= set(os.listdir(folder))
        shims, processes = list(_shims(str(self._engine.run / "shim.log"))), self._processes()
        return KernelState(
            links=frozenset(self._links()),
            rules=_rules(self.names.table),
            mounts=frozenset(line for line in _lines("/proc/self/mounts") if str(self._engine.data) in line),
            cgroups=frozenset(path for path in _cgroups() if os.path.basename(path) in self._ids),
            processes=frozenset(processes),
            shims=len(shims),
            namespaces=len(set(_network_namespaces([*shims, *processes]))),
        )

    def remember(self, ids: Iterable[str]) -> None:
        """Know these containers, too."""
        self._ids |= set(ids)

    def hear_of_events(self) -> None:
        """Learn the ids of containers that came and went between two looks."""
        flags = ["--since", "1h", "--until", f"{time.time():.6f}", "--filter", "type=container"]
        self._ids |= set(self._engine.out("events", *flags, "--format", "{{.Actor.ID}}").split())

    def wait_for_before(self) -> None:
        """Nothing more than at first, within a deadline: tidying goes on behind the answer."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.look() == self.before, "the kernel is as before", limit_s=LIMIT_S)
        assert self.look() == self.before

    def _links(self) -> list[str]:
        networks = filter(self.names.is_network_bridge, os.listdir("/sys/class/net"))
        bridges = [self.names.bridge, *networks]
        return [link for bridge in bridges for link in _with_ports(bridge)]

    def _processes(self) -> list[int]:
        """Whoever is in a container's control group."""
        found = []
        for pid in _all_pids():
            with contextlib.suppress(OSError):
                text = " ".join(_lines(f"/proc/{pid}/cgroup"))
                found += [pid] if any(each in text for each in self._ids) else []
        return found


def disk_state(engine: EngineProcess) -> dict[str, set[str]]:
    """Every folder and row that stands for a container, a snapshot, a volume or a network."""
    folders = {
        f"{place.name}/{name}": set(os.listdir(place / name))
        for place, name in (
            (engine.data, "containers"), (engine.data, "snapshots"), (engine.data, "volumes"),
            (engine.run, "containers"),
        )
    }  # fmt: skip
    return folders | {table: set(rows(engine, table)) for table in TABLES}


def rows(engine: EngineProcess, table: str) -> list[str]:
    """The ids in a table of the engine's database (of snapshots the names)."""
    column = "name" if table == "snapshots" else "id"
    with contextlib.closing(sqlite3.connect(engine.data / "state.db")) as database:
        return [row[0] for row in database.execute(f"SELECT {column} FROM {table}")]


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid: int) -> int:
    """How much memory a process has."""
    (line,) = (line for line in _lines(f"/proc/{pid}/status") if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _with_ports(bridge: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return [bridge, *os.listdir(f"/sys/class/net/{bridge}/brif")]
    return []


def _rules(table: str) -> tuple[str, ...]:
    """The engine's tables of both families without their counters, in any order: sets have none."""
    argvs = [["nft", "-s", "list", "table", family, table] for family in ("ip", "ip6")]
    text = "".join(subprocess.run(argv, capture_output=True, text=True).stdout for argv in argvs)
    return tuple(sorted(line.strip() for line in text.splitlines()))


def _shims(log: str) -> Iterator[int]:
    """The launcher and what it forks: they write to the engine's shim.log."""
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/2") == log and not _is_zombie(pid):
                yield pid


def _is_zombie(pid: int) -> bool:
    return _lines(f"/proc/{pid}/stat")[0].rpartition(")")[2].split()[0] in "ZX"


def _network_namespaces(pids: Iterable[int]) -> Iterator[str]:
    """Those that processes are in or hold open."""
    for pid in pids:
        with contextlib.suppress(OSError):
            yield os.readlink(f"/proc/{pid}/ns/net")
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if target.startswith("net:"):
                        yield target


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _cgroups() -> list[str]:
    bases = [
        "/sys/fs/cgroup/sampan",
        *(f"/sys/fs/cgroup/{name}/sampan" for name in os.listdir("/sys/fs/cgroup")),
    ]
    return [f"{base}/{name}" for base in bases if os.path.isdir(base) for name in os.listdir(base)]


def _lines(path: str) -> list[str]:
    with open(path) as file:
        return file.read().splitlines()
