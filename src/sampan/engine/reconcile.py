# SPDX-License-Identifier: Apache-2.0
"""What an engine does first: find what still runs, record what ended meanwhile, sweep what nobody names.

The shims are the truth. A record that says running without a shim has ended (its shim left the exit status,
or the machine went down); a shim without a record belongs to a start or removal that a killed engine did
not finish, and is ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from typing import TYPE_CHECKING

from sampan.engine.model import Container
from sampan.engine.namespaces import in_start_order
from sampan.engine.restart import wants_restart_after_boot
from sampan.errors import SampanError
from sampan.shim.control import Shim, find_exit_status

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

logger = logging.getLogger(__name__)

END_TIMEOUT_S = 10.0


class Reconciler:
    """One start's worth of repair."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self) -> None:
        """Everything, in the order that each part needs."""
        containers = self._engine.containers.load()
        await self._end_strangers({container.id for container in containers})
        await asyncio.gather(*(self._adopt(container) for container in containers))
        await self._engine.memberships.restore([c for c in containers if c.shim is not None])
        await asyncio.to_thread(self._sweep, {container.id for container in containers})
        for container in in_start_order(containers, self._engine.containers.find):
            await self._settle(container)

    async def _adopt(self, container: Container) -> None:
        """Take over a container whose shim lives; note its state as the shim tells it."""
        engine = self._engine
        run_dir = f"{engine.roots.running}/{container.id}"
        shim = await Shim.connect(
            run_dir, on_exit=lambda shim, status: engine.lifecycle.on_exit(container, shim, status)
        )
        if shim is None or not shim.started_ns:
            if shim is not None:
                await _end(shim)
            return
        container.shim = shim
        state = container.state
        state.status = "paused" if shim.is_paused else "running"
        state.pid, state.started_ns = shim.pid, shim.started_ns
        engine.containers.note(container)
        engine.health.watch(container)

    async def _settle(self, container: Container) -> None:
        """Record an end that nobody saw, and do what the restart policy or `--rm` ask for."""
        engine = self._engine
        if container.shim is not None:
            return
        was_running = container.state.status in ("running", "paused")
        if was_running:
            status = find_exit_status(
                f"{engine.roots.running}/{container.id}", started_ns=container.state.started_ns
            )
            await engine.lifecycle.ended(container, None, status)
        elif container.state.status == "restarting" or wants_restart_after_boot(container):
            container.state.status = "restarting"
            engine.lifecycle.start_again_after(container, 0.0)
        elif container.host_config.auto_remove and container.state.started_ns:
            await engine.lifecycle.remove(container, volumes=True)

    async def _end_strangers(self, known: set[str]) -> None:
        root = self._engine.roots.running
        for name in os.listdir(root):
            if name in known:
                continue
            shim = await Shim.connect(f"{root}/{name}")
            if shim is not None:
                logger.warning("ending container %s, which has no record", name[:12])
                await _end(shim)
            shutil.rmtree(f"{root}/{name}", ignore_errors=True)

    def _sweep(self, known: set[str]) -> None:
        engine = self._engine
        for snapshot in engine.snapshots.walk():
            if snapshot.kind == "active" and snapshot.name not in known:
                engine.snapshots.remove(snapshot.name, deferred=True)
        engine.snapshots.sweep()
        for name in os.listdir(engine.roots.containers):
            if name not in known:
                shutil.rmtree(f"{engine.roots.containers}/{name}", ignore_errors=True)
        for path in engine.volumes.sweep():
            shutil.rmtree(path, ignore_errors=True)
        engine.builder.sweep()
        engine.images.sweep()


async def _end(shim: Shim) -> None:
    """Kill a container that nobody owns and wait until it has let go."""
    try:
        await shim.signal(signal.SIGKILL)
        await asyncio.wait_for(shim.wait_released(), END_TIMEOUT_S)
    except (SampanError, TimeoutError) as error:
        logger.warning("shim %d: %s", shim.shim_pid, error)
    shim.close()
