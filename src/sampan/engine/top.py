# SPDX-License-Identifier: Apache-2.0
"""`docker top`: the processes of a container, with the host's numbers for them."""

from __future__ import annotations

from typing import Any

from sampan.engine.cgroups import find_cgroup, require_running
from sampan.engine.model import Container
from sampan.engine.process_options import plan_layout, render_table
from sampan.engine.processes import read_clock, read_process

DEFAULT_OPTIONS = "-ef"


def list_processes(container: Container, ps_options: str) -> dict[str, Any]:
    """A ContainerTopResponse. Blocking, though not for long."""
    require_running(container)
    layout = plan_layout((ps_options or DEFAULT_OPTIONS).split())
    found = (read_process(pid) for pid in find_cgroup(container).pids())
    titles, rows = render_table(layout, [process for process in found if process], read_clock())
    return {"Titles": titles, "Processes": rows}
