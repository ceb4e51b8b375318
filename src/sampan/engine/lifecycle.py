# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, waiting for and removing containers.

A container's transitions are serialised by its lock. Nobody waits for an exit while holding it: the exit
itself is a transition. The shim is the truth about what runs; the record follows it, and `reconcile`
repairs what a killed engine left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sampan.engine.model import Attachment, Container
from sampan.engine.namespaces import iter_joined
from sampan.engine.restart import FIRST_DELAY_S, RestartSchedule, RestartTimers
from sampan.engine.signals import parse_signal
from sampan.errors import Conflict, Internal, InvalidArgument, NotModified, SampanError
from sampan.shim.control import StartFailed

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.execs import Execs
    from sampan.engine.health import HealthChecks
    from sampan.engine.launching import Launching
    from sampan.engine.tasks import Background
    from sampan.engine.trash import Trash
    from sampan.shim.control import Shim
    from sampan.shim.exitstatus import ExitStatus

logger = logging.getLogger(__name__)

DEFAULT_STOP_TIMEOUT_S = 10
KILL_TIMEOUT_S = 10
_SIGKILL = 9


class Lifecycle:
    """What may happen to a container, one method each."""

    def __init__(
        self,
        containers: Containers,
        launching: Launching,
        background: Background,
        trash: Trash,
        health: HealthChecks,
        execs: Execs,
    ) -> None:
        self._containers = containers
        self._launching = launching
        self._background = background
        self._trash = trash
        self._health = health
        self._execs = execs
        self._restarts = RestartSchedule()
        self._timers = RestartTimers()

    async def start(self, container: Container) -> None:
        """Run the program. A start that fails keeps the container, with its error and exit code."""
        self._forget_restarts(container)
        async with container.lock:
            _require_startable(container)
            container.state.restart_count = 0
            await self._start(container)

    def close(self) -> None:
        """The engine ends: containers that wait for a restart keep waiting, for the next engine."""
        self._timers.close()

    def _forget_restarts(self, container: Container) -> None:
        """The user took over: the next delay is the first again, and nothing is under way."""
        self._restarts.forget(container.id)
        self._timers.cancel(container.id)

    async def _start(self, container: Container) -> None:
        state = container.state
        attachments, container.attachments = container.attachments, []
        self._containers.tell_of_volumes(container, "mount")
        try:
            shim = await self._launching.launch(container, attachments, self.on_exit)
        except SampanError as error:
            self._failed_to_start(container, error)
            raise
        finally:
            for attachment in attachments:
                os.close(attachment.fd)
        for warning in shim.warnings:
            logger.warning("container %s: %s", container.name, warning)
        container.shim = shim
        state.status, state.pid, state.exit_code, state.error = "running", shim.pid, 0, ""
        state.started_ns, state.finished_ns = shim.started_ns or time.time_ns(), 0
        state.oom_killed = state.stopped_by_user = False
        _note_copied_up(container)
        self._health.started(container)
        self._containers.note(container)
        self._containers.publish(container, "start")

    def _failed_to_start(self, container: Container, error: SampanError) -> None:
        self._containers.tell_of_volumes(container, "unmount")
        state = container.state
        state.error = error.message
        state.exit_code = error.exit_code if isinstance(error, StartFailed) else 128
        if state.started_ns:
            state.status = "exited"
        self._containers.note(container)
        container.waiters.notify_exit(state.exit_code)
        if container.host_config.auto_remove:
            self._background.spawn(
                self.remove(container, volumes=True), name=f"removal of {container.id[:12]}"
            )

    def on_exit(self, container: Container, shim: Shim, status: ExitStatus) -> None:
        """Called by the shim's connection; the transition itself is a task of its own."""
        self._background.spawn(self.ended(container, shim, status), name=f"exit of {container.id[:12]}")

    async def ended(self, container: Container, shim: Shim | None, status: ExitStatus) -> None:
        """Record that the program has ended and release what only a running container needs."""
        async with container.lock:
            if container.shim is not shim:
                return
            state = container.state
            state.pid, state.exit_code = 0, status.exit_code
            state.oom_killed, state.finished_ns = status.oom_killed, status.finished_ns
            delay_s = self._restarts.delay_s(container)
            state.status = "exited" if delay_s is None else "restarting"
            container.shim = None
            self._health.stop(container)
            if status.oom_killed:
                self._containers.publish(container, "oom")
            self._launching.release(container)
            self._containers.tell_of_volumes(container, "unmount")
            seconds = max(0, state.finished_ns - state.started_ns) // 1_000_000_000
            self._containers.publish(
                container, "die", exitCode=str(state.exit_code), execDuration=str(seconds)
            )
            self._containers.note(container)
        container.waiters.notify_exit(state.exit_code)
        if delay_s is not None:
            self.start_again_after(container, delay_s)
        elif container.host_config.auto_remove and not (container.is_removing or container.is_restarting):
            await self.remove(container, volumes=True)

    def start_again_after(self, container: Container, delay_s: float) -> None:
        """Start a container that waits for its restart."""

        def start() -> None:
            self._background.spawn(self._start_again(container), name=f"restart of {container.id[:12]}")

        if container.state.status == "restarting":
            self._timers.set(container.id, delay_s, start)

    async def _start_again(self, container: Container) -> None:
        async with container.lock:
            if container.state.status != "restarting" or container.is_removing:
                return
            if any(each.state.status == "restarting" for each in self._joined(container)):
                self.start_again_after(container, FIRST_DELAY_S)  # it has no namespaces to join yet
                return
            container.state.restart_count += 1
            try:
                await self._start(container)
            except SampanError as error:
                logger.warning("restart of %s failed: %s", container.name, error)
                container.state.status = "exited"
                container.state.finished_ns = time.time_ns()
                self._containers.note(container)

    def _joined(self, container: Container) -> Iterator[Container]:
        return iter_joined(container, self._containers.find)

    async def stop(self, container: Container, *, timeout_s: int | None = None, signal: str = "") -> None:
        """Ask the program to end, then make it; -1 waits for ever."""
        if await self._cancel_restart(container):
            return
        if not container.state.is_running:
            raise NotModified("container already stopped")
        self._restarts.forget(container.id)
        self._note_stop(container)
        await self.unpause_if_paused(container)
        number = parse_signal(signal or container.config.stop_signal or "SIGTERM")
        limit = _stop_timeout(container, timeout_s)
        if not await self._signal_and_wait(container, number, limit):
            await self._kill(container)
        self._containers.publish(container, "stop")

    def _note_stop(self, container: Container) -> None:
        """Before the signal: an engine killed right after it must not let the next start the container again."""
        container.state.stopped_by_user = True
        self._containers.note(container)

    async def _cancel_restart(self, container: Container) -> bool:
        """Leave a container stopped that waits for its restart; false if it does not, or its start came first."""
        if container.state.status != "restarting":
            return False
        self._forget_restarts(container)
        async with container.lock:
            if container.state.status != "restarting":
                return False
            container.state.status, container.state.stopped_by_user = "exited", True
            self._containers.note(container)
            return True

    async def _signal_and_wait(self, container: Container, number: int, limit_s: float | None) -> bool:
        """Send a signal, then say whether the program ended in time."""
        ended = container.waiters.subscribe("next-exit")
        if not container.state.is_running:
            return True
        self._containers.publish(container, "kill", signal=str(number))
        await self.signal(container, number)
        if number == _SIGKILL:
            # It waits for a frozen program; thawed only now, the program does nothing more.
            with contextlib.suppress(Conflict, ConnectionError):
                await self.unpause_if_paused(container)
        try:
            await asyncio.wait_for(ended, limit_s)
        except TimeoutError:
            return False
        return True

    async def _kill(self, container: Container) -> None:
        if not await self._signal_and_wait(container, _SIGKILL, KILL_TIMEOUT_S):
            raise Internal(
                f"container {container.id[:12]} did not end after SIGKILL",
                hint="a process in it may hang in the kernel: look at its state with `sampan top`",
            )

    async def signal(self, container: Container, number: int) -> None:
        """Send a signal to the program's first process; a shim that is gone is an exit already under way."""
        if container.shim is not None:
            try:
                await container.shim.signal(number)
            except (ConnectionError, SampanError) as error:
                logger.debug("signal %d to %s: %s", number, container.name, error)

    async def kill(self, container: Container, signal: str = "") -> None:
        """`docker kill`: any signal; SIGKILL also waits for the end.

        What asks the program to end counts as a stop: the restart policy does not undo it.
        """
        number = _parse_kill(container, signal)
        if await self._cancel_restart(container):
            return
        if not container.state.is_running or container.shim is None:
            raise Conflict(
                f"cannot kill container: {container.name}: container {container.id} is not running"
            )
        if number in (_SIGKILL, parse_signal(container.config.stop_signal or "SIGTERM")):
            self._note_stop(container)
        if number == _SIGKILL:
            await self._kill(container)
            return
        await self.signal(container, number)
        self._containers.publish(container, "kill", signal=str(number))

    async def restart(self, container: Container, *, timeout_s: int | None = None, signal: str = "") -> None:
        """Stop where it runs, then start."""
        container.is_restarting = True
        try:
            await self.stop(container, timeout_s=timeout_s, signal=signal)
        except NotModified:
            pass
        finally:
            container.is_restarting = False
        await self.start(container)
        self._containers.publish(container, "restart")

    async def pause(self, container: Container) -> None:
        """Freeze every process of a container."""
        async with container.lock:
            shim = _require_running(container)
            if container.state.status == "paused":
                raise Conflict(f"Container {container.id} is already paused")
            await shim.pause()
            container.state.status = "paused"
            self._health.stop(container)
            self._containers.note(container)
        self._containers.publish(container, "pause")

    async def unpause(self, container: Container) -> None:
        """Thaw a container."""
        async with container.lock:
            if container.state.status != "paused":
                raise Conflict(f"Container {container.id} is not paused")
            shim = _require_running(container)
            await shim.resume()
            container.state.status = "running"
            self._health.watch(container)
            self._containers.note(container)
        self._containers.publish(container, "unpause")

    async def unpause_if_paused(self, container: Container) -> None:
        """A frozen process cannot act on a signal."""
        if container.state.status == "paused":
            await self.unpause(container)

    async def wait(self, container: Container, condition: str) -> asyncio.Future[int]:
        """A future for the exit code; already done where the condition holds."""
        if condition == "not-running" and not container.state.is_running:
            done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            done.set_result(container.state.exit_code)
            return done
        return container.waiters.subscribe(condition)

    async def remove(self, container: Container, *, force: bool = False, volumes: bool = False) -> None:
        """Forget a container; what it leaves on disk is deleted behind the answer."""
        if container.is_removing:
            raise Conflict(f"removal of container {container.name} is already in progress")
        if container.state.is_running and not force:
            raise Conflict(_running_refusal(container))
        container.is_removing = True
        try:
            if container.state.is_running:
                await self.unpause_if_paused(container)
                await self._cancel_restart(container)
                self._note_stop(container)
                await self._kill(container)
            async with container.lock:
                self._drop(container, volumes=volumes)
        except BaseException:
            container.is_removing = False
            raise

    def _drop(self, container: Container, *, volumes: bool) -> None:
        _close_attachments(container.attachments)
        container.attachments = []
        self._execs.drop(container)
        orphans = self._containers.forget(container, volumes=volumes)
        self._containers.publish(container, "destroy")
        container.waiters.notify_removal(container.state.exit_code)
        self._trash.container(container, volumes=orphans)


