# SPDX-License-Identifier: Apache-2.0
"""What an engine has of a project: containers, networks and volumes, read from its API's lists by their labels.

`read_observed` takes the JSON of ``/containers/json`` (all, filtered by the project's label), ``/networks``
and ``/volumes`` as it came. `infer_project` makes a project of it where no compose file is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sampan.compose import labels
from sampan.compose.model import Dependency, Service
from sampan.compose.model_resources import Network, Volume
from sampan.compose.project import Project

Json = Mapping[str, Any]

RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedContainer:
    """One container of the project; `networks` are the ids of those that it is on, by their names."""

    id: str
    name: str
    service: str
    number: int = 0
    state: str = ""
    image: str = ""
    image_id: str = ""
    created: int = 0
    is_one_off: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: frozenset[str] = frozenset()

    @property
    def is_running(self) -> bool:
        """Whether its program runs."""
        return self.state == RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedNetwork:
    """A network of the engine, of this project or not."""

    id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedVolume:
    """A volume of the engine, of this project or not."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything; containers are the project's, networks and volumes all that there are."""

    containers: tuple[ObservedContainer, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    volumes: tuple[ObservedVolume, ...] = ()

    def of_service(self, name: str) -> list[ObservedContainer]:
        """The containers of a service that are not one-off, by number."""
        found = [each for each in self.containers if each.service == name and not each.is_one_off]
        return sorted(found, key=lambda each: (each.number, each.created, each.id))

    def network(self, name: str) -> ObservedNetwork | None:
        """By its name, or its id."""
        return next((each for each in self.networks if name in (each.name, each.id)), None)

    def volume(self, name: str) -> ObservedVolume | None:
        """By its name."""
        return next((each for each in self.volumes if each.name == name), None)


def read_observed(
    containers: Iterable[Json] = (), networks: Iterable[Json] = (), volumes: Iterable[Json] = ()
) -> Observed:
    """Read the API's lists."""
    return Observed(
        containers=tuple(read_container(item) for item in containers),
        networks=tuple(
            ObservedNetwork(id=item["Id"], name=item["Name"], labels=item.get("Labels") or {})
            for item in networks
        ),
        volumes=tuple(ObservedVolume(name=item["Name"], labels=item.get("Labels") or {}) for item in volumes),
    )


def read_container(item: Json) -> ObservedContainer:
    """One entry of ``/containers/json``."""
    labelled: Mapping[str, str] = item.get("Labels") or {}
    number = labelled.get(labels.NUMBER, "")
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    mounts = item.get("Mounts") or ()
    return ObservedContainer(
        id=item["Id"],
        name=_own_name(item.get("Names") or [item["Id"][:12]]),
        service=labelled.get(labels.SERVICE, ""),
        number=int(number) if number.isdecimal() else 0,
        state=item.get("State", ""),
        image=item.get("Image", ""),
        image_id=item.get("ImageID", ""),
        created=item.get("Created", 0),
        is_one_off=labelled.get(labels.ONE_OFF) == "True",
        labels=labelled,
        networks={name: endpoint.get("NetworkID", "") for name, endpoint in networks.items()},
        volumes=frozenset(mount["Name"] for mount in mounts if mount.get("Name")),
    )


def _own_name(names: list[str]) -> str:
    """Without the slash; names with two are those that links have given it."""
    own = [name for name in names if name.count("/") <= 1]
    return (own or names)[0].removeprefix("/")


def infer_project(name: str, observed: Observed) -> Project:
    """The project that labels tell of: its services with what they need, its networks and volumes."""
    services: dict[str, Service] = {}
    for container in observed.containers:
        if container.service and container.service not in services:
            services[container.service] = Service(
                name=container.service,
                image=container.image,
                depends_on=_read_dependencies(container.labels.get(labels.DEPENDS_ON, "")),
            )
    for service in services.values():
        for need in [need for need in service.depends_on if need not in services]:
            del service.depends_on[need]
    newest = next((each for each in observed.containers if labels.WORKING_DIR in each.labels), None)
    return Project(
        name=name,
        services=services,
        networks={
            each.labels.get(labels.NETWORK, each.name): Network(name=each.name)
            for each in observed.networks
            if each.labels.get(labels.PROJECT) == name
        },
        volumes={
            each.labels.get(labels.VOLUME, each.name): Volume(name=each.name)
            for each in observed.volumes
            if each.labels.get(labels.PROJECT) == name
        },
        working_dir=newest.labels[labels.WORKING_DIR] if newest else "",
        files=tuple(newest.labels.get(labels.CONFIG_FILES, "").split(",")) if newest else (),
    )


def _read_dependencies(text: str) -> dict[str, Dependency]:
    needs = {}
    for part in text.split(","):
        name, _, rest = part.partition(":")
        condition, _, restart = rest.partition(":")
        if name:
            needs[name] = Dependency(condition=condition or "service_started", restart=restart == "true")
    return needs
