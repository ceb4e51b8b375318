# SPDX-License-Identifier: Apache-2.0
"""When a container that ended is started again: the policy (pure), the delays, and the timers that wait for them.

Source: docker run reference, "Restart policies": 100 ms, doubled each time up to a minute; a run of ten
seconds or more begins anew; a container that the user stopped is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sampan.engine.model import Container

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 60.0
HEALTHY_RUN_NS = 10_000_000_000


class RestartSchedule:
    """The next delay of each container that keeps ending."""

    def __init__(self) -> None:
        self._delays: dict[str, float] = {}

    def forget(self, container_id: str) -> None:
        """The user took over: begin anew."""
        self._delays.pop(container_id, None)

    def delay_s(self, container: Container) -> float | None:
        """How long to wait before the next start, or None for not at all."""
        if not wants_restart(container):
            self.forget(container.id)
            return None
        state = container.state
        if state.finished_ns - state.started_ns >= HEALTHY_RUN_NS:
            self.forget(container.id)
        delay = self._delays.get(container.id, FIRST_DELAY_S)
        self._delays[container.id] = min(delay * 2, LONGEST_DELAY_S)
        return delay


class RestartTimers:
    """What waits to be started again; a timer that is cancelled has not begun to start anything."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def set(self, container_id: str, delay_s: float, action: Callable[[], object]) -> None:
        """Call `action` after a while, once."""
        self.cancel(container_id)
        self._timers[container_id] = asyncio.get_running_loop().call_later(
            delay_s, self._fire, container_id, action
        )

    def _fire(self, container_id: str, action: Callable[[], object]) -> None:
        del self._timers[container_id]
        action()

    def cancel(self, container_id: str) -> None:
        """Forget a timer, if there is one."""
        timer = self._timers.pop(container_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """The engine ends: what waits is started by the next one."""
        for container_id in list(self._timers):
            self.cancel(container_id)


def wants_restart_after_boot(container: Container) -> bool:
    """Whether a container that does not run is started with the engine."""
    policy = container.host_config.restart_policy.name
    if policy == "always":
        return container.state.started_ns > 0
    return (
        policy == "unless-stopped" and container.state.started_ns > 0 and not container.state.stopped_by_user
    )


def wants_restart(container: Container) -> bool:
    """Whether the policy asks for a start after this exit."""
    policy = container.host_config.restart_policy
    state = container.state
    if state.stopped_by_user or container.is_removing:
        return False
    if policy.name == "on-failure":
        within = not policy.maximum_retry_count or state.restart_count < policy.maximum_retry_count
        return state.exit_code != 0 and within
    return policy.name in ("always", "unless-stopped")
