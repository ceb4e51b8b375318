# SPDX-License-Identifier: Apache-2.0
"""Volumes: folders with a name that outlive containers.

Source: Engine API v1.51, Volume. Holds: a volume's record exists before its folder, and a folder without a
record is swept when the engine starts.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from sampan.engine.model import MountPoint
from sampan.engine.mounts import check_volume_name
from sampan.engine.names import new_id
from sampan.engine.volume_options import apply_driver_options, check_driver_options
from sampan.errors import InvalidArgument, NotFound
from sampan.metadata.volumes import VolumeRecord
from sampan.schema.times import format_time

if TYPE_CHECKING:
    from sampan.engine.events import EventBus
    from sampan.metadata.volumes import VolumeTable

SECOND_NS = 1_000_000_000
ANONYMOUS_LABEL = "com.docker.volume.anonymous"


class Volumes:
    """Named and anonymous volumes of the local driver, one directory each: NAME/_data."""

    def __init__(self, records: VolumeTable, events: EventBus, root: str) -> None:
        self._records = records
        self._events = events
        self._root = root

    def create(
        self,
        name: str,
        *,
        labels: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
        driver: str = "local",
    ) -> dict[str, Any]:
        """Make the volume, or give the one that is already there."""
        if driver not in ("", "local"):
            raise NotFound(
                f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found'
            )
        if not name:
            name, labels = new_id(), {ANONYMOUS_LABEL: "", **(labels or {})}
        check_volume_name(name)
        check_driver_options(name, options or {})
        existing = self._records.by_name(name)
        if existing:
            return self._describe(existing)
        record = VolumeRecord(name, name, time.time_ns(), {"labels": labels or {}, "options": options or {}})
        self._records.put(record)
        os.makedirs(self.path(name), mode=0o755, exist_ok=True)
        os.chmod(os.path.dirname(self.path(name)), 0o701)
        self._events.publish("volume", "create", name, {"driver": "local"})
        return self._describe(record)

    def path(self, name: str) -> str:
        """The folder that containers see."""
        return f"{self._root}/{name}/_data"

    def _describe(self, record: VolumeRecord) -> dict[str, Any]:
        """A Volume object of the API."""
        return {
            "CreatedAt": format_time(record.created_ns // SECOND_NS * SECOND_NS),
            "Driver": "local",
            "Labels": record.document["labels"] or None,
            "Mountpoint": self.path(record.name),
            "Name": record.name,
            "Options": record.document["options"] or None,
            "Scope": "local",
        }

    def inspect(self, name: str) -> dict[str, Any]:
        """The volume of this name, or NotFound in Docker's words."""
        record = self._records.by_name(name)
        if record is None:
            raise self._records.missing(name)
        return self._describe(record)

    def describe_all(self) -> list[dict[str, Any]]:
        """All volumes by name."""
        return sorted(map(self._describe, self._records.list()), key=lambda volume: str(volume["Name"]))

    def has_options(self, name: str) -> bool:
        """Whether the volume stands for something else: Docker never prunes what may be on another machine."""
        record = self._records.by_name(name)
        return record is not None and bool(record.document["options"])

    def is_anonymous(self, name: str) -> bool:
        """Whether nobody gave this volume its name."""
        record = self._records.by_name(name)
        return record is not None and ANONYMOUS_LABEL in record.document["labels"]

    def forget(self, name: str) -> str:
        """Delete the record and move the folder aside; gives the path that is left to be deleted."""
        self.inspect(name)
        self.drop_record(name)
        return self.set_aside(name)

    def drop_record(self, name: str) -> None:
        """Delete the record alone: the folder belongs to nobody from here on."""
        self._records.remove(name)

    def set_aside(self, name: str) -> str:
        """Free the name for another folder; gives the path that is left to be deleted."""
        doomed = f"{self._root}/.removed-{name}-{time.time_ns()}"
        try:
            os.rename(os.path.dirname(self.path(name)), doomed)
        except FileNotFoundError:
            return ""
        self._events.publish("volume", "destroy", name, {"driver": "local"})
        return doomed

    def resolve(self, points: list[MountPoint]) -> list[MountPoint]:
        """Give every volume mount its folder, making volumes that are not there, and check the binds.

        Within the transaction that makes the container: if that fails, the folders are of no use.
        """
        made: list[str] = []
        try:
            self._resolve(points, made)
        except BaseException:
            for name in made:
                shutil.rmtree(f"{self._root}/{name}", ignore_errors=True)
            raise
        return points

    def _resolve(self, points: list[MountPoint], made: list[str]) -> None:
        for point in points:
            if point.type == "volume":
                if self._records.by_name(point.name) is None:
                    made.append(point.name)
                self._resolve_volume(point)
            elif point.type == "bind":
                _ensure_bind_source(point)

    def _resolve_volume(self, point: MountPoint) -> None:
        anonymous = len(point.name) == 64 and self._records.by_name(point.name) is None
        labels = {**({ANONYMOUS_LABEL: ""} if anonymous else {}), **point.new_labels}
        volume = self.create(point.name, labels=labels, options=point.new_options, driver=point.driver)
        point.new_labels, point.new_options = {}, {}
        point.source = volume["Mountpoint"]
        apply_driver_options(point, volume["Options"] or {})

    def sweep(self) -> list[str]:
        """Folders that no record names, for deletion; called once, when the engine starts."""
        os.makedirs(self._root, mode=0o701, exist_ok=True)
        known = {record.name for record in self._records.list()}
        for name in known:
            os.makedirs(self.path(name), mode=0o755, exist_ok=True)
        return [f"{self._root}/{entry}" for entry in os.listdir(self._root) if entry not in known]


def _ensure_bind_source(point: MountPoint) -> None:
    """`-v` makes a missing folder, `--mount` does not: both as in Docker."""
    if "create" in point.options:
        point.options.remove("create")
        os.makedirs(point.source, mode=0o755, exist_ok=True) if not os.path.lexists(point.source) else None
    elif not os.path.exists(point.source):
        raise InvalidArgument(
            f'invalid mount config for type "bind": bind source path does not exist: {point.source}'
        )
