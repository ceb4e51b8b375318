# SPDX-License-Identifier: Apache-2.0
"""Control groups as they are mounted: v1 (a hierarchy a controller), v2 (one), or hybrid (both).

`discover_hierarchies` reads what this machine has; a `Cgroup` is one path in each hierarchy that matters to a
container. Limits are planned in `cgroup_limits`, figures read in `cgroup_stats`.

A process is never moved by its pid: writing one to cgroup.procs makes the kernel wait for a grace period
(8 ms on an idle machine). On v1 it moves itself, as a single thread, through `tasks`; on v2 it is born in
place (CLONE_INTO_CGROUP). Both skip that wait.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time

from sampan.linux.syscall import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WANTED_V1 = ("memory", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio", "name=systemd")
"""Hierarchies every container joins: for limits, for accounting, and to leave its starter's service."""

WANTED_V2 = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")
"""Controllers that a v2 container's parents hand down."""


class Hierarchy:
    """One mounted hierarchy: its controllers and its mount point."""

    __slots__ = ("controllers", "mount_point", "version")

    def __init__(self, version: int, mount_point: str, controllers: tuple[str, ...]) -> None:
        self.version = version
        self.mount_point = mount_point
        self.controllers = controllers

    @property
    def name(self) -> str:
        """The directory's own name: `memory`, `cpu,cpuacct`, `unified`."""
        return self.mount_point.rpartition("/")[2]


def discover_hierarchies() -> tuple[Hierarchy, ...]:
    """Return the hierarchies mounted in this mount namespace, each once."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return parse_hierarchies(lines)


def parse_hierarchies(lines: Iterable[str]) -> tuple[Hierarchy, ...]:
    """Pick the cgroup mounts out of mountinfo (proc(5))."""
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in lines:
        if " - cgroup" not in line:
            continue
        left, _, right = line.partition(" - ")
        kind, _, options = right.split()
        mount_point = left.split()[4]
        if kind == "cgroup2":
            found.setdefault(("",), Hierarchy(2, mount_point, ()))
        elif kind == "cgroup":
            names = tuple(name for name in options.split(",") if name not in _NOT_CONTROLLERS)
            found.setdefault(names, Hierarchy(1, mount_point, names))
    return tuple(found.values())


_NOT_CONTROLLERS = frozenset(("rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"))


def is_unified(hierarchies: Sequence[Hierarchy]) -> bool:
    """Tell whether the machine is v2 only."""
    return bool(hierarchies) and all(hierarchy.version == 2 for hierarchy in hierarchies)


class Cgroup:
    """One container's control group: the same relative path in several hierarchies."""

    __slots__ = ("hierarchies", "path")

    def __init__(self, path: str, hierarchies: tuple[Hierarchy, ...]) -> None:
        self.path = "/" + path.strip("/")
        self.hierarchies = hierarchies

    @classmethod
    def select(cls, path: str, hierarchies: tuple[Hierarchy, ...], controllers: Iterable[str] = ()) -> Cgroup:
        """Take the hierarchies that every container needs and those of the extra `controllers`."""
        wanted = {*WANTED_V1, *controllers}
        chosen = [h for h in hierarchies if h.version == 2 or wanted.intersection(h.controllers)]
        return cls(path, tuple(chosen))

    @property
    def unified(self) -> bool:
        """Whether this is a v2-only group."""
        return is_unified(self.hierarchies)

    def directory(self, hierarchy: Hierarchy) -> str:
        """Return the group's directory in one hierarchy."""
        return hierarchy.mount_point + self.path

    def find(self, controller: str) -> str | None:
        """Return the directory in which `controller` is ruled, or None where it is not to be had."""
        for hierarchy in self.hierarchies:
            if controller in hierarchy.controllers or (self.unified and hierarchy.version == 2):
                return self.directory(hierarchy)
        return None

    def directories(self) -> list[str]:
        """Return the group's directory in each hierarchy."""
        return [self.directory(hierarchy) for hierarchy in self.hierarchies]

    def create(self) -> None:
        """Make the group wherever it is missing."""
        for hierarchy in self.hierarchies:
            _make(hierarchy, self.directory(hierarchy), hand_down=self.unified)

    def open_entrances(self) -> tuple[list[int], int | None]:
        """Return what a child needs to get in: descriptors of v1 `tasks` files, and the v2 directory."""
        tasks = [
            os.open(f"{self.directory(h)}/tasks", os.O_WRONLY | os.O_CLOEXEC)
            for h in self.hierarchies
            if h.version == 1
        ]
        for hierarchy in self.hierarchies:
            if hierarchy.version == 2:
                flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
                return tasks, os.open(self.directory(hierarchy), flags)
        return tasks, None

    def pids(self) -> list[int]:
        """Return the processes of the group, those of groups below it too."""
        found: set[int] = set()
        for directory in self.directories()[:1]:
            for parent, _, _ in os.walk(directory):
                found.update(int(pid) for pid in read_lines(f"{parent}/cgroup.procs"))
        return sorted(found)

    def kill(self) -> None:
        """Kill every process of the group, those born meanwhile too."""
        for hierarchy in self.hierarchies:
            if hierarchy.version == 2 and write_if_there(f"{self.directory(hierarchy)}/cgroup.kill", "1"):
                return
        self._freeze_v1("FROZEN")  # nobody forks while the list is read
        for pid in self.pids():
            _send_kill(pid)
        self._freeze_v1("THAWED")

    def freeze(self, timeout_s: float = 10.0) -> None:
        """Stop all processes of the group and return when they stand still."""
        if not self.unified:
            self._freeze_v1("FROZEN", timeout_s)
            return
        directory = self.directories()[0]
        write_file(f"{directory}/cgroup.freeze", "1")
        _await_event(f"{directory}/cgroup.events", "frozen 1", timeout_s)

    def thaw(self) -> None:
        """Let the processes of the group go on."""
        if self.unified:
            write_file(f"{self.directories()[0]}/cgroup.freeze", "0")
        else:
            self._freeze_v1("THAWED")

    def is_frozen(self) -> bool:
        """Tell whether the group is paused."""
        if self.unified:
            return "frozen 1" in read_lines(f"{self.directories()[0]}/cgroup.events")
        directory = self.find("freezer")
        return directory is not None and read_lines(f"{directory}/freezer.state") == ["FROZEN"]

    def _freeze_v1(self, state: str, timeout_s: float = 2.0) -> None:
        """Write the state until it holds: a task that is just forking keeps v1 at FREEZING."""
        directory = self.find("freezer")
        if directory is None:
            return
        deadline = time.monotonic() + timeout_s
        while write_if_there(f"{directory}/freezer.state", state):
            if read_lines(f"{directory}/freezer.state") == [state] or time.monotonic() > deadline:
                return
            select.select((), (), (), 0.001)

    def remove(self, timeout_s: float = 10.0) -> None:
        """Kill what is left and remove the group; a group that is not there is fine."""
        deadline = time.monotonic() + timeout_s
        for directory in self.directories():
            while not _remove_tree(directory):
                if time.monotonic() > deadline:
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), directory)
                self.kill()
                select.select((), (), (), 0.002)

    def oom_kills(self) -> int:
        """Return how many processes of the group the kernel has killed for want of memory."""
        directory = self.find("memory")
        name = "memory.events" if self.unified else "memory.oom_control"
        for line in read_lines(f"{directory}/{name}") if directory else ():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0


