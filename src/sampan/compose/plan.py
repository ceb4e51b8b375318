# SPDX-License-Identifier: Apache-2.0
"""Plan ``up``: from what a project says and what there is, the steps between, each change with its reason.

Pure. Containers are made as soon as what they refer to is there, and started in the order of ``depends_on``;
what is as it should be is kept. Images have been pulled and built before (`image_plan`), as their ids decide
whether a container is out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sampan.compose.changes import find_changes
from sampan.compose.errors import ComposeError
from sampan.compose.graph import order_by_need
from sampan.compose.model import Dependency, Service
from sampan.compose.naming import container_name
from sampan.compose.observed import Observed, ObservedContainer
from sampan.compose.project import Project
from sampan.compose.references import referred_services, shared_services
from sampan.compose.resource_plan import ResourcePlan, plan_resources
from sampan.compose.steps import (
    CreateContainer,
    KeepContainer,
    Plan,
    RecreateContainer,
    RemoveContainer,
    StartContainer,
    Step,
    StopContainer,
    WaitForService,
)

_GONE = ("exited", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """Flags of ``up`` and ``create``.

    `recreate` and `recreate_dependencies` are ``diverged``, ``force`` or ``never``; `targets` are the services
    that were named (none: all), `image_ids` the ids of the services' images by the services' names.
    """

    recreate: str = "diverged"
    recreate_dependencies: str = "diverged"
    targets: frozenset[str] = frozenset()
    image_ids: Mapping[str, str] = field(default_factory=dict)
    remove_orphans: bool = False
    ignore_orphans: bool = False
    recreate_volumes: bool = False
    inherit: bool = True
    start: bool = True
    wait: bool = False


def plan_up(project: Project, observed: Observed, options: UpOptions | None = None) -> Plan:
    """The steps that make the project's enabled services run."""
    return _Up(project, observed, options or UpOptions()).plan()


def find_orphans(project: Project, observed: Observed) -> list[ObservedContainer]:
    """Containers of services that the project does not have (any more), and one-off ones that have ended."""
    known = project.all_services
    return [
        each
        for each in observed.containers
        if (each.state in _GONE if each.is_one_off else each.service not in known)
    ]


