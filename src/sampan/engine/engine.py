# SPDX-License-Identifier: Apache-2.0
"""The engine: all services of one data root, put together; what concerns several of them at once.

Everything a service needs is an argument of its constructor; nothing is a global. `start` makes the records
agree with what really runs, `close` leaves containers running.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections import Counter
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sampan.build.limits import CacheLimits
from sampan.build.service import Builder
from sampan.content.store import ContentStore
from sampan.engine.attaching import attach, withdraw
from sampan.engine.commit import Commits
from sampan.engine.connecting import Connecting
from sampan.engine.containers import Containers
from sampan.engine.copies import Copies
from sampan.engine.create import plan_warnings
from sampan.engine.disk_usage import DiskUsage
from sampan.engine.events import EventBus
from sampan.engine.execs import Execs
from sampan.engine.executor import StepExecutor
from sampan.engine.facts import Facts, filesystem_of
from sampan.engine.health import HealthChecks
from sampan.engine.hostca import HostCa
from sampan.engine.launching import Launching
from sampan.engine.lifecycle import Lifecycle
from sampan.engine.limit_checks import plan_limit_warnings, read_bounds
from sampan.engine.logs import LogRequest, Logs
from sampan.engine.memberships import Memberships
from sampan.engine.model import Attachment, Container
from sampan.engine.networks import Networks
from sampan.engine.reconcile import Reconciler
from sampan.engine.sharing import Sharing
from sampan.engine.spec import Host
from sampan.engine.tasks import Background
from sampan.engine.threads import start_thread
from sampan.engine.trash import Trash
from sampan.engine.volumes import Volumes
from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.image.store import ImageNotFound, ImageStore
from sampan.image.variants import PlatformNotHere
from sampan.metadata.containers import ContainerTable
from sampan.metadata.database import Database
from sampan.metadata.networks import NetworkTable
from sampan.metadata.volumes import VolumeTable
from sampan.oci.platform import Platform
from sampan.paths import Roots
from sampan.registry.repository import Registries
from sampan.registry.settings import Settings as RegistrySettings
from sampan.registry.trust.policy import Policy
from sampan.schema.container import ContainerCreate
from sampan.shim.control import LauncherControl
from sampan.snapshot.probe import choose_driver
from sampan.snapshot.store import SnapshotStore

if TYPE_CHECKING:
    from sampan.buildkit.service import BuildKit


class Engine:
    """One engine on its roots; all attributes are services."""

    def __init__(
        self,
        roots: Roots,
        launcher: LauncherControl,
        host: Host,
        *,
        host_ca: bool = False,
        runtime: str = "",
        registries: RegistrySettings | None = None,
        policy: Policy | None = None,
        cache_limits: CacheLimits | None = None,
    ) -> None:
        self.roots = roots
        os.makedirs(roots.snapshots, mode=0o711, exist_ok=True)
        self.database = Database(roots.state_db)
        self.content = ContentStore(roots.content)
        self.snapshots = SnapshotStore(roots.snapshots, self.database, choose_driver(roots.snapshots))
        self.images = ImageStore(self.database, self.content, self.snapshots)
        self.background = Background()
        self.events = EventBus()
        self.sharing = Sharing(self.images, Registries(registries), self.events, policy)
        self.volumes = Volumes(VolumeTable(self.database), self.events, roots.volumes)
        self.networks = Networks(NetworkTable(self.database), roots, self.events)
        self.memberships = Memberships(self.networks, roots)
        self.trash = Trash(roots, launcher, self.snapshots, self.volumes, self.background)
        self.containers = Containers(
            ContainerTable(self.database),
            images=self.images,
            snapshots=self.snapshots,
            volumes=self.volumes,
            memberships=self.memberships,
            events=self.events,
            data_dir=roots.containers,
            admit=self.sharing.trust.admit,
        )
        self.connecting = Connecting(self.memberships, self.containers, roots.containers)
        self.host_ca = HostCa(default=host_ca)
        self.launching = Launching(
            roots, launcher, self.snapshots, self.memberships, host, self.host_ca, runtime=runtime
        )
        self.launching.containers = self.containers
        self.execs = Execs(self.containers, host, self.host_ca)
        self.health = HealthChecks(self.containers, self.execs, self.background)
        self.lifecycle = Lifecycle(
            self.containers, self.launching, self.background, self.trash, self.health, self.execs
        )
        self.health.actions = {"restart": self.lifecycle.restart, "stop": self.lifecycle.stop}
        self.logs = Logs()
        self.copies = Copies(self.containers, self.snapshots, launcher, roots)
        self.commits = Commits(self.containers, self.lifecycle, self.images, self.snapshots)
        self.builder = Builder(
            images=self.images,
            snapshots=self.snapshots,
            database=self.database,
            content=self.content,
            executor=StepExecutor(self.launching, self.networks, roots),
            root=f"{roots.data}/build",
            source=self.sharing.source(),
            limits=cache_limits,
            spawn=self.background.spawn,
        )
        self.facts = _read_facts(
            roots, "overlay2" if self.snapshots.driver.is_layered else "vfs", registries or RegistrySettings()
        )
        self.disk_usage = DiskUsage(self)

    @cached_property
    def buildkit(self) -> BuildKit:
        """BuildKit's API, loaded when its first client comes."""
        from sampan.buildkit.service import BuildKit
        from sampan.engine.session_images import SessionRegistries

        return BuildKit(self.builder, SessionRegistries(self.sharing))

    @property
    def has_buildkit(self) -> bool:
        """Whether a client of BuildKit's API has come."""
        return "buildkit" in self.__dict__

    async def start(self) -> None:
        """Find what still runs, record what has ended, sweep what nobody names."""
        for path in (self.roots.containers, self.roots.running):
            os.makedirs(path, mode=0o700, exist_ok=True)
        await Reconciler(self).run()

    async def close(self) -> None:
        """Let go of everything; containers go on."""
        self.lifecycle.close()
        self.execs.close()
        await self.health.close()
        await self.background.drain(timeout_s=5.0)
        await self.sharing.close()
        for container in self.containers.all():
            if container.shim is not None:
                container.shim.close()
        self.memberships.naming.close()
        self.networks.close(is_idle=not any(c.state.is_running for c in self.containers.all()))
        self.database.close()

    async def create_container(
        self, name: str, create: ContainerCreate, platform: Platform | None = None
    ) -> tuple[Container, list[str]]:
        """A new container and warnings about what it asked for; its image must be one that the policy lets run."""
        if not create.image:
            raise InvalidArgument(
                "config cannot be empty in order to create a container", hint="name an image"
            )
        with contextlib.suppress(ImageNotFound, PlatformNotHere):  # said when all else is in order
            await self.sharing.trust.examine(self.images.resolve(create.image, platform), create.image)
        await self._fill_shared_volumes(create)
        container = self.containers.create(name, create, platform)
        host = container.host_config
        return container, [*plan_warnings(host), *plan_limit_warnings(host, read_bounds())]

    async def _fill_shared_volumes(self, create: ContainerCreate) -> None:
        """A container that was only created lends its volumes, too, with what its image has there."""
        for entry in (create.host_config and create.host_config.volumes_from) or ():
            with contextlib.suppress(NotFound):  # which the creation tells
                await self.copies.fill_volumes(self.containers.find(entry.partition(":")[0]))

    def layers_of(self, container: Container) -> dict[str, str]:
        """The folders of its root filesystem; the merged one is mounted for the container alone."""
        mount = self.snapshots.mount(container.id)
        if mount.kind != "overlay":
            return {"ID": container.id}
        own = mount.upper.removesuffix("/fs")
        return {
            "ID": container.id,
            "LowerDir": ":".join(mount.lower),
            "MergedDir": f"{own}/merged",
            "UpperDir": mount.upper,
            "WorkDir": mount.work,
        }

    def require_attachable(self, container: Container) -> None:
        """Attaching needs a container that runs or may still be started."""
        if container.is_removing:
            raise Conflict(f"container {container.id} is marked for removal")
        if container.state.status == "paused":
            raise Conflict(f"container {container.name} is paused, unpause the container before attach")

    async def attach(self, container: Container, attachment: Attachment) -> None:
        """Give the client's stream to the running program, or keep it for the start."""
        await attach(container, attachment)
        if attachment not in container.attachments:
            self.containers.publish(container, "attach")

    def withdraw(self, container: Container, attachment: Attachment | None) -> None:
        """The client has gone: its stream waits for the start no longer."""
        withdraw(container, attachment)

    async def replay_logs(self, container: Container, fd: int, *, stdout: bool, stderr: bool) -> None:
        """Write what the container has said so far to an attached client."""
        request = LogRequest(stdout=stdout, stderr=stderr, framed=not container.config.tty)
        async with self.logs.open(container, request) as chunks:
            async for chunk in chunks:
                work = partial(_write_all, fd, chunk)
                await asyncio.wrap_future(start_thread(work, name="replay"))

    async def resize_container(self, container: Container, rows: int, columns: int) -> None:
        """Set the size of the terminal; before the start it is kept for it."""
        container.host_config.console_size = [rows, columns]
        async with container.lock:
            if container.shim is not None:
                await container.shim.resize("", rows, columns)
                self.containers.publish(container, "resize", height=str(rows), width=str(columns))

    async def container_sizes(self, container: Container) -> dict[str, int]:
        """SizeRw: what the container wrote; SizeRootFs: that and its image."""
        written = await asyncio.to_thread(self._written_bytes, container)
        return {"SizeRw": written, "SizeRootFs": written + self._image_size(container)}

    def _written_bytes(self, container: Container) -> int:
        return self.snapshots.usage(container.id)[0]

    def _image_size(self, container: Container) -> int:
        image = self.images.find(container.document.image_id)
        return image.size_bytes if image else 0

    def info(self) -> dict[str, Any]:
        """SystemInfo."""
        counts = Counter(container.state.status for container in self.containers.all())
        live = {"NGoroutines": len(asyncio.all_tasks()), "NEventsListener": self.events.listeners}
        return self.facts.info(counts, now_ns=time.time_ns(), images=len(self.images.list())) | live


def _write_all(fd: int, data: bytes) -> None:
    """The descriptor may be non-blocking: it shares its state with a socket of the event loop."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            import select

            select.select((), (fd,), ())


def _read_facts(roots: Roots, storage_driver: str, registries: RegistrySettings) -> Facts:
    digest = hashlib.sha256(roots.data.encode() + open("/etc/machine-id", "rb").read()).hexdigest()  # noqa: SIM115
    unified = filesystem_of("/sys/fs/cgroup") == "cgroup2fs" or os.path.exists(
        "/sys/fs/cgroup/cgroup.controllers"
    )
    return Facts(
        engine_id=f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}",
        data_root=roots.data,
        started_ns=time.time_ns(),
        storage_driver=storage_driver,
        cgroup_version="2" if unified else "1",
        registries=registries,
    )
