# SPDX-License-Identifier: Apache-2.0
"""Probing containers: one task for each that runs and has a health check.

A probe is an exec like any other, with its events; its output comes through a socket pair. The rules of what a
result means are in `healthstate`. Holds: a container is probed while it runs and is not paused; a probe that
takes too long is killed and waited for, so that they do not pile up; after `stop` no result is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from sampan.engine.executor import relay_frames
from sampan.engine.healthstate import (
    UNHEALTHY,
    Health,
    Probe,
    ProbeResult,
    begin_anew,
    next_delay_ns,
    plan_probe,
    read_on_unhealthy,
    record_result,
)
from sampan.engine.model import Attachment, Container
from sampan.errors import SampanError
from sampan.schema.container import ExecCreate

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.execs import Exec, Execs
    from sampan.engine.tasks import Background

logger = logging.getLogger(__name__)

OUTPUT_LIMIT_BYTES = 4096
KILL_TIMEOUT_S = 5.0
NO_EXIT_CODE = -1
NANO = 1_000_000_000

Action = Callable[[Container], Coroutine[Any, Any, None]]


class HealthChecks:
    """The tasks that probe, by container; `actions` is what may be done about an unhealthy one."""

    def __init__(self, containers: Containers, execs: Execs, background: Background) -> None:
        self._containers = containers
        self._execs = execs
        self._background = background
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.actions: dict[str, Action] = {}

    def started(self, container: Container) -> None:
        """A program has just started: its health begins anew."""
        has_check = plan_probe(container.config) is not None
        container.state.health = begin_anew(container.state.health) if has_check else None
        self.watch(container)

    def watch(self, container: Container) -> None:
        """Probe a container that runs, from the health it has: after a pause, or a restart of the engine."""
        self._cancel(container)
        probe = plan_probe(container.config)
        if probe is None or container.state.status != "running":
            return
        container.state.health = container.state.health or Health()
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._probe_forever(container, probe), name=f"health of {container.id[:12]}")
        self._tasks[container.id] = task
        task.add_done_callback(_log_failure)

    def stop(self, container: Container) -> None:
        """Probe no more: paused or ended. As in Docker it counts as unhealthy, without an event."""
        self._cancel(container)
        if container.state.health is not None:
            container.state.health.status = UNHEALTHY

    def _cancel(self, container: Container) -> None:
        task = self._tasks.pop(container.id, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """The engine ends: end the probes under way; each container keeps the health it has."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _probe_forever(self, container: Container, probe: Probe) -> None:
        state = container.state
        while state.health is not None:
            delay_ns = next_delay_ns(state.health, probe, started_ns=state.started_ns, now_ns=time.time_ns())
            await asyncio.sleep(delay_ns / NANO)
            self._record(container, probe, await self._probe(container, probe))

    def _record(self, container: Container, probe: Probe, result: ProbeResult) -> None:
        health = container.state.health
        assert health is not None
        changed = record_result(health, probe, result, started_ns=container.state.started_ns)
        self._containers.note(container)
        if not changed:
            return
        self._containers.publish(container, f"health_status: {health.status}")
        if health.status == UNHEALTHY:
            self._act(container)

    def _act(self, container: Container) -> None:
        word = read_on_unhealthy(container.config, container.host_config.annotations)
        action = self.actions.get(word)
        if action is not None:
            logger.warning("container %s is unhealthy: %s", container.name, word)
            self._background.spawn(action(container), name=f"{word} of unhealthy {container.id[:12]}")

    async def _probe(self, container: Container, probe: Probe) -> ProbeResult:
        """Run the probe once; what keeps it from running is a result, too."""
        start_ns = time.time_ns()
        output = _Output()
        try:
            exit_code, text = await self._run(container, probe, output)
        except (SampanError, OSError) as error:
            exit_code, text = NO_EXIT_CODE, str(error)
        return ProbeResult(start_ns, time.time_ns(), exit_code, text)

    async def _run(self, container: Container, probe: Probe, output: _Output) -> tuple[int, str]:
        create = ExecCreate(cmd=list(probe.command), attach_stdout=True, attach_stderr=True)
        process = self._execs.find(self._execs.create(container, create))
        try:
            return await self._observe(process, probe, output)
        finally:
            await self._end(process)
            self._execs.forget(process)

    async def _observe(self, process: Exec, probe: Probe, output: _Output) -> tuple[int, str]:
        """Start it and read what it says until it ends or its time is over."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                attachment = Attachment(
                    theirs.fileno(), stdin=False, stdout=True, stderr=True, multiplexed=True
                )
                await self._execs.start(process, attachment)
            try:
                async with asyncio.timeout(probe.timeout_ns / NANO):
                    await relay_frames(ours, output.add)
                    return await self._execs.wait(process), output.text
            except TimeoutError:
                said = f": {output.text}" if output.text else ""
                return (
                    NO_EXIT_CODE,
                    f"Health check exceeded timeout ({format_go_duration(probe.timeout_ns)}){said}",
                )

    async def _end(self, process: Exec) -> None:
        """Kill what still runs, and see it go."""
        if not process.running:
            return
        with contextlib.suppress(SampanError, OSError, TimeoutError):
            async with asyncio.timeout(KILL_TIMEOUT_S):
                await self._execs.signal(process, signal.SIGKILL)
                await self._execs.wait(process)


class _Output:
    """The first 4096 bytes of what a probe says; `...` stands for the rest."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._truncated = False

    def add(self, _stream: int, data: bytes) -> None:
        """Take one more piece."""
        room = OUTPUT_LIMIT_BYTES - len(self._kept)
        self._kept += data[:room]
        self._truncated = self._truncated or len(data) > room

    @property
    def text(self) -> str:
        """What is kept."""
        return self._kept.decode(errors="replace") + ("..." if self._truncated else "")


def format_go_duration(duration_ns: int) -> str:
    """A duration as Go prints it: `200ms`, `1.5s`, `1m30s`, `2h0m0s`."""
    if duration_ns < NANO:
        return f"{duration_ns / 1_000_000:.6f}".rstrip("0").rstrip(".") + "ms"
    minutes, rest_ns = divmod(duration_ns, 60 * NANO)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest_ns / NANO:.9f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + seconds


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("health checks failed: %s", task.get_name(), exc_info=error)
