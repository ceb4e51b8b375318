# SPDX-License-Identifier: Apache-2.0
"""A container's places on its networks: what is asked for, what they are called, which is the way out (pure).

Source: Engine API v1.51, EndpointSettings; the words of refusals are Docker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from sampan.engine.model import Container, Endpoint
from sampan.engine.network_model import INTERFACE_NAME, INTERFACE_PREFIX, Network
from sampan.errors import InvalidArgument, NotFound, Unsupported
from sampan.network.endpoint import plan_interface
from sampan.schema.container import ContainerCreate, EndpointConfig, HostConfig

Find = Callable[[str], Network]


def plan_endpoints(host: HostConfig, create: ContainerCreate, find: Find) -> dict[str, Endpoint]:
    """The networks that a new container belongs to, that of its mode first, by their names."""
    mode = host.network_mode
    if mode.startswith("container:"):
        return {}
    asked = (create.networking_config.endpoints_config or {}) if create.networking_config else {}
    if unknown := _plan_unknown({mode: None, **asked}, find):
        return unknown
    first = find(mode)
    wanted = {first.name: EndpointConfig()}
    networks = {first.name: first}
    for name, config in asked.items():
        network = find("bridge" if name == "default" else name)
        networks[network.name] = network
        wanted[network.name] = config or EndpointConfig()
    if len(wanted) > 1:
        _check_several(networks.values())
    if first.is_user_defined and not wanted[first.name].links:
        wanted[first.name].links = host.links
    if create.mac_address and not wanted[first.name].mac_address:
        wanted[first.name].mac_address = create.mac_address
    return {name: plan_endpoint_of(networks[name], config) for name, config in wanted.items()}


def _plan_unknown(asked: Mapping[str, EndpointConfig | None], find: Find) -> dict[str, Endpoint]:
    """Places on networks that do not exist (yet): it is the start that fails.

    Docker's clients take a creation's "not found" for the image's, and pull it.
    """
    unknown = {}
    for name, config in asked.items():
        try:
            find("bridge" if name == "default" else name)
        except NotFound:
            unknown[name] = Endpoint(network=name, network_id="", wanted=config or EndpointConfig())
    return unknown


def _check_several(networks: Iterable[Network]) -> None:
    for network in networks:
        if network.settings.driver == "null":
            raise InvalidArgument(
                "container cannot be connected to multiple networks with one of the networks in private "
                "(none) mode"
            )
        if network.settings.driver == "host":
            raise InvalidArgument(
                "container sharing network namespace with another container or host cannot be connected to "
                "any other network"
            )


def plan_endpoint_of(network: Network, config: EndpointConfig) -> Endpoint:
    """One place on a network, checked."""
    if network.is_predefined:
        _check_predefined(config)
    _check_addresses(network, config)
    if config.mac_address:
        config.mac_address = parse_mac(config.mac_address)
    return Endpoint(network=network.name, network_id=network.id, wanted=config)


def _check_predefined(config: EndpointConfig) -> None:
    if config.ipam_config and config.ipam_config.ipv4_address:
        raise InvalidArgument(
            "invalid endpoint settings:\nuser specified IP address is supported on user defined networks only"
        )
    if config.aliases:
        raise InvalidArgument(
            "network-scoped alias is supported only for containers in user defined networks"
        )


def _check_addresses(network: Network, config: EndpointConfig) -> None:
    ipam = config.ipam_config
    if ipam is None:
        return
    if ipam.link_local_ips:
        raise Unsupported("--link-local-ip is not supported")
    if ipam.ipv6_address:
        raise Unsupported("--ip6 is not supported: networks have IPv4 addresses only")
    if not ipam.ipv4_address:
        return
    try:
        address = IPv4Address(ipam.ipv4_address)
    except AddressValueError:
        raise InvalidArgument(f"invalid IPv4 address: {ipam.ipv4_address}") from None
    reason = ""
    if not network.settings.is_subnet_given:
        reason = (
            "user specified IP address is supported only when connecting to networks with user configured "
            "subnets"
        )
    elif address not in network.subnet:
        reason = f"no configured subnet or ip-range contain the IP address {address}"
    if reason:
        raise InvalidArgument(
            f"invalid config for network {network.name}: invalid endpoint settings:\n{reason}"
        )


def parse_mac(text: str) -> str:
    """A MAC address of six bytes, as the kernel writes it."""
    parts = text.replace("-", ":").lower().split(":")
    if len(parts) != 6 or any(len(part) != 2 or set(part) - set("0123456789abcdef") for part in parts):
        raise InvalidArgument(f"invalid MAC address: {text}")
    return ":".join(parts)


def endpoint_names(container: Container, endpoint: Endpoint) -> list[str]:
    """What the container is called on a user-defined network: name, aliases, short id, host name."""
    names = [container.name, *(endpoint.wanted.aliases or ()), container.id[:12], container.config.hostname]
    return list(dict.fromkeys(name for name in names if name))


def choose_gateway(endpoints: Iterable[Endpoint], networks: Mapping[str, Network]) -> Endpoint | None:
    """The endpoint that is the container's way out: of the highest priority, then the first by name."""
    candidates = [
        endpoint
        for endpoint in endpoints
        if endpoint.address and endpoint.network_id in networks and networks[endpoint.network_id].has_gateway
    ]
    return min(candidates, key=lambda each: (-each.wanted.gw_priority, each.network), default=None)


def choose_interface(network: Network, endpoint: Endpoint, others: Iterable[Endpoint]) -> str:
    """What the interface is called in the container: as asked for, else eth and the first free number."""
    taken = {other.interface for other in others if other is not endpoint}
    asked = (endpoint.wanted.driver_opts or {}).get(INTERFACE_NAME)
    if asked:
        return asked
    prefix = network.option(INTERFACE_PREFIX, "eth")
    return next(name for name in (f"{prefix}{n}" for n in range(len(taken) + 1)) if name not in taken)


def plan_interface_of(network: Network, endpoint: Endpoint, *, is_gateway: bool) -> dict[str, Any]:
    """The endpoint as whoever makes it needs it."""
    bridge = network.bridge()
    return plan_interface(
        bridge=bridge.name,
        host_interface=endpoint.host_interface,
        name=endpoint.interface,
        mac=endpoint.mac_address,
        address=endpoint.address,
        prefix_length=endpoint.prefix_length,
        gateway=endpoint.gateway if is_gateway else None,
        mtu=bridge.mtu,
        isolated=not bridge.icc,
    )