def _make(hierarchy: Hierarchy, directory: str, *, hand_down: bool) -> None:
    parent = directory.rpartition("/")[0]
    try:
        os.mkdir(directory)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make(hierarchy, parent, hand_down=hand_down)
        os.mkdir(directory)
    if hand_down:
        _hand_down(parent)
    if "cpuset" in hierarchy.controllers:
        _inherit_cpuset(directory)


def _hand_down(directory: str) -> None:
    """Enable for a v2 group's children what it has itself, each controller alone, as some may fail."""
    here = (read_lines(f"{directory}/cgroup.controllers") or [""])[0].split()
    enabled = (read_lines(f"{directory}/cgroup.subtree_control") or [""])[0].split()
    for controller in WANTED_V2:
        if controller in here and controller not in enabled:
            write_if_there(f"{directory}/cgroup.subtree_control", f"+{controller}")


def _inherit_cpuset(directory: str) -> None:
    """A new v1 cpuset has no processors and no memory nodes, and takes no process until it does."""
    parent = directory.rpartition("/")[0]
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not "".join(read_lines(f"{directory}/{name}")):
            write_file(f"{directory}/{name}", "".join(read_lines(f"{parent}/{name}")))


def _remove_tree(directory: str) -> bool:
    """Remove a group and the groups a container made below it; False while a process is still in one."""
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise
    else:
        return True
    for parent, names, _ in os.walk(directory, topdown=False):
        for name in names:
            _remove_tree(f"{parent}/{name}")
    try:
        os.rmdir(directory)
    except OSError:
        return False
    return True


def _send_kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _await_event(path: str, line: str, timeout_s: float) -> None:
    """Wait until a v2 event file has `line`: the kernel reports each change as POLLPRI."""
    deadline = time.monotonic() + timeout_s
    with open(path, encoding="ascii") as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while line not in events.read().splitlines():
            if time.monotonic() > deadline:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), path)
            poll.poll(100)
            events.seek(0)


def read_lines(path: str) -> list[str]:
    """Return a control file's lines, none if the file or the group is not there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.EOPNOTSUPP):  # the group has just gone; a threaded group
            raise
        return []
    finally:
        os.close(fd)
    return b"".join(chunks).decode().splitlines()


def write_file(path: str, text: str) -> None:
    """Write a control file in one call, as the kernel wants it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def write_if_there(path: str, text: str) -> bool:
    """Write a control file; False if it is not there or does not take the value."""
    try:
        write_file(path, text)
    except (OSError, SyscallError):
        return False
    return True
