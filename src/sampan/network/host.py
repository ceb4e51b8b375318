# SPDX-License-Identifier: Apache-2.0
"""What the host's network looks like, read once: the ground that networks are planned on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from sampan.linux.netlink import NetlinkSocket
from sampan.linux.route_dump import Link, read_addresses, read_links, read_routes

DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True)
class HostNetwork:
    """Links by name, the addresses of each, the networks that routes lead to, the way to everywhere else."""

    links: dict[str, Link]
    addresses: dict[str, tuple[IPv4Interface, ...]]
    routes: tuple[tuple[IPv4Network, str], ...]
    default_interface: str | None
    forwards: bool

    def taken_networks(self, nameservers: Iterable[str] = ()) -> list[IPv4Network]:
        """Return the networks that a new one must not overlap: a container could not reach them any more."""
        taken = [network for network, _ in self.routes]
        taken += [interface.network for each in self.addresses.values() for interface in each]
        taken += [IPv4Network(IPv4Address(server)) for server in nameservers if ":" not in server]
        return taken

    def default_mtu(self) -> int:
        """Return the MTU for bridges: 1500, or less where the way out takes less (tunnels, clouds)."""
        link = self.links.get(self.default_interface or "")
        return min(DEFAULT_MTU, link.mtu) if link else DEFAULT_MTU


def read_host(sock: NetlinkSocket) -> HostNetwork:
    """Read the network namespace of `sock`, which must be this process' own."""
    links = read_links(sock)
    names = {link.index: link.name for link in links}
    addresses: dict[str, tuple[IPv4Interface, ...]] = {}
    for address in read_addresses(sock):
        name = names.get(address.index, "")
        interface = IPv4Interface((address.address, address.prefix_length))
        addresses[name] = (*addresses.get(name, ()), interface)
    routes = read_routes(sock)
    default = next((names.get(route.index) for route in routes if not route.prefix_length), None)
    return HostNetwork(
        links={link.name: link for link in links},
        addresses=addresses,
        routes=tuple(
            (IPv4Network((route.destination, route.prefix_length)), names.get(route.index, ""))
            for route in routes
            if route.prefix_length
        ),
        default_interface=default,
        forwards=read_sysctl("net.ipv4.ip_forward") == "1",
    )


def read_sysctl(name: str) -> str:
    """Return a setting of this process' network namespace, "" if the kernel has none of that name."""
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
