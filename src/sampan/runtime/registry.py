# SPDX-License-Identifier: Apache-2.0
"""What `sampan-runtime` keeps of a container between two of its commands: a directory with state.json.

    ROOT/ID/state.json   written whole or not at all
    ROOT/ID/start.sock   the first process listens here until it is started

A pid alone does not name a process for long, so the start time that the kernel notes is kept with it.
"""

from __future__ import annotations

import json
import os
import time

from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.runtime.container import plan_cgroup, read_config
from sampan.runtime.state import state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.linux.cgroup import Hierarchy

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


class Registry:
    """All containers below one root directory."""

    __slots__ = ("root",)

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def directory(self, container_id: str) -> str:
        """Return the container's own directory, once sure that the id names nothing outside the root."""
        if not container_id or not set(container_id) <= _ID_CHARACTERS or container_id in (".", ".."):
            raise InvalidArgument("invalid container ID format")
        return f"{self.root}/{container_id}"

    def reserve(self, container_id: str) -> str:
        """Make the directory, or say that the id is taken."""
        directory = self.directory(container_id)
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            raise Conflict("container with given ID already exists") from None
        return directory

    def load(self, container_id: str) -> Entry:
        """Return a container."""
        directory = self.directory(container_id)
        try:
            with open(f"{directory}/state.json", "rb") as file:
                return Entry(directory, json.load(file))
        except FileNotFoundError:
            raise NotFound(f"container {container_id}: container does not exist") from None

    def list(self) -> list[Entry]:
        """Return all containers, by name."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []
        return [self.load(name) for name in names if os.path.exists(f"{self.root}/{name}/state.json")]

    def remove(self, container_id: str) -> None:
        """Forget a container."""
        directory = self.directory(container_id)
        for name in ("start.sock", "state.json"):
            try:
                os.unlink(f"{directory}/{name}")
            except FileNotFoundError:
                continue
        os.rmdir(directory)


class Entry:
    """One container's record."""

    __slots__ = ("directory", "record")

    def __init__(self, directory: str, record: dict[str, Any]) -> None:
        self.directory, self.record = directory, record

    @property
    def id(self) -> str:
        """The container's id."""
        identifier: str = self.record["id"]
        return identifier

    @property
    def pid(self) -> int:
        """The first process, 0 once it has ended."""
        pid: int = self.record["pid"]
        return pid if _start_time(pid) == self.record["start_time"] else 0

    @property
    def spec(self) -> dict[str, Any]:
        """The config as it was at create: the bundle's file may have changed since."""
        spec: dict[str, Any] = self.record["spec"]
        return spec

    def status(self, hierarchies: tuple[Hierarchy, ...]) -> str:
        """Return created, running, paused or stopped (runtime-spec: status)."""
        if not self.pid:
            return "stopped"
        if os.path.exists(f"{self.directory}/start.sock"):
            return "created"
        frozen = plan_cgroup(self.spec, self.id, hierarchies).is_frozen()
        return "paused" if frozen else "running"

    def state(self, hierarchies: tuple[Hierarchy, ...]) -> dict[str, Any]:
        """Return the state document, with what runc adds to it."""
        bundle = self.record["bundle"]
        state = state_of(self.spec, self.id, bundle, self.status(hierarchies), self.pid)
        return {
            **state,
            "pid": self.pid,
            "rootfs": self.record["rootfs"],
            "created": self.record["created"],
            "owner": "",
        }

    def save(self) -> None:
        """Write state.json beside and rename it."""
        temporary = f"{self.directory}/.state.json"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(self.record, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, f"{self.directory}/state.json")


def new_entry(directory: str, container_id: str, *, bundle: str, rootfs: str, pid: int) -> Entry:
    """Return the record of a container just made."""
    record = {
        "id": container_id,
        "bundle": bundle,
        "rootfs": rootfs,
        "pid": pid,
        "start_time": _start_time(pid),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "spec": read_config(bundle),
    }
    return Entry(directory, record)


def _start_time(pid: int) -> int | None:
    """Return the kernel's start time of a process, None if it has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
