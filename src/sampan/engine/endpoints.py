# SPDX-License-Identifier: Apache-2.0
"""A container's places on its networks: what is asked for, what they are called, which is the way out (pure).

Source: Engine API v1.51, EndpointSettings; the words of refusals are Docker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from sampan.engine.model import Container, Endpoint
from sampan.engine.network_model import INTERFACE_NAME, INTERFACE_PREFIX, MACVLAN_MODE, PARENT, Network
from sampan.errors import InvalidArgument, NotFound
from sampan.network.endpoint import plan_interface, plan_macvlan
from sampan.schema.container import ContainerCreate, EndpointConfig, HostConfig

LINK_LOCAL_PREFIX = {False: 16, True: 64}
"""IPv4's (RFC 3927) and IPv6's."""

Find = Callable[[str], Network]


def plan_endpoints(host: HostConfig, create: ContainerCreate, find: Find) -> dict[str, Endpoint]:
    """The networks that a new container belongs to, that of its mode first, by their names."""
    mode = host.network_mode
    if mode.startswith("container:") or create.network_disabled:
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
    return {name: _plan_first(networks[name], config) for name, config in wanted.items()}


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


def _plan_first(network: Network, config: EndpointConfig) -> Endpoint:
    """A place that a container has from its creation."""
    try:
        return plan_endpoint_of(network, config)
    except InvalidArgument as error:
        error.message = f"invalid config for network {network.name}: {error.message}"
        raise


def plan_endpoint_of(network: Network, config: EndpointConfig) -> Endpoint:
    """One place on a network, checked."""
    if reasons := [*_check_predefined(network, config), *_check_addresses(network, config)]:
        shown = reasons[0] if len(reasons) == 1 else "\n".join(f"* {reason}" for reason in reasons)
        raise InvalidArgument(f"invalid endpoint settings:\n{shown}")
    if config.mac_address:
        config.mac_address = parse_mac(config.mac_address)
    return Endpoint(network=network.name, network_id=network.id, wanted=config)


def _check_predefined(network: Network, config: EndpointConfig) -> Iterator[str]:
    if not network.is_predefined:
        return
    if config.ipam_config and (config.ipam_config.ipv4_address or config.ipam_config.ipv6_address):
        yield "user specified IP address is supported on user defined networks only"
    if config.aliases:
        yield "network-scoped alias is supported only for containers in user defined networks"


def _check_addresses(network: Network, config: EndpointConfig) -> Iterator[str]:
    ipam = config.ipam_config
    if ipam is None:
        return
    yield from _check_address(network, ipam.ipv4_address, 4)
    yield from _check_address(network, ipam.ipv6_address, 6)
    yield from (
        f"invalid link-local IP address: {each}" for each in ipam.link_local_ips or () if not _is_ip(each)
    )


def _check_address(network: Network, text: str, version: int) -> Iterator[str]:
    """Why an address that is asked for cannot be had."""
    if not text:
        return
    if not _is_ip(text) or ip_address(text).version != version:
        yield f"invalid IPv{version} address: {text}"
        return
    own = network.range(version)
    if own is None or not own.is_given:
        yield (
            "user specified IP address is supported only when connecting to networks with user configured "
            "subnets"
        )
    elif ip_address(text) not in own.subnet:
        yield f"no configured subnet or ip-range contain the IP address {text}"


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def parse_mac(text: str) -> str:
    """A MAC address of six bytes, as the kernel writes it."""
    parts = text.replace("-", ":").lower().split(":")
    if len(parts) != 6 or any(len(part) != 2 or set(part) - set("0123456789abcdef") for part in parts):
        raise InvalidArgument(f"invalid MAC address {text}")
    return ":".join(parts)


def endpoint_names(container: Container, endpoint: Endpoint) -> list[str]:
    """What the container is called on a user-defined network: name, aliases, short id, host name."""
    names = [container.name, *(endpoint.wanted.aliases or ()), container.id[:12], container.config.hostname]
    return list(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True, slots=True)
class WaysOut:
    """The endpoints by which a container's packets leave, and to which its published ports lead."""

    ipv4: Endpoint | None
    ipv6: Endpoint | None

    @property
    def first(self) -> Endpoint | None:
        """The one that stands for both."""
        return self.ipv4 or self.ipv6

    def addresses(self) -> tuple[IPv4Address | None, IPv6Address | None]:
        """The addresses that published ports lead to."""
        return (
            IPv4Address(self.ipv4.address) if self.ipv4 else None,
            IPv6Address(self.ipv6.address6) if self.ipv6 else None,
        )

    def gateways_of(self, endpoint: Endpoint) -> list[str]:
        """Whom this endpoint's interface has default routes to."""
        ipv4 = endpoint.gateway if endpoint is self.ipv4 else ""
        ipv6 = endpoint.gateway6 if endpoint is self.ipv6 else ""
        return [gateway for gateway in (ipv4, ipv6) if gateway]

    def routes(self) -> list[tuple[str, str]]:
        """The default routes: interface and gateway."""
        endpoints = {id(each): each for each in (self.ipv4, self.ipv6) if each is not None}
        return [
            (each.interface, gateway) for each in endpoints.values() for gateway in self.gateways_of(each)
        ]


def choose_ways_out(endpoints: Iterable[Endpoint], networks: Mapping[str, Network]) -> WaysOut:
    """The endpoints that are the container's ways out: of the highest priority, then the first by name."""
    candidates = sorted(
        (each for each in endpoints if each.network_id in networks and networks[each.network_id].has_gateway),
        key=lambda each: (-each.wanted.gw_priority, each.network),
    )
    return WaysOut(
        next((each for each in candidates if each.address), None),
        next((each for each in candidates if each.address6), None),
    )


def choose_interface(network: Network, endpoint: Endpoint, others: Iterable[Endpoint]) -> str:
    """What the interface is called in the container: as asked for, else eth and the first free number."""
    taken = {other.interface for other in others if other is not endpoint}
    asked = (endpoint.wanted.driver_opts or {}).get(INTERFACE_NAME)
    if asked:
        return asked
    prefix = network.option(INTERFACE_PREFIX, "eth")
    return next(name for name in (f"{prefix}{n}" for n in range(len(taken) + 1)) if name not in taken)


def plan_interface_of(network: Network, endpoint: Endpoint, gateways: Sequence[str] = ()) -> dict[str, Any]:
    """The endpoint as whoever makes it needs it; `gateways` if it is a way out."""
    ipam = endpoint.wanted.ipam_config
    places = [(endpoint.address, endpoint.prefix_length), (endpoint.address6, endpoint.prefix_length6)]
    addresses = [f"{address}/{length}" for address, length in places if address]
    addresses += [f"{each}/{LINK_LOCAL_PREFIX[':' in each]}" for each in (ipam and ipam.link_local_ips) or ()]
    if network.is_macvlan:
        return plan_macvlan(
            parent=network.option(PARENT),
            mode=network.option(MACVLAN_MODE) or "bridge",
            name=endpoint.interface,
            mac=endpoint.mac_address,
            addresses=addresses,
            gateways=gateways,
            mtu=network.settings.mtu,
        )
    bridge = network.bridge()
    return plan_interface(
        bridge=bridge.name,
        host_interface=endpoint.host_interface,
        name=endpoint.interface,
        mac=endpoint.mac_address,
        addresses=addresses,
        gateways=gateways,
        mtu=bridge.mtu,
        isolated=not bridge.icc,
    )
