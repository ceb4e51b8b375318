# SPDX-License-Identifier: Apache-2.0
"""Plan the networks and volumes of a project: those that are missing are made, those of others only checked.

A network whose configuration changed is made anew, and with it the containers on it. A volume is not: that
would lose what is in it, so it is told, and done only when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.compose import labels
from sampan.compose.hashing import hash_network, hash_volume
from sampan.compose.model import Service
from sampan.compose.model_resources import Network, Volume
from sampan.compose.observed import Observed, ObservedContainer, ObservedNetwork
from sampan.compose.project import Project
from sampan.compose.steps import (
    CreateNetwork,
    CreateVolume,
    RemoveContainer,
    RemoveNetwork,
    RemoveVolume,
    Step,
    StopContainer,
)
from sampan.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePlan:
    """The steps; `keys` are those that make a resource, `renewed` the resources that are made anew.

    `diverged_volumes` are told apart because somebody must say whether their content may be lost;
    `removed_ids` are the containers that go with one.
    """

    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    renewed: frozenset[str] = frozenset()
    diverged_volumes: tuple[str, ...] = ()
    removed_ids: frozenset[str] = frozenset()

    def keys_for(self, service: Service) -> tuple[str, ...]:
        """The steps that must be done before a container of the service can be made."""
        wanted = [f"network:{key}" for key in service.networks]
        wanted += [f"volume:{mount.source}" for mount in service.volumes if mount.type == "volume"]
        return tuple(self.keys[key] for key in wanted if key in self.keys)


def plan_resources(project: Project, observed: Observed, *, recreate_volumes: bool = False) -> ResourcePlan:
    """What there is to do about networks and volumes; NotFound for one of somebody else that is not there."""
    work = _Work(project, observed, recreate_volumes=recreate_volumes)
    for key, network in project.networks.items():
        work.plan_network(key, network)
    for key, volume in project.volumes.items():
        work.plan_volume(key, volume)
    return ResourcePlan(
        steps=tuple(work.steps),
        notices=tuple(work.notices),
        keys=work.keys,
        renewed=frozenset(work.renewed),
        diverged_volumes=tuple(work.diverged),
        removed_ids=frozenset(step.container.id for step in work.steps if isinstance(step, RemoveContainer)),
    )


class _Work:
    def __init__(self, project: Project, observed: Observed, *, recreate_volumes: bool) -> None:
        self._project = project
        self._observed = observed
        self._recreate_volumes = recreate_volumes
        self.steps: list[Step] = []
        self.notices: list[str] = []
        self.keys: dict[str, str] = {}
        self.renewed: set[str] = set()
        self.diverged: list[str] = []

    def plan_network(self, key: str, network: Network) -> None:
        found = self._observed.network(network.name)
        if network.external:
            if found is None:
                raise NotFound(f"network {network.name} declared as external, but could not be found")
            return
        needs: tuple[str, ...] = ()
        if found is not None:
            self._check_owner(key, network, found)
            known = found.labels.get(labels.CONFIG_HASH, "")
            if known in ("", hash_network(network)):
                return
            needs = self._remove_network(key, found)
        step = CreateNetwork(key=f"network:{key}", needs=needs, network_key=key, network=network)
        self._add(step)

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.keys[step.key] = step.key

    def _check_owner(self, key: str, network: Network, found: ObservedNetwork) -> None:
        owner = found.labels.get(labels.PROJECT)
        use_it = "Set `external: true` to use an existing network"
        if owner is None:
            self.notices.append(
                f"a network with name {network.name} exists but was not created by compose.\n{use_it}"
            )
        elif owner != self._project.name:
            self.notices.append(
                f"a network with name {network.name} exists but was not created for project "
                f'"{self._project.name}".\n{use_it}'
            )
        label = found.labels.get(labels.NETWORK, "")
        if label != key:
            raise self._project.error(
                ("networks", key),
                f"network {network.name} was found but has incorrect label {labels.NETWORK} set to "
                f'"{label}" (expected: "{key}")',
            )

    def _remove_network(self, key: str, found: ObservedNetwork) -> tuple[str, ...]:
        reason = "its configuration changed"
        on_it = [each for each in self._observed.containers if found.id in each.networks.values()]
        stops = [self._stop(each, f"network {found.name} is made anew") for each in on_it if each.is_running]
        remove = RemoveNetwork(
            key=f"remove:network:{key}", needs=tuple(stops), name=found.name, reason=reason
        )
        self.steps.append(remove)
        self.renewed.add(f"network:{key}")
        return (remove.key,)

    def _stop(self, container: ObservedContainer, reason: str) -> str:
        step = StopContainer(
            key=f"halt:{container.name}",
            service=container.service,
            name=container.name,
            container=container,
            reason=reason,
        )
        if all(held.key != step.key for held in self.steps):
            self.steps.append(step)
        return step.key

    def plan_volume(self, key: str, volume: Volume) -> None:
        found = self._observed.volume(volume.name)
        if volume.external:
            if found is None:
                raise NotFound(f'external volume "{volume.name}" not found')
            return
        needs: tuple[str, ...] = ()
        if found is not None:
            owner = found.labels.get(labels.PROJECT)
            if owner != self._project.name:
                whose = f'created for project "{owner}"' if owner else "not created by compose"
                self.notices.append(
                    f'volume "{volume.name}" already exists but was {whose}. '
                    "Use `external: true` to use an existing volume"
                )
            known = found.labels.get(labels.CONFIG_HASH, "")
            if known in ("", hash_volume(volume)):
                return
            self.diverged.append(volume.name)
            if not self._recreate_volumes:
                self.notices.append(
                    f'volume "{volume.name}" exists but doesn\'t match configuration in compose file: it is kept'
                )
                return
            needs = self._remove_volume(key, volume)
        self._add(CreateVolume(key=f"volume:{key}", needs=needs, volume_key=key, volume=volume))

    def _remove_volume(self, key: str, volume: Volume) -> tuple[str, ...]:
        """Whatever has it mounted goes first; its services' containers are made anew afterwards."""
        removals = []
        for container in self._observed.containers:
            if volume.name not in container.volumes:
                continue
            reason = f"volume {volume.name} is made anew"
            needs = (self._stop(container, reason),) if container.is_running else ()
            removals.append(
                RemoveContainer(
                    key=f"clear:{container.name}",
                    needs=needs,
                    service=container.service,
                    name=container.name,
                    container=container,
                    reason=reason,
                )
            )
        self.steps += removals
        remove = RemoveVolume(
            key=f"remove:volume:{key}",
            needs=tuple(step.key for step in removals),
            name=volume.name,
            reason="its configuration changed",
        )
        self.steps.append(remove)
        self.renewed.add(f"volume:{key}")
        return (remove.key,)
