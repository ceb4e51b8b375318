# SPDX-License-Identifier: Apache-2.0
"""Look at what an engine has of a project."""

from __future__ import annotations

from sampan.client.api import Engine
from sampan.compose import labels
from sampan.compose.observed import Observed, ObservedContainer, read_observed


def project_filter(name: str) -> dict[str, list[str]]:
    """The filter that finds what belongs to a project."""
    return {"label": [f"{labels.PROJECT}={name}"]}


def observe(engine: Engine, name: str) -> Observed:
    """All containers of the project, whatever their state, and all networks and volumes that there are."""
    return read_observed(
        engine.containers.list(every=True, filters=project_filter(name)),
        engine.networks.list(),
        engine.volumes.list(),
    )


def observe_containers(
    engine: Engine, name: str, *, services: list[str] | None = None, one_off: bool = False
) -> list[ObservedContainer]:
    """The containers of a project's services (none named: all), in the order of service and number."""
    found = read_observed(engine.containers.list(every=True, filters=project_filter(name))).containers
    wanted = [
        each
        for each in found
        if (one_off or not each.is_one_off) and (not services or each.service in services)
    ]
    return sorted(wanted, key=lambda each: (each.service, each.number, each.created))
