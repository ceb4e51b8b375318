# SPDX-License-Identifier: Apache-2.0
"""Carry out a plan: each step when what it needs is done, as many at the same time as is allowed.

Holds: when a step fails, or somebody interrupts, no further step begins, and those that have begun come to their
end (a container is never left half made because another one failed). The first failure is what is raised. Who must
not wait for that (a pull may take minutes, a stop its grace period) says so: steps that have begun are left alone,
and end with the process.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore, Condition, Event, Thread

from sampan.compose.steps import Plan, Step, WaitForService
from sampan.errors import Cancelled

MOST_AT_ONCE = 16


class Interruption:
    """Set when no more is to begin; whoever waits for something looks at it."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = Event()

    def interrupt(self) -> None:
        """From now on."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def pause(self, seconds: float) -> None:
        """Sleep, but not through an interruption, which is raised as Cancelled."""
        if self._event.wait(seconds):
            raise Cancelled("interrupted")


def run_plan(
    plan: Plan,
    perform: Callable[[Step], None],
    *,
    interruption: Interruption,
    at_once: int = 0,
    leaves: bool = False,
) -> None:
    """Do all steps; `at_once` is how many may be done at the same time, 0 for the default.

    With `leaves` nothing that has begun is waited for once somebody interrupts or a step fails.
    """
    run = _Run(plan, perform, interruption, at_once or MOST_AT_ONCE)
    try:
        run.work(leaves=leaves)
    except BaseException:
        interruption.interrupt()
        if not leaves:
            run.drain()
        raise


class _Run:
    def __init__(
        self, plan: Plan, perform: Callable[[Step], None], interruption: Interruption, at_once: int
    ) -> None:
        self._left = {step.key: step for step in plan.steps}
        self._perform = perform
        self._interruption = interruption
        self._places = BoundedSemaphore(at_once)
        self._changed = Condition()
        self._done: set[str] = set()
        self._busy = 0
        self._failure: BaseException | None = None

    def work(self, *, leaves: bool) -> None:
        with self._changed:
            while True:
                if self._failure is None:
                    self._begin_ready()
                elif leaves:
                    break
                if not self._busy:
                    break
                self._changed.wait()
        if self._failure is not None:
            raise self._failure
        assert not self._left, "a plan's steps need each other in a circle"

    def drain(self) -> None:
        with self._changed:
            while self._busy:
                self._changed.wait()

    def _begin_ready(self) -> None:
        for key in [key for key, step in self._left.items() if self._done.issuperset(step.needs)]:
            step = self._left.pop(key)
            self._busy += 1
            Thread(target=self._do, args=(step,), name=key, daemon=True).start()

    def _do(self, step: Step) -> None:
        failure: BaseException | None = None
        try:
            # Who only waits for others takes no place from them.
            if isinstance(step, WaitForService):
                self._perform(step)
            else:
                with self._places:
                    if self._interruption.is_set:
                        raise Cancelled("interrupted")
                    self._perform(step)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
            failure = error
        with self._changed:
            self._busy -= 1
            if failure is None:
                self._done.add(step.key)
            elif self._failure is None:
                self._failure = failure
                self._interruption.interrupt()
            self._changed.notify_all()
