# SPDX-License-Identifier: Apache-2.0
"""Running the steps of builds: each is a container that nobody lists, in the snapshot that the step writes.

Its output comes over one stream, framed as for any attached client; its end is reported when the shim has let go of the
snapshot. A step that a killed engine leaves behind has no record, so the next engine ends it.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
import time
from typing import TYPE_CHECKING

from sampan.engine.create import normalise_host_config
from sampan.engine.hostca import ANNOTATION
from sampan.engine.model import Attachment, Container, Document, Endpoint, MountPoint, State
from sampan.engine.names import new_id
from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerConfig, EndpointConfig, HostConfig, LogConfig, Ulimit

if TYPE_CHECKING:
    from sampan.build.seams import ExecMount, ExecStep, Output
    from sampan.engine.launching import Launching
    from sampan.engine.networks import Networks
    from sampan.paths import Roots
    from sampan.shim.control import Shim
    from sampan.shim.exitstatus import ExitStatus

FRAME_HEAD = struct.Struct(">B3xI")
NETWORKS = {"default": "bridge", "sandbox": "bridge", "bridge": "bridge", "none": "none", "host": "host"}
SIGKILL = 9


class StepExecutor:
    """The builder's `Executor`: one container a step."""

    def __init__(self, launching: Launching, networks: Networks, roots: Roots) -> None:
        self._launching = launching
        self._networks = networks
        self._roots = roots

    async def run(self, step: ExecStep, *, output: Output) -> int:
        """The exit code, when the program has ended and its snapshot is no longer mounted."""
        container = self._plan_container(step)
        ours, theirs = socket.socketpair()
        ended: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        attachment = Attachment(
            theirs.fileno(), stdin=False, stdout=True, stderr=True, multiplexed=True, detach_keys=""
        )
        try:
            with ours:
                with theirs:
                    shim = await self._launching.launch(
                        container,
                        [attachment],
                        lambda _container, _shim, status: ended.set_result(status),
                        snapshot=step.snapshot,
                    )
                return await self._follow(shim, ours, ended, output)
        finally:
            self._launching.release(container)
            for root in (self._roots.containers, self._roots.running):
                shutil.rmtree(f"{root}/{container.id}", ignore_errors=True)

    async def _follow(
        self, shim: Shim, stream: socket.socket, ended: asyncio.Future[ExitStatus], output: Output
    ) -> int:
        try:
            await relay_frames(stream, output)
            status = await ended
        except BaseException:
            await shim.signal(SIGKILL)
            raise
        finally:
            await shim.wait_released()
            shim.close()
        return status.exit_code

    def _plan_container(self, step: ExecStep) -> Container:
        container_id = new_id()
        host = normalise_host_config(
            HostConfig(
                network_mode=_network_mode(step.network),
                extra_hosts=list(step.extra_hosts),
                shm_size=step.shm_size_bytes or 0,
                ulimits=[Ulimit(name, soft, hard) for name, soft, hard in step.limits.ulimits],
                cgroup_parent=step.limits.cgroup_parent,
                log_config=LogConfig(type="none"),
                annotations=None if step.host_ca is None else {ANNOTATION: str(step.host_ca).lower()},
            )
        )
        document = Document(
            image_id="",
            image="",
            path=step.arguments[0],
            args=list(step.arguments[1:]),
            config=ContainerConfig(
                hostname=step.hostname, user=step.user, env=list(step.env), working_dir=step.cwd
            ),
            host_config=host,
            state=State(),
            mounts=[_plan_mount(mount) for mount in step.mounts],
            endpoints=self._plan_endpoints(host.network_mode),
        )
        return Container(container_id, f"build-{container_id[:12]}", time.time_ns(), document)

    def _plan_endpoints(self, mode: str) -> dict[str, Endpoint]:
        return {mode: Endpoint(mode, self._networks.find(mode).id, EndpointConfig())}


def _network_mode(network: str) -> str:
    mode = NETWORKS.get(network)
    if mode is None:
        raise InvalidArgument(f"network {network}: a build knows default, none and host")
    return mode


def _plan_mount(mount: ExecMount) -> MountPoint:
    if mount.kind == "tmpfs":
        size = [f"size={mount.size_bytes}"] if mount.size_bytes else []
        return MountPoint(
            type="tmpfs", source="", destination=mount.target, options=["nosuid", "nodev", *size]
        )
    if mount.kind == "overlay" and len(mount.lowers) > 1:
        lowers = ":".join(mount.lowers)
        return MountPoint(
            type="overlay", source="", destination=mount.target, rw=False, options=[f"lowerdir={lowers}"]
        )
    return MountPoint(
        type="bind",
        source=mount.source or mount.lowers[0],  # an overlay that is never written needs two layers
        destination=mount.target,
        rw=not mount.readonly,
        recursive_readonly=mount.readonly,
        propagation="rprivate",
    )


async def relay_frames(stream: socket.socket, output: Output) -> None:
    """Call `output` for each frame until the stream ends."""
    stream.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=stream)
    try:
        while True:
            try:
                head = await reader.readexactly(FRAME_HEAD.size)
                number, length = FRAME_HEAD.unpack(head)
                data = await reader.readexactly(length)
            except asyncio.IncompleteReadError:
                return
            output(number, data)
    finally:
        writer.close()
