# SPDX-License-Identifier: Apache-2.0
"""Plan ``down``: dependents stop before what they need, then containers, networks, volumes and images go."""

from __future__ import annotations

from dataclasses import dataclass

from sampan.compose import labels
from sampan.compose.naming import image_name
from sampan.compose.observed import Observed, ObservedContainer
from sampan.compose.plan import find_orphans
from sampan.compose.project import Project
from sampan.compose.steps import (
    Plan,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    Step,
    StopContainer,
)

_RUNNING = frozenset(("running", "paused", "restarting"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DownOptions:
    """Flags of ``down``: `targets` are services (none: all), `images` is ``all``, ``local`` or empty."""

    targets: frozenset[str] = frozenset()
    volumes: bool = False
    images: str = ""
    remove_orphans: bool = False


def plan_down(project: Project, observed: Observed, options: DownOptions | None = None) -> Plan:
    """The steps that leave nothing of a project (but its volumes, unless those are asked for, too)."""
    return _Down(project, observed, options or DownOptions()).plan()


class _Down:
    def __init__(self, project: Project, observed: Observed, options: DownOptions) -> None:
        self._project = project
        self._observed = observed
        self._options = options
        self._orphans = {each.id for each in find_orphans(project, observed)}

    def plan(self) -> Plan:
        containers = [each for each in self._observed.containers if self._is_meant(each)]
        order = self._order(containers)
        steps: list[Step] = []
        for container in order:
            steps += self._plan_container(container, order)
        removed = tuple(step.key for step in steps if isinstance(step, RemoveContainer))
        if not self._options.targets:
            steps += self._plan_networks(removed)
        if self._options.volumes:
            steps += self._plan_volumes(removed)
        if self._options.images:
            steps += self._plan_images(removed)
        return Plan(steps=tuple(steps))

    def _is_meant(self, container: ObservedContainer) -> bool:
        if self._options.targets:
            return container.service in self._options.targets
        return self._options.remove_orphans or container.id not in self._orphans or container.is_one_off

    def _order(self, containers: list[ObservedContainer]) -> list[ObservedContainer]:
        """Dependents first."""
        depth: dict[str, int] = {}
        services = self._project.all_services

        def measure(name: str, seen: tuple[str, ...] = ()) -> int:
            if name not in depth:
                needs = services[name].depends_on if name in services and name not in seen else {}
                depth[name] = 1 + max((measure(need, (*seen, name)) for need in needs), default=0)
            return depth[name]

        return sorted(containers, key=lambda each: (-measure(each.service), each.service, -each.number))

    def _plan_container(self, container: ObservedContainer, order: list[ObservedContainer]) -> list[Step]:
        steps: list[Step] = []
        needs: tuple[str, ...] = ()
        if container.state in _RUNNING:
            services = self._project.all_services
            dependents = [
                each
                for each in order
                if each.service in services
                and container.service in services[each.service].depends_on
                and each.state in _RUNNING
            ]
            stop = StopContainer(
                key=f"stop:{container.name}",
                needs=tuple(f"stop:{each.name}" for each in dependents),
                service=container.service,
                name=container.name,
                container=container,
            )
            steps.append(stop)
            needs = (stop.key,)
        steps.append(
            RemoveContainer(
                key=f"remove:{container.name}",
                needs=needs,
                service=container.service,
                name=container.name,
                container=container,
            )
        )
        return steps

    def _plan_networks(self, removed: tuple[str, ...]) -> list[Step]:
        names = [network.name for network in self._project.networks.values() if not network.external]
        found = [self._observed.network(name) for name in names]
        labelled = [
            each for each in self._observed.networks if each.labels.get(labels.PROJECT) == self._project.name
        ]
        unique = {each.name for each in [*found, *labelled] if each is not None}
        return [
            RemoveNetwork(key=f"remove:network:{name}", needs=removed, name=name) for name in sorted(unique)
        ]

    def _plan_volumes(self, removed: tuple[str, ...]) -> list[Step]:
        wanted = self._options.targets
        mounted = {
            mount.source
            for name, service in self._project.all_services.items()
            for mount in service.volumes
            if name in wanted and mount.type == "volume"
        }
        names = {
            volume.name
            for key, volume in self._project.volumes.items()
            if not volume.external and (not wanted or key in mounted)
        }
        if not wanted:
            names |= {
                each.name
                for each in self._observed.volumes
                if each.labels.get(labels.PROJECT) == self._project.name
            }
        present = [name for name in sorted(names) if self._observed.volume(name) is not None]
        return [RemoveVolume(key=f"remove:volume:{name}", needs=removed, name=name) for name in present]

    def _plan_images(self, removed: tuple[str, ...]) -> list[Step]:
        """``local`` means those without a name of their own: what was built for the project alone."""
        names = {
            image_name(self._project.name, service)
            for name, service in self._project.all_services.items()
            if (not self._options.targets or name in self._options.targets)
            and (self._options.images == "all" or not service.image)
        }
        return [RemoveImage(key=f"remove:image:{name}", needs=removed, image=name) for name in sorted(names)]
