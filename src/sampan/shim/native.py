# SPDX-License-Identifier: Apache-2.0
"""Sampan's own runtime, called in this process.

The keeper does not hold the config in memory: it reads the bundle's when it needs it.
"""

from __future__ import annotations

import json
import os
import socket

from sampan.linux.cgroup import discover_hierarchies
from sampan.linux.namespace import CLONE_NEWPID, children_share_pids, setns
from sampan.linux.process import pidfd_send_signal
from sampan.runtime.container import create, delete, plan_cgroup, read_config, release
from sampan.runtime.execute import exec_process
from sampan.runtime.sync import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.linux.cgroup import Cgroup, Hierarchy
    from sampan.runtime.container import Init
    from sampan.shim.order import Order, Terms

_hierarchies: tuple[Hierarchy, ...] = ()


def remember_hierarchies() -> None:
    """Look once, in the launcher, where the machine's cgroups are mounted."""
    global _hierarchies  # noqa: PLW0603 - the one thing that every shim inherits
    _hierarchies = discover_hierarchies()


class NativeDriver:
    """One container, made by `sampan.runtime`."""

    __slots__ = ("_channel", "_init", "_made_of", "_pidfd", "_terms", "pid", "warnings")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._init: Init | None = None
        self._made_of: dict[str, Any] | None = None
        self._channel: Channel | None = None
        self.pid = self._pidfd = -1
        self.warnings: list[str] = []

    def create(self, order: Order, stdio: tuple[int, int, int]) -> int:
        """Make everything but the program's start."""
        self._made_of = order.spec
        self._init = init = create(
            order.bundle,
            container_id=order.id,
            stdio=stdio,
            seccomp_cache=order.seccomp_cache,
            spec=order.spec,
            hierarchies=_hierarchies,
            sibling=True,
            dies_with_parent=True,
        )
        self.pid, self._pidfd = init.pid, init.pidfd
        self.warnings = init.warnings
        return init.console_fd

    def start(self) -> None:
        """Let the program run."""
        if self._init:
            self._init.start()
        elif self._channel:
            channel, self._channel = self._channel, None
            try:
                release(channel)
            finally:
                channel.close()

    def hand_over(self) -> dict[str, int]:
        """Return the process and, unless it has started, the conversation with it; write the config."""
        assert self._init is not None
        with open(f"{self._terms.bundle}/config.json", "w", encoding="utf-8") as file:
            json.dump(self._spec(), file)
        channel = self._init.hand_over()
        return {"pidfd": self._pidfd, **({"channel": channel.detach()} if channel else {})}

    def take_over(self, pid: int, fds: dict[str, int]) -> None:
        """Go on with the container."""
        self.pid, self._pidfd = pid, fds["pidfd"]
        if "channel" in fds:
            self._channel = Channel(socket.socket(fileno=fds["channel"]))

    def execute(self, process: dict[str, Any], stdio: tuple[int, int, int]) -> tuple[int, int]:
        """Run one more process in the container; the first of them makes all later ones be born there."""
        if self._terms.has_private_pids and not children_share_pids(self.pid):
            setns(self._pidfd, CLONE_NEWPID)
        made = exec_process(
            self._pidfd,
            read_config(self._terms.bundle),
            process,
            stdio=stdio,
            seccomp_cache=self._terms.seccomp_cache,
            container_id=self._terms.id,
            console=bool(process.get("terminal")),
            hierarchies=_hierarchies,
        )
        os.close(made.pidfd)
        return made.pid, made.console_fd

    def signal(self, number: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or to every process."""
        if not everyone:
            pidfd_send_signal(self._pidfd, number)
            return
        for pid in self._cgroup().pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def pause(self) -> None:
        """Freeze every process."""
        self._cgroup().freeze()

    def resume(self) -> None:
        """Let them go on."""
        self._cgroup().thaw()

    def was_out_of_memory(self) -> bool:
        """Tell whether the kernel killed a process for its memory."""
        return self._cgroup().oom_kills() > 0

    def delete(self) -> None:
        """Kill what is left and remove the cgroups."""
        if self.pid > 0:
            terms = self._terms
            delete(
                terms.id, self._spec(), bundle=terms.bundle, pid=self.pid, hierarchies=_hierarchies or None
            )

    def _spec(self) -> dict[str, Any]:
        return self._made_of or read_config(self._terms.bundle)

    def _cgroup(self) -> Cgroup:
        return plan_cgroup(self._spec(), self._terms.id, _hierarchies)
