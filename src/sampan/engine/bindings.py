# SPDX-License-Identifier: Apache-2.0
"""Published ports between the Engine API's form and the network's (pure).

Source: Engine API v1.51, PortMap: `{"80/tcp": [{"HostIp": "", "HostPort": "8000"}]}`; an empty port means
any free one, a range the first free one of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from sampan.errors import InvalidArgument
from sampan.network.ports import Endpoint, PortMapping, parse_host_addresses
from sampan.network.publication import PROTOCOLS, HostPort, Publication
from sampan.schema.container import ContainerConfig, HostConfig, PortBinding

Bindings = dict[str, list[dict[str, str]]]


def plan_mappings(
    config: ContainerConfig,
    host: HostConfig,
    *,
    default_address: str = "",
    routed_versions: frozenset[int] = frozenset(),
) -> list[PortMapping]:
    """What the user asks for, in the order asked; `-P` adds the exposed ports that were not named.

    `default_address` of the host is for bindings that name none; see `PortMapping` for `routed_versions`.
    """
    wanted = dict(host.port_bindings or {})
    if host.publish_all_ports:
        for port in config.exposed_ports or {}:
            wanted.setdefault(port, [PortBinding()])
    return [
        _plan_mapping(port, binding, default_address, routed_versions)
        for port, bindings in wanted.items()
        for binding in bindings or [PortBinding()]
    ]


def _plan_mapping(
    port: str, binding: PortBinding, default_address: str, routed_versions: frozenset[int]
) -> PortMapping:
    number, protocol = parse_port(port)
    addresses = parse_host_addresses(binding.host_ip or default_address)
    return PortMapping(number, protocol, addresses, parse_range(binding.host_port), routed_versions)


def parse_port(text: str) -> tuple[int, str]:
    """`80/tcp` → (80, "tcp"); without a protocol it is tcp."""
    number, _, protocol = text.partition("/")
    protocol = protocol or "tcp"
    if protocol not in PROTOCOLS or not number.isdigit() or not 1 <= int(number) <= 65535:
        raise InvalidArgument(f'invalid port specification: "{text}"')
    return int(number), protocol


def parse_range(text: str) -> range:
    """`8000`, `8000-8010`, or nothing for any free port."""
    if text in ("", "0"):
        return range(0)
    first, dash, last = text.partition("-")
    if not first.isdigit() or (dash and not last.isdigit()):
        raise InvalidArgument(f"invalid host port: {text}")
    bounds = range(int(first), int(last or first) + 1)
    if not bounds or bounds[-1] > 65535 or bounds[0] < 1:
        raise InvalidArgument(f"invalid host port: {text}")
    return bounds


def describe_bindings(publications: Iterable[Publication]) -> Bindings:
    """What is published, in the API's form."""
    bindings: Bindings = {}
    for each in publications:
        place = {"HostIp": str(each.host.address), "HostPort": str(each.host.port or "")}
        bindings.setdefault(f"{each.port}/{each.host.protocol}", []).append(place)
    return bindings


def parse_bindings(bindings: Bindings, owner: Endpoint) -> list[Publication]:
    """The reverse, for a container at its owner's addresses: what the record of a running one says."""
    publications = []
    for port, places in bindings.items():
        number, protocol = parse_port(port)
        for place in places:
            host = HostPort(protocol, ip_address(place["HostIp"]), int(place["HostPort"] or 0))
            target = owner.target(host.address)
            publications += [Publication(host, target, number)] if target else []
    return publications
