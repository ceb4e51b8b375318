# SPDX-License-Identifier: Apache-2.0
"""A network as the engine remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from sampan.metadata.networks import NetworkRecord
from sampan.network.address import Address, Subnet, default_gateway
from sampan.network.bridge import NAT, Bridge

PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
"""Name → driver of the networks that every engine has."""

BRIDGE_NAME = "com.docker.network.bridge.name"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
INHIBIT_IPV4 = "com.docker.network.bridge.inhibit_ipv4"
TRUSTED_INTERFACES = "com.docker.network.bridge.trusted_host_interfaces"
GATEWAY_MODE = {
    4: "com.docker.network.bridge.gateway_mode_ipv4",
    6: "com.docker.network.bridge.gateway_mode_ipv6",
}
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
MTU = "com.docker.network.driver.mtu"
PARENT = "parent"
MACVLAN_MODE = "macvlan_mode"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
INTERFACE_NAME = "com.docker.network.endpoint.ifname"


class Pool(msgspec.Struct):
    """A subnet and what is set apart in it, as text; `given` by the user or chosen here."""

    subnet: str
    gateway: str = ""
    ip_range: str = ""
    reserved: dict[str, str] = {}
    is_subnet_given: bool = False
    is_gateway_given: bool = False


class Settings(msgspec.Struct):
    """What a network was created with, and what was chosen for it; written to the database."""

    driver: str
    ipv4: Pool | None = None
    ipv6: Pool | None = None
    internal: bool = False
    attachable: bool = False
    bridge: str = ""
    mtu: int = 0
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
    ipam_options: dict[str, str] | None = None
    ipam_driver: str = "default"
    config_only: bool = False
    config_from: str = ""
    has_ipv4: bool = True
    has_ipv6: bool = False
    given_pools: list[Pool] | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """A network's addresses of one family: the subnet, the part to choose from, and what no container gets."""

    subnet: Subnet
    gateway: Address
    within: Subnet | None
    reserved: frozenset[Address]
    is_given: bool


@dataclass(frozen=True, slots=True)
class Network:
    """One network; `settings` are not changed once it is in use."""

    id: str
    name: str
    created_ns: int
    settings: Settings

    @property
    def is_predefined(self) -> bool:
        """Whether it is one of the three that are always there."""
        return self.name in PREDEFINED

    @property
    def is_user_defined(self) -> bool:
        """Whether containers have names on it."""
        return not self.is_predefined

    @property
    def has_gateway(self) -> bool:
        """Whether it is a way out for its containers."""
        return self.settings.driver in ("bridge", "macvlan") and not self.settings.internal

    @property
    def is_macvlan(self) -> bool:
        """Whether its containers are on the wire of an interface of the host, not on a bridge."""
        return self.settings.driver == "macvlan"

    @property
    def pools(self) -> list[Pool]:
        """The subnets, IPv4 first."""
        return [pool for pool in (self.settings.ipv4, self.settings.ipv6) if pool is not None]

    @property
    def ranges(self) -> list[Range]:
        """The addresses of each family that it has, IPv4 first."""
        return [range_of(pool) for pool in self.pools]

    def range(self, version: int) -> Range | None:
        """The addresses of IPv4 or IPv6, if it has any."""
        pool = self.settings.ipv4 if version == 4 else self.settings.ipv6
        return range_of(pool) if pool else None

    @property
    def subnets(self) -> list[Subnet]:
        """The subnets, IPv4 first."""
        return [each.subnet for each in self.ranges]

    def gateway_mode(self, version: int) -> str:
        """How its published ports of IPv4 or IPv6 are reached."""
        return self.option(GATEWAY_MODE[version]) or NAT

    def option(self, name: str, default: str = "") -> str:
        """The value of a driver's option."""
        return self.settings.options.get(name, default)

    def is_on(self, name: str) -> bool:
        """A boolean option; absent means yes."""
        return parse_switch(self.option(name, "true"))

    def bridge(self) -> Bridge:
        """The network as the host sees it."""
        settings, ipv4, ipv6 = self.settings, self.range(4), self.range(6)
        trusted = self.option(TRUSTED_INTERFACES)
        return Bridge(
            name=settings.bridge,
            subnet=ipv4.subnet if ipv4 else None,  # type: ignore[arg-type]
            gateway=ipv4.gateway if ipv4 else None,  # type: ignore[arg-type]
            subnet6=ipv6.subnet if ipv6 else None,  # type: ignore[arg-type]
            gateway6=ipv6.gateway if ipv6 else None,  # type: ignore[arg-type]
            mtu=settings.mtu,
            internal=settings.internal,
            icc=self.is_on(ICC),
            masquerade=self.is_on(MASQUERADE),
            mode=self.gateway_mode(4),
            mode6=self.gateway_mode(6),
            trusted=tuple(name for name in trusted.split(":") if name),
            inhibit_ipv4=parse_switch(self.option(INHIBIT_IPV4)),
        )


def range_of(pool: Pool) -> Range:
    """A pool with its addresses read."""
    subnet = ip_network(pool.subnet)
    gateway = ip_address(pool.gateway) if pool.gateway else default_gateway(subnet)
    reserved = {gateway, *(ip_address(each) for each in pool.reserved.values())}
    within = ip_network(pool.ip_range) if pool.ip_range else None
    return Range(subnet, gateway, within, frozenset(reserved), pool.is_subnet_given)


def parse_switch(text: str) -> bool:
    """What Go's strconv.ParseBool takes for true; everything else is false."""
    return text in ("1", "t", "T", "true", "TRUE", "True")


def decode_network(record: NetworkRecord) -> Network:
    """The network of a record; the first ones had their only subnet among the settings."""
    document = dict(record.document)
    if document.get("subnet"):
        document["ipv4"] = {name: document[name] for name in Pool.__struct_fields__ if name in document}
    return Network(record.id, record.name, record.created_ns, msgspec.convert(document, Settings))


def encode_network(network: Network) -> NetworkRecord:
    """The record of a network."""
    document: dict[str, Any] = msgspec.to_builtins(network.settings)
    return NetworkRecord(network.id, network.name, network.created_ns, document)
