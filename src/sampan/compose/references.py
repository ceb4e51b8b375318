# SPDX-License-Identifier: Apache-2.0
"""What a service's container refers to of other containers: namespaces, volumes, links.

A file names services (``network_mode: service:db``), an engine wants containers; between the two, the hash of
a service is computed of what it says with the containers' ids put in, as Docker Compose does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sampan.compose.model import Service

_PREFIX = "service:"


def referred_services(service: Service) -> list[str]:
    """The services whose containers must be there before this one's can be made."""
    links = [link.partition(":")[0] for link in service.links]
    return list(dict.fromkeys([*shared_services(service), *links]))


def shared_services(service: Service) -> list[str]:
    """The services of which it shares a namespace or volumes: with another container it must be made anew."""
    modes = (service.network_mode, service.ipc, service.pid)
    names = [mode.removeprefix(_PREFIX) for mode in modes if mode.startswith(_PREFIX)]
    sources = (source.partition(":")[0] for source in service.volumes_from)
    return names + [name for name in sources if name != "container"]


def resolve_references(service: Service, container_ids: Mapping[str, str]) -> Service:
    """The service with the ids of containers in place of the services' names."""

    def resolve_mode(mode: str) -> str:
        name = mode.removeprefix(_PREFIX)
        known = mode.startswith(_PREFIX) and name in container_ids
        return f"container:{container_ids[name]}" if known else mode

    return replace(
        service,
        network_mode=resolve_mode(service.network_mode),
        ipc=resolve_mode(service.ipc),
        pid=resolve_mode(service.pid),
        volumes_from=tuple(_resolve_source(source, container_ids) for source in service.volumes_from),
    )


def as_hashed(service: Service) -> Service:
    """A service with its references resolved, as Docker Compose has it for the hash: without ``:ro``."""
    return replace(service, volumes_from=tuple(source.partition(":")[0] for source in service.volumes_from))


def _resolve_source(source: str, container_ids: Mapping[str, str]) -> str:
    name, colon, mode = source.partition(":")
    if name == "container":
        return mode
    return f"{container_ids[name]}{colon}{mode}" if name in container_ids else source
