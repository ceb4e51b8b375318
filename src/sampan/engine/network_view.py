# SPDX-License-Identifier: Apache-2.0
"""What the API says of networks, and which of them a filter keeps (pure).

Source: Engine API v1.51, Network, NetworkContainer; filters of NetworkList and NetworkPrune.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from sampan.engine.model import Container, Endpoint
from sampan.engine.network_model import BRIDGE_NAME, HOST_BINDING, ICC, MASQUERADE, MTU, Network, Pool
from sampan.errors import InvalidArgument
from sampan.schema.times import format_time

Filters = dict[str, list[str]]

DEFAULT_BRIDGE_OPTIONS = {
    "com.docker.network.bridge.default_bridge": "true",
    ICC: "true",
    MASQUERADE: "true",
    HOST_BINDING: "0.0.0.0",  # noqa: S104 - what is shown, not listened on
    MTU: "1500",
}


def describe_network(network: Network) -> dict[str, Any]:
    """One network without its containers."""
    settings = network.settings
    options = dict(settings.options)
    if network.name == "bridge":
        options = DEFAULT_BRIDGE_OPTIONS | {BRIDGE_NAME: settings.bridge}
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": format_time(network.created_ns),
        "Scope": "local",
        "Driver": _driver(network),
        "EnableIPv4": settings.has_ipv4,
        "EnableIPv6": settings.has_ipv6,
        "IPAM": {
            "Driver": settings.ipam_driver,
            "Options": settings.ipam_options,
            "Config": [_describe_pool(pool) for pool in _shown_pools(network)] or _no_pools(network),
        },
        "Internal": settings.internal,
        "Attachable": settings.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": settings.config_from},
        "ConfigOnly": settings.config_only,
        "Containers": {},
        "Options": options,
        "Labels": settings.labels,
    }


def _no_pools(network: Network) -> list[Any] | None:
    """The host's own network and none have no list at all, in Docker."""
    return None if _driver(network) in ("host", "null") else []


def _driver(network: Network) -> str:
    """A network that is only a configuration has none, as Docker has it."""
    return "null" if network.settings.config_only else network.settings.driver


def _shown_pools(network: Network) -> list[Pool]:
    """A network that is only a configuration has what was written, the others what they use."""
    return network.settings.given_pools or network.pools


def _describe_pool(pool: Pool) -> dict[str, Any]:
    described: dict[str, Any] = {"Subnet": pool.subnet}
    if pool.ip_range:
        described["IPRange"] = pool.ip_range
    if pool.gateway:
        described["Gateway"] = pool.gateway
    if pool.reserved:
        described["AuxiliaryAddresses"] = pool.reserved
    return described


def describe_members(network: Network, containers: Iterable[Container]) -> dict[str, Any]:
    """The running containers on a network, by id."""
    return {
        container.id: _describe_member(container, endpoint)
        for container, endpoint in iter_members(network, containers)
    }


def iter_members(network: Network, containers: Iterable[Container]) -> Iterable[tuple[Container, Endpoint]]:
    """Yield the running containers on a network, each with its endpoint."""
    for container in containers:
        if container.state.is_running:
            for endpoint in container.document.endpoints.values():
                if endpoint.network_id == network.id:
                    yield container, endpoint


def _describe_member(container: Container, endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": container.name,
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": endpoint.mac_address,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix_length}" if endpoint.address else "",
        "IPv6Address": f"{endpoint.address6}/{endpoint.prefix_length6}" if endpoint.address6 else "",
    }


def check_filters(wanted: Filters) -> None:
    """Refuse a value that no network can have."""
    for value in wanted.get("type", ()):
        if value not in ("builtin", "custom"):
            raise InvalidArgument(f"invalid filter: 'type'='{value}'")
    for value in wanted.get("dangling", ()):
        if value not in ("true", "false", "1", "0"):
            raise InvalidArgument(f"invalid filter 'dangling=[{value}]'")


def passes(network: Network, wanted: Filters, used: Collection[str]) -> bool:
    """Whether a network passes: one value of each filter, all labels. `used` are the ids that have containers."""
    return all(
        (all if name in ("label", "label!") else any)(_has(network, name, value, used) for value in values)
        for name, values in wanted.items()
    )


def _has(network: Network, name: str, value: str, used: Collection[str]) -> bool:
    match name:
        case "name":
            return _matches(value, network.name)
        case "id":
            return network.id.startswith(value)
        case "driver":
            return value == _driver(network)
        case "scope":
            return value == "local"
        case "type":
            return (value == "builtin") == network.is_predefined
        case "dangling":
            is_dangling = network.is_user_defined and network.id not in used
            return is_dangling == (value in ("true", "1"))
        case "label":
            return _has_label(network.settings.labels, value)
        case "label!":
            return not _has_label(network.settings.labels, value)
        case _:
            return True


def _matches(pattern: str, name: str) -> bool:
    """As in Docker a part of the name, or a regular expression that finds one."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return pattern in name


def _has_label(labels: dict[str, str], wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)
