# SPDX-License-Identifier: Apache-2.0
"""A network's bridge on the host: the steps that bring it from what is there to what it should be.

Holds: planning is pure and idempotent: a link that is right already is not touched, and a setting is written
only if it differs. A link of that name that is not a bridge is left alone and refused.
Not here: the packet filter (firewall), the host as a router (forwarding), the containers' ends (endpoint).
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Protocol

from sampan.errors import Conflict
from sampan.linux import rtnetlink as rt
from sampan.linux.netlink import NetlinkError, NetlinkSocket
from sampan.linux.route_dump import find_link
from sampan.network.address import mac_of_address
from sampan.network.endpoint import write_sysctl
from sampan.network.host import HostNetwork, read_host, read_sysctl


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network as the host sees it.

    `internal` ones have no way to the outside; without `icc` its containers do not reach each other; without
    `masquerade` they go out with their own addresses.
    """

    name: str
    subnet: IPv4Network
    gateway: IPv4Address
    mtu: int
    internal: bool = False
    icc: bool = True
    masquerade: bool = True

    @property
    def interface(self) -> IPv4Interface:
        """The bridge's own address with the subnet's prefix."""
        return IPv4Interface((self.gateway, self.subnet.prefixlen))


class Step(Protocol):
    """One change to the host's network."""

    def describe(self) -> str:
        """Return the change in words."""

    def apply(self, sock: NetlinkSocket) -> None:
        """Make the change."""


@dataclass(frozen=True, slots=True)
class CreateBridge:
    """Create the link."""

    bridge: Bridge

    def describe(self) -> str:
        """Return the change in words."""
        return f"create bridge {self.bridge.name} with mtu {self.bridge.mtu}"

    def apply(self, sock: NetlinkSocket) -> None:
        """Make the change; somebody else may have been faster."""
        mac = mac_of_address(self.bridge.gateway)
        try:
            sock.exchange([rt.new_bridge(self.bridge.name, mac=mac, mtu=self.bridge.mtu)])
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise


@dataclass(frozen=True, slots=True)
class SetMtu:
    """Correct the MTU of a bridge that was there."""

    name: str
    mtu: int

    def describe(self) -> str:
        """Return the change in words."""
        return f"set mtu of {self.name} to {self.mtu}"

    def apply(self, sock: NetlinkSocket) -> None:
        """Make the change."""
        sock.exchange([rt.set_mtu(self.name, self.mtu)])


@dataclass(frozen=True, slots=True)
class SetAddress:
    """Give the bridge its address, and take those off that it should not have."""

    name: str
    wanted: IPv4Interface
    unwanted: tuple[IPv4Interface, ...] = ()

    def describe(self) -> str:
        """Return the change in words."""
        less = "".join(f", remove {each}" for each in self.unwanted)
        return f"add address {self.wanted} to {self.name}{less}"

    def apply(self, sock: NetlinkSocket) -> None:
        """Make the change."""
        link = find_link(sock, self.name)
        assert link is not None, "an earlier step created it"
        requests = [
            rt.delete_address(link.index, str(each.ip), each.network.prefixlen) for each in self.unwanted
        ]
        requests.append(rt.add_address(link.index, str(self.wanted.ip), self.wanted.network.prefixlen))
        sock.exchange(requests)


@dataclass(frozen=True, slots=True)
class SetUp:
    """Switch the bridge on."""

    name: str

    def describe(self) -> str:
        """Return the change in words."""
        return f"set link {self.name} up"

    def apply(self, sock: NetlinkSocket) -> None:
        """Make the change."""
        sock.exchange([rt.set_up(self.name)])


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """Write a kernel setting of the network namespace, unless it has that value or does not exist."""

    name: str
    value: str

    def describe(self) -> str:
        """Return the change in words."""
        return f"set {self.name} to {self.value}"

    def apply(self, sock: NetlinkSocket) -> None:  # noqa: ARG002 - other steps need it
        """Make the change."""
        if read_sysctl(self.name) not in {"", self.value}:
            write_sysctl(self.name, self.value)


def plan_bridge(bridge: Bridge, host: HostNetwork) -> list[Step]:
    """Return the steps that make the host have this bridge."""
    steps: list[Step] = []
    link = host.links.get(bridge.name)
    if link is None:
        steps.append(CreateBridge(bridge))
    elif link.kind != "bridge":
        raise Conflict(f"network interface {bridge.name}: exists and is not a bridge")
    elif link.mtu != bridge.mtu:
        steps.append(SetMtu(bridge.name, bridge.mtu))
    steps += _settings(bridge.name)
    present = host.addresses.get(bridge.name, ())
    if present != (bridge.interface,):
        unwanted = tuple(each for each in present if each != bridge.interface)
        steps.append(SetAddress(bridge.name, bridge.interface, unwanted))
    if link is None or not link.is_up:
        steps.append(SetUp(bridge.name))
    return steps


def ensure_bridge(sock: NetlinkSocket, bridge: Bridge) -> list[str]:
    """Make the host have this bridge; return what was done, in words."""
    steps = plan_bridge(bridge, read_host(sock))
    for step in steps:
        step.apply(sock)
    return [step.describe() for step in steps]


def remove_bridge(sock: NetlinkSocket, name: str) -> None:
    """Delete a bridge; one that is gone already is no error."""
    try:
        sock.exchange([rt.delete_link(name)])
    except NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise


def stale_interfaces(host: HostNetwork, bridges: set[str], wanted: set[str]) -> list[str]:
    """Return the veths in our bridges that belong to none of the `wanted` host interfaces."""
    masters = {host.links[name].index for name in bridges if name in host.links}
    return sorted(
        link.name
        for link in host.links.values()
        if link.kind == "veth" and link.master in masters and link.name not in wanted
    )


def _settings(name: str) -> list[Step]:
    return [
        # 127.0.0.1 of the host leads to containers; the packet filter keeps everybody else off it
        SetSysctl(f"net.ipv4.conf.{name}.route_localnet", "1"),
        # no IPv6 subnet, so no link-local address either: it would be a way around the rules
        SetSysctl(f"net.ipv6.conf.{name}.disable_ipv6", "1"),
    ]
