# SPDX-License-Identifier: Apache-2.0
"""All containers of an engine: found by id, name or prefix; made, renamed, listed.

Holds: a container in memory has a record in the database and the reverse; a name belongs to one container.
Not here: starting and ending them (lifecycle).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from sampan.engine.create import command_line, merge_config, normalise_host_config
from sampan.engine.create_checks import check_config, check_host_config
from sampan.engine.healthstate import check_health_config, read_on_unhealthy
from sampan.engine.limit_checks import check_limits, read_bounds
from sampan.engine.links import parse_link
from sampan.engine.model import Container, Document, MountPoint, State, decode_document, encode_document
from sampan.engine.mounts import plan_mount_points
from sampan.engine.names import check_container_name, new_id, new_name
from sampan.engine.privileges import plan_capabilities
from sampan.engine.resources import plan_resources
from sampan.engine.security import parse_security_options
from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.metadata.containers import ContainerNameTaken, ContainerRecord
from sampan.oci.platform import Platform
from sampan.schema.container import ContainerCreate, HostConfig

if TYPE_CHECKING:
    from sampan.engine.events import EventBus
    from sampan.engine.memberships import Memberships
    from sampan.engine.volumes import Volumes
    from sampan.image.store import Image, ImageStore
    from sampan.metadata.containers import ContainerTable
    from sampan.snapshot.store import SnapshotStore

logger = logging.getLogger(__name__)

NAME_ATTEMPTS = 20


class Containers:
    """The registry of containers and their records."""

    def __init__(
        self,
        records: ContainerTable,
        *,
        images: ImageStore,
        snapshots: SnapshotStore,
        volumes: Volumes,
        memberships: Memberships,
        events: EventBus,
        data_dir: str,
        admit: Callable[[Image, str], None] = lambda *_: None,
    ) -> None:
        self._records = records
        self._images = images
        self._snapshots = snapshots
        self._volumes = volumes
        self._memberships = memberships
        self._events = events
        self._data_dir = data_dir
        self._admit = admit
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, Container] = {}

    def load(self) -> list[Container]:
        """Read all records; called once, when the engine starts."""
        for record in self._records.list():
            container = Container(
                record.id, record.name, record.created_ns, decode_document(dict(record.document))
            )
            self._by_id[container.id] = container
            self._by_name[container.name] = container
        return list(self._by_id.values())

    def all(self) -> list[Container]:
        """Every container, newest first."""
        return sorted(self._by_id.values(), key=lambda c: c.created_ns, reverse=True)

    def find(self, name: str) -> Container:
        """By full id, name (with or without its slash) or an unambiguous prefix of the id."""
        if not name:
            raise InvalidArgument('invalid name or ID supplied: ""')
        found = self._by_id.get(name) or self._by_name.get(name.removeprefix("/"))
        if found:
            return found
        matches = [c for c in self._by_id.values() if c.id.startswith(name)]
        if len(matches) > 1:
            raise InvalidArgument(f"Multiple IDs found with provided prefix: {name}")
        if not matches:
            raise NotFound(f"No such container: {name}")
        return matches[0]

    def create(self, name: str, create: ContainerCreate, platform: Platform | None = None) -> Container:
        """Make a container from its image; nothing runs yet. Raises before anything is left behind."""
        host = normalise_host_config(create.host_config or HostConfig())
        self._settle_network_mode(host)
        _check(create, host)
        self._check_others(host)
        image = self._images.resolve(create.image, platform)
        self._admit(image, create.image)
        with self._records.transaction():  # its volumes, its snapshot and itself: all or nothing
            container = self._new_container(name, create, host, image)
            self._snapshots.prepare(container.id, image.chain_id)
            try:
                self._write(container)
            except BaseException:
                self._snapshots.remove(container.id)
                raise
        self._by_id[container.id] = container
        self._by_name[container.name] = container
        self.publish(container, "create")
        return container

    def _settle_network_mode(self, host: HostConfig) -> None:
        """Name the container whose network is shared by its id: its name may change, or pass to another."""
        kind, _, name = host.network_mode.partition(":")
        if kind == "container" and name and self._has(name):
            host.network_mode = f"container:{self.find(name).id}"

    def _check_others(self, host: HostConfig) -> None:
        """Refuse to name containers that are not there, but not as "not found": clients would pull the image."""
        joined = [mode.partition(":")[2] for mode in (host.ipc_mode, host.pid_mode) if ":" in mode]
        shared = [entry.partition(":")[0] for entry in host.volumes_from or ()]
        for name in (*joined, *shared):
            if not self._has(name):
                raise InvalidArgument(f"No such container: {name}")
        for link in host.links or ():
            name = parse_link(link)[0]
            if not self._has(name):
                raise InvalidArgument(f"could not get container for {name}: No such container: {name}")

    def _has(self, name: str) -> bool:
        with contextlib.suppress(NotFound):
            return self.find(name) is not None
        return False

    def _new_container(self, name: str, create: ContainerCreate, host: HostConfig, image: Image) -> Container:
        container_id = new_id()
        free_name = self._free_name(name, container_id)
        config = merge_config(create, image.run_config)
        check_health_config(config.healthcheck)
        read_on_unhealthy(config, host.annotations)
        args = command_line(config)
        if not config.hostname:
            config.hostname = os.uname().nodename if host.network_mode == "host" else container_id[:12]
        document = Document(
            image_id=str(image.id),
            image=create.image,
            path=args[0],
            args=args[1:],
            config=config,
            host_config=host,
            state=State(),
            chain_id=image.chain_id,
            log_path=f"{self._data_dir}/{container_id}/container.log",
            endpoints=self._memberships.plan_endpoints(host, create),
        )
        document.mounts = self._volumes.resolve(
            plan_mount_points(config, host, new_name=new_id, volumes_from=self._volumes_from(host))
        )
        return Container(container_id, free_name, time.time_ns(), document)

    def _volumes_from(self, host: HostConfig) -> list[MountPoint]:
        points: list[MountPoint] = []
        for entry in host.volumes_from or ():
            name, _, mode = entry.partition(":")
            shared = (point for point in self.find(name).document.mounts if point.type != "tmpfs")
            points += [_with_access(point, readonly=mode == "ro") for point in shared]
        return points

    def _free_name(self, wanted: str, container_id: str) -> str:
        if wanted:
            name = check_container_name(wanted)
            self._require_free(name)
            return name
        for _ in range(NAME_ATTEMPTS):
            name = new_name()
            if name not in self._by_name:
                return name
        return f"{new_name()}_{container_id[:6]}"

    def _require_free(self, name: str) -> None:
        owner = self._by_name.get(name)
        if owner:
            raise ContainerNameTaken(name, owner.id)

    def rename(self, container: Container, wanted: str) -> None:
        """Give a container another name; it may run."""
        if not wanted.removeprefix("/"):
            raise InvalidArgument("Neither old nor new names may be empty")
        try:
            name = check_container_name(wanted)
            if name != container.name:
                self._require_free(name)
        except SampanError as error:
            error.message = f"Error when allocating new name: {error.message}"
            raise
        if name == container.name:
            raise InvalidArgument("Renaming a container with the same name as its current name")
        self._records.rename(container.id, name)
        old = container.name
        del self._by_name[old]
        self._by_name[name] = container
        container.name = name
        self._memberships.renamed(container)
        self.publish(container, "rename", oldName="/" + old)

    def save(self, container: Container) -> None:
        """Write the document: one transaction."""
        if container.id in self._by_id:
            self._write(container)

    def note(self, container: Container) -> None:
        """Save what has happened already: a disk that is too full for that makes nothing unhappen."""
        try:
            self.save(container)
        except SampanError as error:
            logger.error("the state of %s is not recorded: %s", container.name, error)  # noqa: TRY400

    def _write(self, container: Container) -> None:
        document = encode_document(container.document)
        self._records.put(ContainerRecord(container.id, container.name, container.created_ns, document))

    def forget(self, container: Container, *, volumes: bool = False) -> list[str]:
        """Delete the record: from here on the container does not exist and its name is free.

        With `volumes` also those of the volumes that nobody named and nobody else uses; gives their names.
        """
        orphans = self._only_users_volumes(container) if volumes else []
        with self._records.transaction():
            for name in orphans:
                self._volumes.drop_record(name)
            self._records.remove(container.id)
        self._by_id.pop(container.id, None)
        if self._by_name.get(container.name) is container:
            del self._by_name[container.name]
        return orphans

    def _only_users_volumes(self, container: Container) -> list[str]:
        named = _named_volumes(container.host_config)
        mounted = {point.name for point in container.document.mounts if point.type == "volume"}
        return [
            name
            for name in mounted - named
            if self._volumes.is_anonymous(name) and self.users_of_volume(name) == [container.id]
        ]

    def publish(self, container: Container, action: str, **more: str) -> None:
        """Tell the world what happened to a container."""
        attributes = {
            **(container.config.labels or {}),
            "image": container.document.image,
            "name": container.name,
        }
        self._events.publish("container", action, container.id, attributes | more)

    def tell_of_volumes(self, container: Container, action: str) -> None:
        """A volume is mounted as long as its container runs."""
        for point in container.document.mounts:
            if point.type == "volume":
                attributes = {"container": container.id, "driver": point.driver or "local"}
                if action == "mount":
                    attributes |= {
                        "destination": point.destination,
                        "propagation": point.propagation,
                        "read/write": str(point.rw).lower(),
                    }
                self._events.publish("volume", action, point.name, attributes)

    def users_of_image(self, image_id: str) -> list[tuple[str, bool]]:
        """(container id, is it running) for each container made from this image."""
        return [(c.id, c.state.is_running) for c in self._by_id.values() if c.document.image_id == image_id]

    def users_of_volume(self, name: str) -> list[str]:
        """Ids of the containers that mount this volume."""
        return [c.id for c in self._by_id.values() if any(p.name == name for p in c.document.mounts)]

    def select(self, keep: Callable[[Container], bool]) -> list[Container]:
        """Those that satisfy a condition, newest first."""
        return [c for c in self.all() if keep(c)]


def _check(create: ContainerCreate, host: HostConfig) -> None:
    """Everything that can be refused before anything is made."""
    check_config(create)
    check_host_config(host)
    parse_security_options(host.security_opt or ())
    check_limits(host, read_bounds())
    plan_resources(host, [])
    plan_capabilities((), add=host.cap_add or (), drop=host.cap_drop or (), privileged=host.privileged)


def _named_volumes(host_config: HostConfig) -> set[str]:
    """Sources that somebody named: as in Docker, such a volume stays, even one that got its own name by itself."""
    binds = {bind.partition(":")[0] for bind in host_config.binds or ()}
    return binds | {mount.source for mount in host_config.mounts or ()}


def _with_access(point: MountPoint, *, readonly: bool) -> MountPoint:

    return msgspec.structs.replace(point, rw=point.rw and not readonly, copy_up=False)