class _Up:
    def __init__(self, project: Project, observed: Observed, options: UpOptions) -> None:
        self._project = project
        self._observed = observed
        self._options = options
        self._steps: list[Step] = []
        self._notices: list[str] = []
        self._resources = ResourcePlan()
        # What becomes of each service: its first container's id while that stays, and who is made anew.
        self._kept_ids: dict[str, str] = {}
        self._renewed: set[str] = set()
        self._ready: dict[str, list[str]] = {}
        self._starts: dict[str, list[StartContainer]] = {}

    def plan(self) -> Plan:
        self._resources = plan_resources(
            self._project, self._observed, recreate_volumes=self._options.recreate_volumes
        )
        self._notices += self._resources.notices
        self._steps += self._resources.steps
        self._plan_orphans()
        order = order_by_need(
            {
                name: {*service.depends_on, *referred_services(service)}
                for name, service in self._project.services.items()
            }
        )
        for name in order:
            self._plan_service(self._project.services[name])
        if self._options.start:
            for name in order:
                self._plan_start(self._project.services[name])
        if self._options.wait:
            self._plan_final_waits()
        return Plan(steps=tuple(self._steps), notices=tuple(self._notices))

    # Containers that should not be there

    def _plan_orphans(self) -> None:
        orphans = find_orphans(self._project, self._observed)
        if not orphans or self._options.ignore_orphans:
            return
        if not self._options.remove_orphans:
            names = " ".join(each.name for each in orphans)
            self._notices.append(
                f"Found orphan containers ([{names}]) for this project. If you removed or renamed this service "
                "in your compose file, you can run this command with the --remove-orphans flag to clean it up."
            )
            return
        for orphan in orphans:
            self._remove(orphan, reason="orphan: the project has no such service")

    def _remove(self, container: ObservedContainer, *, reason: str) -> str:
        needs: tuple[str, ...] = ()
        if container.is_running or container.state in ("paused", "restarting"):
            stop = StopContainer(
                key=f"stop:{container.name}",
                service=container.service,
                name=container.name,
                container=container,
                reason=reason,
            )
            self._steps.append(stop)
            needs = (stop.key,)
        remove = RemoveContainer(
            key=f"remove:{container.name}",
            needs=needs,
            service=container.service,
            name=container.name,
            container=container,
            reason=reason,
        )
        self._steps.append(remove)
        return remove.key

    # Containers that should be there

    def _plan_service(self, service: Service) -> None:
        found = [
            each
            for each in self._observed.of_service(service.name)
            if each.id not in self._resources.removed_ids
        ]
        changes = {each.id: self._changes(service, each) for each in found}
        # Those that are out of date go first when there are too many, then those with the highest numbers.
        found.sort(key=lambda each: (bool(changes[each.id]), each.number, each.created))
        kept, surplus = found[: service.replicas], found[service.replicas :]
        for container in surplus:
            self._remove(container, reason=f"scaled to {service.replicas}")
        self._ready[service.name] = []
        self._starts[service.name] = []
        for container in sorted(kept, key=lambda each: each.number):
            self._plan_existing(service, container, changes[container.id])
        number = max((each.number for each in found), default=0)
        for _ in range(service.replicas - len(kept)):
            number += 1
            self._plan_new(service, number)

    def _changes(self, service: Service, container: ObservedContainer) -> tuple[str, ...]:
        targeted = not self._options.targets or service.name in self._options.targets
        policy = self._options.recreate if targeted else self._options.recreate_dependencies
        if policy == "never":
            return ()
        if policy == "force":
            return (
                ("asked for by --force-recreate",) if targeted else ("asked for by --always-recreate-deps",)
            )
        renewed = [name for name in shared_services(service) if name in self._renewed]
        if renewed:
            return (f"it shares namespaces or volumes with {renewed[0]}, which is made anew",)
        return find_changes(
            self._project,
            service,
            container,
            kept_ids=self._kept_ids,
            image_id=self._options.image_ids.get(service.name, ""),
            resources=self._resources,
            observed=self._observed,
        )

    def _plan_existing(
        self, service: Service, container: ObservedContainer, changes: tuple[str, ...]
    ) -> None:
        if not changes:
            keep = KeepContainer(
                key=f"keep:{container.name}",
                service=service.name,
                name=container.name,
                container=container,
            )
            self._steps.append(keep)
            self._kept_ids.setdefault(service.name, container.id)
            self._ready[service.name].append(keep.key)
            if not container.is_running or self._restarts_for(service):
                self._plan_restart(service, container, keep.key)
            return
        self._renewed.add(service.name)
        name = container_name(self._project.name, service, container.number)
        step = RecreateContainer(
            key=f"create:{name}",
            needs=self._needs_of_creation(service),
            service=service.name,
            name=name,
            number=container.number,
            old=container,
            reasons=changes,
            inherit=self._options.inherit,
        )
        self._steps.append(step)
        self._ready[service.name].append(step.key)
        self._add_start(service, name, step.key, None)

    def _restarts_for(self, service: Service) -> list[str]:
        """The services with ``restart: true`` in its ``depends_on`` that are made anew."""
        return [name for name, need in service.depends_on.items() if need.restart and name in self._renewed]

    def _plan_restart(self, service: Service, container: ObservedContainer, ready: str) -> None:
        if container.is_running and self._options.start:
            renewed = self._restarts_for(service)
            stop = StopContainer(
                key=f"stop:{container.name}",
                needs=(ready,),
                service=service.name,
                name=container.name,
                container=container,
                reason=f"{renewed[0]} is made anew",
            )
            self._steps.append(stop)
            ready = stop.key
        self._add_start(service, container.name, ready, container)

    def _plan_new(self, service: Service, number: int) -> None:
        name = container_name(self._project.name, service, number)
        step = CreateContainer(
            key=f"create:{name}",
            needs=self._needs_of_creation(service),
            service=service.name,
            name=name,
            number=number,
        )
        self._steps.append(step)
        self._ready[service.name].append(step.key)
        if service.name not in self._kept_ids:
            self._renewed.add(service.name)
        self._add_start(service, name, step.key, None)

    def _needs_of_creation(self, service: Service) -> tuple[str, ...]:
        needs = list(self._resources.keys_for(service))
        for name in referred_services(service):
            if name in self._project.services and not self._ready.get(name):
                raise ComposeError(
                    f'service "{service.name}" shares with service "{name}", which has no container'
                )
            needs += self._ready.get(name, [])
        return tuple(dict.fromkeys(needs))

    # Start, in the order of depends_on

    def _add_start(
        self, service: Service, name: str, ready: str, container: ObservedContainer | None
    ) -> None:
        step = StartContainer(
            key=f"start:{name}", needs=(ready,), service=service.name, name=name, container=container
        )
        self._starts[service.name].append(step)

    def _plan_start(self, service: Service) -> None:
        starts = self._starts[service.name]
        if not starts:
            return
        waits: list[str] = []
        for name, need in service.depends_on.items():
            if name in self._project.services:
                waits += self._wait_for(service, name, need)
        self._steps += [replace(step, needs=(*step.needs, *waits)) for step in starts]

    def _wait_for(self, service: Service, name: str, need: Dependency) -> list[str]:
        started = [step.key for step in self._starts[name]]
        if need.condition in ("", "service_started"):
            return started
        wait = WaitForService(
            key=f"wait:{service.name}:{name}",
            needs=tuple(started or self._ready[name]),
            service=name,
            condition=need.condition,
            dependent=service.name,
            required=need.required,
        )
        self._steps.append(wait)
        return [wait.key]

    def _plan_final_waits(self) -> None:
        for name in self._project.services:
            if self._options.targets and name not in self._options.targets:
                continue
            needs = tuple(step.key for step in self._starts[name])
            wait = WaitForService(
                key=f"wait:{name}", needs=needs, service=name, condition="running_or_healthy"
            )
            self._steps.append(wait)
