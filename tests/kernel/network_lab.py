# SPDX-License-Identifier: Apache-2.0
"""A host, its neighbours and containers as network namespaces of one thread: nothing of it is seen outside.

A namespace lives as long as a descriptor or a socket of it; when the last is closed the kernel takes down
links, rules and all.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeVar

from sampan.linux import rtnetlink as rt
from sampan.linux.namespace import CLONE_NEWNET, setns, unshare
from sampan.linux.route_dump import find_link
from sampan.network.address import default_gateway, mac_of_address
from sampan.network.bridge import Bridge, ensure_bridge
from sampan.network.endpoint import apply_endpoint, plan_endpoint, plan_interface, write_sysctl
from sampan.network.firewall import Firewall
from sampan.network.forwarding import plan_forwarding
from sampan.network.host import read_host
from sampan.network.publication import HostPort, Publication

HOST = "192.0.2.1"
NEIGHBOUR = "192.0.2.9"
OTHER_HOST = "198.51.100.1"
OTHER_NEIGHBOUR = "198.51.100.9"
QUICK_S = 0.25
Kept = TypeVar("Kept", bound="Namespace | socket.socket | Firewall")
PATIENT_S = 5.0


class Namespace:
    """A network namespace, entered for as long as a `with` lasts."""

    def __init__(self) -> None:
        with _back_again():
            unshare(CLONE_NEWNET)
            self.fd = _current()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        with _back_again():
            setns(self.fd, CLONE_NEWNET)
            yield

    def close(self) -> None:
        os.close(self.fd)

    def socket(self, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> socket.socket:
        with self.entered():
            return socket.socket(family, kind | socket.SOCK_CLOEXEC)


class Box(Namespace):
    """A container with one interface."""

    def __init__(self, host: Namespace, bridge: Bridge, number: int) -> None:
        super().__init__()
        self.bridge = bridge
        assert bridge.subnet
        self.address = str(bridge.subnet.network_address + number)
        self.address6 = str(bridge.subnet6.network_address + number) if bridge.subnet6 else ""
        addresses = [f"{self.address}/{bridge.subnet.prefixlen}"]
        addresses += [f"{self.address6}/64"] if bridge.subnet6 else []
        self.interface = plan_interface(
            bridge=bridge.name,
            host_interface=f"veth{bridge.name[-1]}{number}",
            name="eth0",
            mac=mac_of_address(IPv4Address(self.address)),
            addresses=addresses,
            gateways=[str(gateway) for gateway in (bridge.gateway, bridge.gateway6) if gateway],
            mtu=bridge.mtu,
        )
        with host.entered():
            route = rt.open_route_socket()
        with route, self.entered():
            apply_endpoint(plan_endpoint([self.interface]), route)


class Lab:
    """A host with two outer interfaces (a neighbour at each), two bridges and a packet filter."""

    def __init__(self, *, bridged_nat: bool = False, ipv6: bool = False) -> None:
        self._open: list[Namespace | socket.socket | Firewall] = []
        self.host = self.keep(Namespace())
        self.neighbour = self.keep(Namespace())
        self.other_neighbour = self.keep(Namespace())
        self.one = make_bridge("lab1", "172.30.0.0/16", "fd00:1::/64" if ipv6 else "")
        self.two = make_bridge("lab2", "172.31.16.0/20", "fd00:2::/64" if ipv6 else "")
        with self.host.entered():
            write_sysctl("net.ipv4.ip_forward", "0")  # a new namespace has the setting of the machine
            write_sysctl("net.ipv6.conf.all.forwarding", "0")
            if os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"):
                for version in ("", "6"):
                    write_sysctl(f"net.bridge.bridge-nf-call-ip{version}tables", "1" if bridged_nat else "0")
            # Bridges first: the kernel delays a link by a second whose index is by chance that of its peer
            with rt.open_route_socket() as route:
                for bridge in (self.one, self.two):
                    ensure_bridge(route, bridge)
            self._connect(self.neighbour, "eth0", HOST, NEIGHBOUR)
            self._connect(self.other_neighbour, "eth1", OTHER_HOST, OTHER_NEIGHBOUR)
            self.firewall = self.keep(Firewall("lab"))
            self._start()

    def _connect(self, neighbour: Namespace, name: str, address: str, peer_address: str) -> None:
        peer = rt.VethPeer("eth0", neighbour.fd, mac_of_address(IPv4Address(peer_address)))
        with rt.open_route_socket() as route:
            mac = mac_of_address(IPv4Address(address))
            route.exchange([rt.set_up(1), rt.new_veth(name, master=0, mac=mac, mtu=1500, peer=peer)])
            configure(name, address)
            configure(name, over_ipv6(address))
        with neighbour.entered():
            configure("eth0", peer_address, gateway=address)
            configure("eth0", over_ipv6(peer_address), gateway=over_ipv6(address))

    def _start(self) -> None:
        with rt.open_route_socket() as route:
            host = read_host(route)
            self.firewall.reconcile([self.one, self.two], [])
            for step in plan_forwarding(
                host, [self.one.name, self.two.name], ipv6=self.one.subnet6 is not None
            ):
                step.apply(route)

    def keep(self, thing: Kept) -> Kept:
        self._open.append(thing)
        return thing

    def box(self, bridge: Bridge, number: int) -> Box:
        return self.keep(Box(self.host, bridge, number))

    def close(self) -> None:
        for thing in reversed(self._open):
            thing.close()

    def serve(
        self, where: Namespace, port: int, kind: int = socket.SOCK_STREAM, *, address: str = ""
    ) -> socket.socket:
        """Listen in a namespace; nobody has to accept for a client to be connected."""
        sock = self.keep(where.socket(kind, family_of(address)))
        sock.settimeout(PATIENT_S)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock

    def connect(
        self, where: Namespace, address: str, port: int, *, timeout_s: float = PATIENT_S
    ) -> socket.socket:
        sock = self.keep(where.socket(family=family_of(address)))
        sock.settimeout(timeout_s)
        sock.connect((address, port))
        sock.settimeout(PATIENT_S)
        return sock

    def reaches(self, where: Namespace, address: str, port: int) -> bool:
        """Whether a TCP connection is made; a packet dropped is noticed by waiting a moment."""
        try:
            self.connect(where, address, port, timeout_s=QUICK_S)
        except OSError:
            return False
        return True

    def asks(self, where: Namespace, address: str, port: int, server: socket.socket) -> str:
        """Exchange bytes with a TCP server both ways; return who the server thinks has called."""
        client = self.connect(where, address, port)
        client.sendall(b"ping")
        peer, (caller, *_) = server.accept()
        with peer:
            peer.settimeout(PATIENT_S)
            assert peer.recv(4) == b"ping"
            peer.sendall(b"pong")
            assert client.recv(4) == b"pong"
        return str(caller)

    def asks_udp(self, where: Namespace, address: str, port: int, server: socket.socket) -> str:
        """Exchange datagrams; the client only hears answers from whom it called."""
        client = self.keep(where.socket(socket.SOCK_DGRAM, family_of(address)))
        client.settimeout(PATIENT_S)
        client.connect((address, port))
        client.send(b"ping")
        data, caller = server.recvfrom(4)
        assert data == b"ping"
        server.sendto(b"pong", caller)
        assert client.recv(4) == b"pong"
        return str(caller[0])


def make_bridge(name: str, subnet: str, subnet6: str = "", *, internal: bool = False) -> Bridge:
    network = IPv4Network(subnet)
    network6 = IPv6Network(subnet6) if subnet6 else None
    return Bridge(
        name,
        network,
        IPv4Address(default_gateway(network)),
        1400,
        internal,
        subnet6=network6,
        gateway6=IPv6Address(default_gateway(network6)) if network6 else None,
    )


def over_ipv6(address: str) -> str:
    """The IPv6 address that goes with one of the lab's outer IPv4 addresses."""
    return "2001:db8:" + ":".join(f"{int(part):x}" for part in address.split("."))[:-2] + "::" + address[-1]


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def publication(
    box: Box, *, host: str = "0.0.0.0", port: int, to: int = 80, protocol: str = "tcp"
) -> Publication:
    own = box.address6 if ":" in host else box.address
    return Publication(HostPort(protocol, ip_address(host), port), ip_address(own), to)


def configure(name: str, address: str, *, gateway: str | None = None) -> None:
    """Give an interface of this namespace an address, and switch it on."""
    with rt.open_route_socket() as route:
        link = find_link(route, name)
        assert link is not None
        requests = [
            rt.set_up(1),
            rt.set_up(link.index),
            rt.add_address(link.index, address, 64 if ":" in address else 24),
        ]
        if gateway:
            requests.append(rt.add_default_route(link.index, gateway))
        route.exchange(requests)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def _back_again() -> Iterator[None]:
    home = _current()
    try:
        yield
    finally:
        setns(home, CLONE_NEWNET)
        os.close(home)
