# SPDX-License-Identifier: Apache-2.0
"""Plan ``restart``: who needs another service restarts after it, once it is as ``depends_on`` asks.

Only services that restart are waited for: what others are like was not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sampan.compose.graph import order_by_need
from sampan.compose.observed import ObservedContainer
from sampan.compose.project import Project
from sampan.compose.steps import Plan, RestartContainer, Step, WaitForService


def restarted_services(project: Project, asked: Sequence[str]) -> list[str]:
    """Those that were asked for, and those that go along: ``depends_on: {db: {restart: true}}``."""
    along = (
        name
        for name, service in project.services.items()
        if any(need.restart and key in asked for key, need in service.depends_on.items())
    )
    return list(dict.fromkeys((*asked, *along)))


def plan_restart(project: Project, containers: Collection[ObservedContainer]) -> Plan:
    """The steps that restart these containers."""
    steps: list[Step] = []
    by_service: dict[str, list[ObservedContainer]] = {}
    for container in containers:
        by_service.setdefault(container.service, []).append(container)
    known = project.all_services
    needs = {name: known[name].depends_on if name in known else () for name in by_service}
    for name in order_by_need(needs):
        waits = list(_plan_waits(project, name, by_service))
        # after the restart of what has no condition, too
        after = [_key(each) for need in needs[name] for each in by_service.get(need, ())]
        steps += waits
        steps += (
            RestartContainer(
                key=_key(each),
                needs=(*after, *(wait.key for wait in waits)),
                service=name,
                name=each.name,
                container=each,
            )
            for each in by_service[name]
        )
    return Plan(steps=tuple(steps))


def _plan_waits(
    project: Project, name: str, by_service: dict[str, list[ObservedContainer]]
) -> Iterator[WaitForService]:
    service = project.all_services.get(name)
    for needed, need in (service.depends_on if service else {}).items():
        if needed not in by_service or need.condition in ("", "service_started"):
            continue
        yield WaitForService(
            key=f"wait:{name}:{needed}",
            needs=tuple(_key(each) for each in by_service[needed]),
            service=needed,
            condition=need.condition,
            dependent=name,
            required=need.required,
        )


def _key(container: ObservedContainer) -> str:
    return f"restart:{container.id}"
