# SPDX-License-Identifier: Apache-2.0
"""Which namespaces a container shares with the host or with another container.

Source: docker run reference, `--pid`, `--ipc`, `--uts`, `--cgroupns`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sampan.engine.model import Container
from sampan.errors import Conflict, NotFound
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


def iter_joined(container: Container, find: Callable[[str], Container]) -> Iterator[Container]:
    """Yield the other containers whose namespaces this one joins, as far as there are any."""
    host = container.host_config
    for mode in (host.network_mode, host.pid_mode, host.ipc_mode):
        kind, _, name = mode.partition(":")
        if kind == "container":
            with contextlib.suppress(NotFound):
                yield find(name)


def in_start_order(containers: Iterable[Container], find: Callable[[str], Container]) -> list[Container]:
    """The containers, each behind those whose namespaces it joins."""
    ordered: dict[str, Container] = {}
    seen: set[str] = set()

    def add(container: Container) -> None:
        if container.id in seen:
            return
        seen.add(container.id)
        for other in iter_joined(container, find):
            add(other)
        ordered[container.id] = container

    for container in containers:
        add(container)
    return list(ordered.values())


def running_pid(container: Container) -> int:
    """The process whose namespaces are to be joined."""
    if not container.state.is_running or not container.state.pid:
        raise Conflict(
            f"cannot join namespace of a non running container: container {container.id} is {container.state.status}"
        )
    return container.state.pid
