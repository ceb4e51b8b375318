# SPDX-License-Identifier: Apache-2.0
"""What the host's network looks like, read once: the ground that networks are planned on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network

from sampan.linux.netlink import NetlinkSocket
from sampan.linux.route_dump import Link, read_addresses, read_links, read_routes
from sampan.network.address import Interface, Subnet
from sampan.network.endpoint import sysctl_path

DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """Links by name, the addresses of each, the networks that routes lead to, the way to everywhere else."""

    links: dict[str, Link]
    addresses: dict[str, tuple[Interface, ...]]
    routes: tuple[tuple[Subnet, str], ...]
    default_interface: str | None
    forwards: bool
    forwards_ipv6: bool = False
    has_ipv6: bool = True

    def taken_networks(self, nameservers: Iterable[str] = ()) -> list[Subnet]:
        """Return the networks that a new one must not overlap: a container could not reach them any more."""
        taken = [network for network, _ in self.routes]
        taken += [interface.network for each in self.addresses.values() for interface in each]
        taken += [ip_network(ip_address(server.partition("%")[0])) for server in nameservers]
        return [network for network in taken if not network.is_link_local or network.version == 4]

    def default_mtu(self) -> int:
        """Return the MTU for bridges: 1500, or less where the way out takes less (tunnels, clouds)."""
        link = self.links.get(self.default_interface or "")
        return min(DEFAULT_MTU, link.mtu) if link else DEFAULT_MTU


def read_host(sock: NetlinkSocket) -> HostNetwork:
    """Read the network namespace of `sock`, which must be this process' own."""
    links = read_links(sock)
    names = {link.index: link.name for link in links}
    has_ipv6 = os.path.exists("/proc/sys/net/ipv6")
    families = (socket.AF_INET, socket.AF_INET6) if has_ipv6 else (socket.AF_INET,)
    addresses: dict[str, tuple[Interface, ...]] = {}
    for address in (each for family in families for each in read_addresses(sock, family)):
        name = names.get(address.index, "")
        interface = ip_interface((address.address, address.prefix_length))
        addresses[name] = (*addresses.get(name, ()), interface)
    routes = [route for family in families for route in read_routes(sock, family)]
    default = next((names.get(route.index) for route in routes if not route.prefix_length), None)
    return HostNetwork(
        links={link.name: link for link in links},
        addresses=addresses,
        routes=tuple(
            (ip_network((route.destination, route.prefix_length)), names.get(route.index, ""))
            for route in routes
            if route.prefix_length
        ),
        default_interface=default,
        forwards=read_sysctl("net.ipv4.ip_forward") == "1",
        forwards_ipv6=read_sysctl("net.ipv6.conf.all.forwarding") == "1",
        has_ipv6=has_ipv6,
    )


def read_sysctl(name: str) -> str:
    """Return a setting of this process' network namespace, "" if the kernel has none of that name."""
    try:
        with open(sysctl_path(name), encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
