# SPDX-License-Identifier: Apache-2.0
"""A network as the engine remembers it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec

from sampan.metadata.networks import NetworkRecord
from sampan.network.address import default_gateway
from sampan.network.bridge import Bridge

PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}
"""Name → driver of the networks that every engine has."""

BRIDGE_NAME = "com.docker.network.bridge.name"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
MTU = "com.docker.network.driver.mtu"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
INTERFACE_NAME = "com.docker.network.endpoint.ifname"


class Settings(msgspec.Struct):
    """What a network was created with, and what was chosen for it; written to the database."""

    driver: str
    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    reserved: dict[str, str] = {}
    is_subnet_given: bool = False
    is_gateway_given: bool = False
    internal: bool = False
    attachable: bool = False
    bridge: str = ""
    mtu: int = 0
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
    ipam_options: dict[str, str] | None = None


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
        return self.settings.driver == "bridge" and not self.settings.internal

    @property
    def subnet(self) -> IPv4Network:
        """The subnet of a bridge network."""
        return IPv4Network(self.settings.subnet)

    @property
    def gateway(self) -> IPv4Address:
        """The bridge's own address."""
        given = self.settings.gateway
        return IPv4Address(given) if given else default_gateway(self.subnet)

    @property
    def range(self) -> IPv4Network | None:
        """The part of the subnet that addresses are chosen from."""
        return IPv4Network(self.settings.ip_range) if self.settings.ip_range else None

    @property
    def reserved(self) -> set[IPv4Address]:
        """Addresses that no container gets."""
        return {self.gateway, *(IPv4Address(each) for each in self.settings.reserved.values())}

    def option(self, name: str, default: str = "") -> str:
        """The value of a driver's option."""
        return self.settings.options.get(name, default)

    def is_on(self, name: str) -> bool:
        """A boolean option; absent means yes."""
        return parse_switch(self.option(name, "true"))

    def bridge(self) -> Bridge:
        """The network as the host sees it."""
        settings = self.settings
        return Bridge(
            name=settings.bridge,
            subnet=self.subnet,
            gateway=self.gateway,
            mtu=settings.mtu,
            internal=settings.internal,
            icc=self.is_on(ICC),
            masquerade=self.is_on(MASQUERADE),
        )


def parse_switch(text: str) -> bool:
    """What Go's strconv.ParseBool takes for true; everything else is false."""
    return text in ("1", "t", "T", "true", "TRUE", "True")


def decode_network(record: NetworkRecord) -> Network:
    """The network of a record."""
    return Network(
        record.id, record.name, record.created_ns, msgspec.convert(dict(record.document), Settings)
    )


def encode_network(network: Network) -> NetworkRecord:
    """The record of a network."""
    document: dict[str, Any] = msgspec.to_builtins(network.settings)
    return NetworkRecord(network.id, network.name, network.created_ns, document)
