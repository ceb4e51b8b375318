# SPDX-License-Identifier: Apache-2.0
"""A service's networks as the API's NetworkMode and EndpointsConfig."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.compose.creation_resources import present
from sampan.compose.model import Attachment, Service
from sampan.compose.project import Project

Body = dict[str, Any]


def plan_endpoints(
    project: Project, service: Service, *, name: str, links: Sequence[str], use_aliases: bool = True
) -> tuple[str, Body]:
    """The mode, and the endpoints by the networks' names; the first by priority is the container's main one."""
    if service.network_mode:
        return service.network_mode, {}
    if not service.networks:
        return "none", {}
    keys = service.networks_by_priority()
    endpoints = {}
    for key in keys:
        attachment = service.networks[key] or Attachment()
        aliases = [name, service.name, *attachment.aliases] if use_aliases else [name]
        endpoints[project.networks[key].name] = _endpoint(attachment, aliases, links)
    main = project.networks[keys[0]].name
    if service.mac_address and not endpoints[main].get("MacAddress"):
        endpoints[main]["MacAddress"] = service.mac_address
    return main, endpoints


def _endpoint(attachment: Attachment, aliases: list[str], links: Sequence[str]) -> Body:
    options = dict(attachment.driver_opts)
    if attachment.interface_name:
        options["com.docker.network.endpoint.ifname"] = attachment.interface_name
    addresses = present(
        IPv4Address=attachment.ipv4_address,
        IPv6Address=attachment.ipv6_address,
        LinkLocalIPs=list(attachment.link_local_ips),
    )
    return {"Aliases": list(dict.fromkeys(aliases))} | present(
        Links=list(links),
        IPAMConfig=addresses,
        MacAddress=attachment.mac_address,
        DriverOpts=options,
        GwPriority=attachment.gw_priority,
    )


def plan_links(project: Project, service: Service, containers: dict[str, list[str]]) -> tuple[str, ...]:
    """``container:alias`` for each link; `containers` are the names of the services' containers."""
    links = []
    for link in service.links:
        name, _, alias = link.partition(":")
        for number, container in enumerate(containers.get(name, ()), start=1):
            aliases = (alias or name, f"{name}-{number}", f"{project.name}-{name}-{number}")
            links += [f"{container}:{each}" for each in aliases]
    for link in service.external_links:
        container, _, alias = link.partition(":")
        links.append(f"{container}:{alias or container}")
    return tuple(dict.fromkeys(links))
