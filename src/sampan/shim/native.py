# SPDX-License-Identifier: Apache-2.0
"""Sampan's own runtime, called in this process."""

from __future__ import annotations

import os

from sampan.linux.cgroup import discover_hierarchies
from sampan.linux.namespace import CLONE_NEWPID, setns
from sampan.linux.process import pidfd_send_signal
from sampan.runtime.container import create, delete
from sampan.runtime.execute import exec_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.linux.cgroup import Hierarchy
    from sampan.runtime.container import Init
    from sampan.shim.order import Order

_hierarchies: tuple[Hierarchy, ...] = ()


def remember_hierarchies() -> None:
    """Look once, in the launcher, where the machine's cgroups are mounted."""
    global _hierarchies  # noqa: PLW0603 - the one thing that every shim inherits
    _hierarchies = discover_hierarchies()


class NativeDriver:
    """One container, made by `sampan.runtime`."""

    __slots__ = ("_init", "_order", "_spec", "console_fd", "pid")

    def __init__(self, order: Order) -> None:
        self._order = order
        self._spec = order.spec
        self._init: Init | None = None
        self.pid = self.console_fd = -1

    @property
    def init(self) -> Init:
        """The container, which must have been created."""
        assert self._init is not None
        return self._init

    def create(self, stdio: tuple[int, int, int]) -> None:
        """Make everything but the program's start; then have execs born in the container's pid namespace."""
        order = self._order
        self._init = create(
            order.bundle,
            container_id=order.id,
            stdio=stdio,
            seccomp_cache=order.seccomp_cache,
            spec=self._spec,
            hierarchies=_hierarchies or None,
            dies_with_parent=True,
        )
        self.pid, self.console_fd = self._init.pid, self._init.console_fd
        if order.has_private_pids:
            setns(self._init.pidfd, CLONE_NEWPID)

    def start(self) -> None:
        """Let the program run."""
        self.init.start()

    def execute(self, process: dict[str, Any], stdio: tuple[int, int, int]) -> tuple[int, int]:
        """Run one more process in the container."""
        made = exec_process(
            self.init.pidfd,
            self._spec,
            process,
            stdio=stdio,
            seccomp_cache=self._order.seccomp_cache,
            container_id=self._order.id,
            console=bool(process.get("terminal")),
            hierarchies=_hierarchies or None,
        )
        os.close(made.pidfd)
        return made.pid, made.console_fd

    def signal(self, number: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or to every process."""
        if not everyone:
            pidfd_send_signal(self.init.pidfd, number)
            return
        for pid in self.init.cgroup.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def pause(self) -> None:
        """Freeze every process."""
        self.init.cgroup.freeze()

    def resume(self) -> None:
        """Let them go on."""
        self.init.cgroup.thaw()

    def was_out_of_memory(self) -> bool:
        """Tell whether the kernel killed a process for its memory."""
        return self.init.cgroup.oom_kills() > 0

    def delete(self) -> None:
        """Kill what is left and remove the cgroups."""
        if self._init is not None:
            delete(self._order.id, self._spec, bundle=self._order.bundle, pid=self.pid)
