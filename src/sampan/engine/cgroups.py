# SPDX-License-Identifier: Apache-2.0
"""The control groups of containers: where they are."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from sampan.engine.model import Container
from sampan.errors import Conflict
from sampan.linux.cgroup import Cgroup, discover_hierarchies, read_lines, write_if_there
from sampan.linux.cgroup_limits import extra_controllers
from sampan.schema.container import HostConfig


def cgroup_path(container_id: str, host: HostConfig) -> str:
    """Below every hierarchy's mount point, for the runtime-spec's `cgroupsPath`."""
    return f"{host.cgroup_parent or '/sampan'}/{container_id}"


def find_cgroup(container: Container, resources: dict[str, Any] | None = None) -> Cgroup:
    """The groups of a running container, with those that these limits need."""
    path = cgroup_path(container.id, container.host_config)
    return Cgroup.select(path, discover_hierarchies(), extra_controllers(resources or {}))


def join_cpuset(cgroup: Cgroup) -> None:
    """Bring the container into its v1 cpuset, which it joins only when there is something to limit."""
    directory = None if cgroup.unified else cgroup.find("cpuset")
    if directory is None:
        return
    tasks = f"{directory}/cgroup.procs"
    while missing := set(cgroup.pids()) - {int(line) for line in read_lines(tasks)}:
        for pid in missing:
            write_if_there(tasks, str(pid))  # it may have ended


def leave_cpuset(container: Container) -> None:
    """Remove an empty cpuset: of one that was joined after the start the container's shim knows nothing."""
    host = container.host_config
    if host.cpuset_cpus or host.cpuset_mems:
        directory = find_cgroup(container, {"cpu": {"cpus": "0"}}).find("cpuset")
        with contextlib.suppress(OSError):
            os.rmdir(directory or "")


def require_running(container: Container) -> None:
    """Refuse what only a running container has, in Docker's words."""
    if not container.state.is_running or not container.state.pid:
        raise Conflict(f"container {container.id} is not running")
    if container.state.status == "restarting":
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