def _note_copied_up(container: Container) -> None:
    """A volume is filled from the image once; a file system in memory is new at each start."""
    for point in container.document.mounts:
        if point.filesystem in ("", "bind"):
            point.copy_up = False


def _require_startable(container: Container) -> None:
    if container.is_removing:
        raise Conflict("container is marked for removal and cannot be started")
    if container.state.status == "paused":
        raise Conflict("cannot start a paused container, try unpause instead")
    if container.state.status == "running":
        raise NotModified("container already running")


def _parse_kill(container: Container, signal: str) -> int:
    try:
        return parse_signal(signal or "SIGKILL")
    except InvalidArgument as error:
        error.message = f"cannot kill container: {container.name}: {error.message}"
        raise


def _require_running(container: Container) -> Shim:
    if not container.state.is_running or container.shim is None:
        raise Conflict(f"container {container.id} is not running")
    return container.shim


def _stop_timeout(container: Container, asked_s: int | None) -> float | None:
    for candidate in (asked_s, container.config.stop_timeout):
        if candidate is not None:
            return None if candidate < 0 else float(candidate)
    return DEFAULT_STOP_TIMEOUT_S


def _running_refusal(container: Container) -> str:
    verb = "unpause and then stop" if container.state.status == "paused" else "stop"
    return (
        f'cannot remove container "{container.name}": container is {container.state.status}: '
        f"{verb} the container before removing or force remove"
    )


def _close_attachments(attachments: list[Attachment]) -> None:
    for attachment in attachments:
        os.close(attachment.fd)
