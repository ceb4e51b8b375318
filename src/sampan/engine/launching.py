# SPDX-License-Identifier: Apache-2.0
"""Everything between "start this container" and a running shim: files, network, spec, one order to the
launcher.

Holds: what was set up for a start that fails is released again; nothing is left mounted on the host, for
the shim mounts in its own namespace.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sampan.engine.cgroups import cgroup_path, leave_cpuset
from sampan.engine.create import program_env
from sampan.engine.files import container_files, write_container_files
from sampan.engine.hostca import add_missing
from sampan.engine.links import plan_links
from sampan.engine.model import Attachment, Container
from sampan.engine.namespaces import plan_namespaces, running_pid
from sampan.engine.seccomp import SeccompProfiles
from sampan.engine.security import parse_security_options
from sampan.engine.sources import plan_sources
from sampan.engine.spec import INIT_ANNOTATION, Host, SpecRequest, plan_spec
from sampan.engine.user_devices import plan_devices
from sampan.errors import InvalidArgument, SampanError

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.hostca import HostCa
    from sampan.engine.memberships import Memberships
    from sampan.paths import Roots
    from sampan.shim.control import LauncherControl, Shim
    from sampan.shim.exitstatus import ExitStatus
    from sampan.snapshot.model import Mount
    from sampan.snapshot.store import SnapshotStore

OnExit = Callable[[Container, "Shim", "ExitStatus"], None]
KILO = 1024
OWN_RUNTIME = frozenset({"", "sampan", "io.containerd.runc.v2"})

UNLIMITED_BYTES = 1 << 62  # of a log whose max-size is -1


class Launching:
    """Turns a container into a running shim."""

    def __init__(
        self,
        roots: Roots,
        launcher: LauncherControl,
        snapshots: SnapshotStore,
        memberships: Memberships,
        host: Host,
        host_ca: HostCa,
        *,
        runtime: str = "",
    ) -> None:
        self._roots = roots
        self._launcher = launcher
        self._snapshots = snapshots
        self._memberships = memberships
        self._host = host
        self._host_ca = host_ca
        self._default_runtime = runtime
        self._seccomp = SeccompProfiles()
        self.containers: Containers | None = None  # the registry, which itself needs what this needs

    async def launch(
        self,
        container: Container,
        attachments: Sequence[Attachment],
        on_exit: OnExit,
        *,
        snapshot: str | None = None,
    ) -> Shim:
        """Start the program; the order that starts it also carries the streams of those already attached.

        The root filesystem is the active snapshot of the container's id, or `snapshot`.
        """
        joined = await self._memberships.join(
            container, self._joined_pid(container), announce=snapshot is None
        )
        try:
            if self.containers is not None:
                # Before anything runs: an engine killed from here on finds the addresses and ports again.
                self.containers.save(container)
            shim = await self._launcher.launch(
                self._plan_order(container, joined.order, self._mount(container, snapshot)),
                attachments=attachments,
                hold=joined.reserved,
                on_exit=lambda shim, status: on_exit(container, shim, status),
            )
        except BaseException:
            self._memberships.leave(container)
            raise
        finally:
            joined.reserved.close()
        return shim

    def _mount(self, container: Container, snapshot: str | None) -> Mount:
        """A build step's snapshot is worth nothing until it is committed: overlayfs need not sync it."""
        if snapshot is None:
            return self._snapshots.mount(container.id)
        return self._snapshots.mount(snapshot, volatile=True)

    def release(self, container: Container) -> None:
        """Give back what only a running container holds."""
        leave_cpuset(container)
        self._memberships.leave(container)

    def _plan_order(self, container: Container, network: dict[str, Any], rootfs: Mount) -> dict[str, Any]:
        config, host = container.config, container.host_config
        run_dir = f"{self._roots.running}/{container.id}"
        os.makedirs(run_dir, mode=0o700, exist_ok=True)
        spec = self._plan_spec(container)
        return {
            "id": container.id,
            "run_dir": run_dir,
            "spec": spec,
            "sources": plan_sources(container.document.mounts, spec["mounts"], run_dir),
            "user": config.user,
            "group_add": host.group_add or [],
            "rootfs": rootfs.document(),
            "network": network,
            "copy_up": [
                {"path": point.destination, "target": point.device or point.source}
                for point in container.document.mounts
                if point.copy_up and point.filesystem in ("", "bind")
            ],
            "open_stdin": config.open_stdin,
            "stdin_once": config.stdin_once,
            "log": self._plan_log(container),
            "runtime": self._runtime(host.runtime),
            "seccomp_cache": self._roots.seccomp,
            "start": True,
        }

    def _joined_pid(self, container: Container) -> int | None:
        """With `--network container:NAME` the process whose network is shared."""
        mode, _, name = container.host_config.network_mode.partition(":")
        if mode != "container":
            return None
        try:
            return running_pid(self._find(name))
        except SampanError as error:
            error.message = f"joining network namespace of container: {error.message}"
            raise

    def _network_owner(self, container: Container) -> Container:
        """Whose network the container uses: with it come its host name and the files that name and find hosts."""
        mode, _, name = container.host_config.network_mode.partition(":")
        return self._network_owner(self._find(name)) if mode == "container" else container

    def _plan_log(self, container: Container) -> dict[str, Any]:
        """Where output is written; without a path nothing is."""
        log = container.host_config.log_config
        if log.type == "none":
            return {}
        options = log.config or {}
        planned: dict[str, Any] = {"path": container.document.log_path}
        if "max-size" in options:
            size = parse_size(options["max-size"])
            planned["max_size"] = size if size > 0 else UNLIMITED_BYTES
        if "max-file" in options:
            planned["max_file"] = int(options["max-file"])
        return planned

    def _runtime(self, name: str) -> dict[str, str]:
        """The OCI runtime that is asked for, by path; none for ours."""
        chosen = self._default_runtime if name in OWN_RUNTIME else name
        if not chosen:
            return {}
        path = shutil.which(chosen)
        if path is None:
            raise InvalidArgument(
                f"unknown or invalid runtime name: {chosen}", hint="give the path of an OCI runtime"
            )
        return {"path": path}

    def _plan_spec(self, container: Container) -> dict[str, Any]:
        config, host = container.config, container.host_config
        links = plan_links(container, self._find)
        owner = self._network_owner(container)
        data_dir = f"{self._roots.containers}/{owner.id}"
        os.makedirs(f"{self._roots.containers}/{container.id}", mode=0o710, exist_ok=True)
        if owner is container:
            files = write_container_files(container, data_dir, self._memberships, links.hosts)
        else:
            files = container_files(data_dir)
            config.hostname, config.domainname = owner.config.hostname, owner.config.domainname
        options = parse_security_options(host.security_opt or ())
        namespaces = plan_namespaces(host, self._find)
        devices, rules = plan_devices(host)
        env = add_missing(program_env(config, hostname=config.hostname), links.environment)
        mounts = list(container.document.mounts)
        if self._host_ca.is_wanted(host.annotations):
            mounts.append(self._host_ca.mount())
            env = add_missing(env, self._host_ca.environment())
        request = SpecRequest(
            container_id=container.id,
            args=[container.document.path, *container.document.args],
            env=env,
            cwd=config.working_dir or "/",
            hostname=config.hostname,
            domainname=config.domainname,
            host_config=host,
            cgroup_path=cgroup_path(container.id, host),
            seccomp=None,
            tty=config.tty,
            no_new_privileges=options.no_new_privileges,
            mounts=mounts,
            files=files,
            devices=devices,
            device_rules=rules,
            namespace_paths=namespaces.paths,
            shared_namespaces=namespaces.shared,
            annotations={INIT_ANNOTATION: "true"} if host.init else {},
        )
        spec = plan_spec(request, self._host)
        profile = self._seccomp.choose(
            options.seccomp, spec["process"]["capabilities"]["bounding"], privileged=host.privileged
        )
        if profile is not None:
            spec["linux"]["seccomp"] = profile
        return spec

    def _find(self, name: str) -> Container:
        assert self.containers is not None
        return self.containers.find(name)


def parse_size(text: str) -> int:
    """`10m` → bytes, as in log options."""
    units = {"k": KILO, "m": KILO**2, "g": KILO**3}
    text = text.strip().removesuffix("b").removesuffix("B")
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].isalpha() else (text, "")
    return int(float(number) * units.get(unit, 1))
