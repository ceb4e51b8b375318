# SPDX-License-Identifier: Apache-2.0
"""A network's bridge on the host: the steps that bring it from what is there to what it should be.

Holds: planning is pure and idempotent: a link that is right already is not touched, and a setting is written
only if it differs. A link of that name that is not a bridge is left alone and refused.
Not here: the packet filter (firewall), the host as a router (forwarding), the containers' ends (endpoint).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_interface
from typing import Protocol

from sampan.errors import Conflict
from sampan.linux import rtnetlink as rt
from sampan.linux.netlink import NetlinkError, NetlinkSocket
from sampan.linux.route_dump import find_link
from sampan.network.address import Interface, mac_of_address
from sampan.network.endpoint import write_sysctl
from sampan.network.host import HostNetwork, read_host, read_sysctl

NAT = "nat"
ROUTED = "routed"
UNPROTECTED = "nat-unprotected"
ISOLATED = "isolated"
GATEWAY_MODES = (NAT, ROUTED, UNPROTECTED, ISOLATED)

_LINK_LOCAL = IPv6Interface("fe80::1/64")
"""Docker's for a bridge: what neighbours are asked with."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network as the host sees it: an IPv4 subnet, an IPv6 one, or both.

    `internal` ones have no way to the outside; without `icc` its containers do not reach each other; without
    `masquerade` they go out with their own addresses. The modes, one a family, are Docker's: `nat`; `routed`, where
    published ports are reached at the container's own address, and nothing else is; `nat-unprotected`, where all
    of its ports are; `isolated`, where the host itself has no address on the bridge. Interfaces of the host that
    are `trusted` may call every port of a container. With `inhibit_ipv4` the bridge gets no IPv4 address.
    """

    name: str
    subnet: IPv4Network | None
    gateway: IPv4Address | None
    mtu: int
    internal: bool = False
    icc: bool = True
    masquerade: bool = True
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None
    mode: str = NAT
    mode6: str = NAT
    trusted: tuple[str, ...] = ()
    inhibit_ipv4: bool = False

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """The bridge's own addresses with their subnets' prefixes."""
        own: list[Interface] = []
        if self.subnet and self.gateway and self.mode != ISOLATED and not self.inhibit_ipv4:
            own.append(ip_interface((self.gateway, self.subnet.prefixlen)))
        if self.subnet6 and self.gateway6:
            own += [] if self.mode6 == ISOLATED else [ip_interface((self.gateway6, self.subnet6.prefixlen))]
            own.append(_LINK_LOCAL)
        return tuple(own)


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
        address = self.bridge.gateway or self.bridge.gateway6
        assert address is not None, "a network has a subnet"
        mac = mac_of_address(address)
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
    """Give the bridge its addresses, and take those off that it should not have."""

    name: str
    wanted: tuple[Interface, ...]
    unwanted: tuple[Interface, ...] = ()

    def describe(self) -> str:
        """Return the change in words."""
        more = ", ".join(map(str, self.wanted)) or "none"
        less = "".join(f", remove {each}" for each in self.unwanted)
        return f"add address {more} to {self.name}{less}"

    def apply(self, sock: NetlinkSocket) -> None:
        """Make the change."""
        link = find_link(sock, self.name)
        assert link is not None, "an earlier step created it"
        requests = [
            rt.delete_address(link.index, str(each.ip), each.network.prefixlen) for each in self.unwanted
        ]
        requests += [rt.add_address(link.index, str(each.ip), each.network.prefixlen) for each in self.wanted]
        sock.exchange([rt.set_no_link_local(link.index), *requests])


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
    steps += _settings(bridge)
    present, wanted = host.addresses.get(bridge.name, ()), bridge.interfaces
    if set(present) != set(wanted):
        unwanted = tuple(each for each in present if each not in wanted)
        steps.append(SetAddress(bridge.name, wanted, unwanted))
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


def stale_bridges(host: HostNetwork, is_ours: Callable[[str], bool], wanted: set[str]) -> list[str]:
    """Return the bridges whose names say that they are ours, and that belong to no network any more."""
    return sorted(
        link.name
        for link in host.links.values()
        if link.kind == "bridge" and is_ours(link.name) and link.name not in wanted
    )


def _settings(bridge: Bridge) -> list[Step]:
    name = bridge.name
    # 127.0.0.1 of the host leads to containers; the packet filter keeps everybody else off it
    steps: list[Step] = [SetSysctl(f"net.ipv4.conf.{name}.route_localnet", "1")]
    if bridge.subnet6:
        # our own containers are no routers that the host should believe
        steps.append(SetSysctl(f"net.ipv6.conf.{name}.accept_ra", "0"))
        steps.append(SetSysctl(f"net.ipv6.conf.{name}.disable_ipv6", "0"))
    else:
        # no IPv6 subnet, so no link-local address either: it would be a way around the rules
        steps.append(SetSysctl(f"net.ipv6.conf.{name}.disable_ipv6", "1"))
    return steps
