# SPDX-License-Identifier: Apache-2.0
"""Which namespaces a container shares with the host or with another container.

Source: docker run reference, `--pid`, `--ipc`, `--uts`, `--cgroupns`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sampan.engine.model import Container
from sampan.errors import Conflict
from sampan.schema.container import HostConfig


@dataclass(frozen=True, slots=True)
class Sharing:
    """Namespaces of the host that are kept, and paths of those of other containers."""

    shared: frozenset[str] = frozenset()
    paths: dict[str, str] = field(default_factory=dict)


def plan_namespaces(host: HostConfig, find: Callable[[str], Container]) -> Sharing:
    """What the modes ask for; `find` gives the container that a mode names."""
    modes = {"pid": host.pid_mode, "ipc": host.ipc_mode, "uts": host.uts_mode, "cgroup": host.cgroupns_mode}
    shared = frozenset(kind for kind, mode in modes.items() if mode == "host")
    paths = {
        kind: f"/proc/{running_pid(find(mode.partition(':')[2]))}/ns/{kind}"
        for kind, mode in modes.items()
        if mode.startswith("container:")
    }
    return Sharing(shared, paths)


def running_pid(container: Container) -> int:
    """The process whose namespaces are to be joined."""
    if not container.state.is_running or not container.state.pid:
        raise Conflict(
            f"cannot join namespace of a non running container: container {container.id} is {container.state.status}"
        )
    return container.state.pid
