# SPDX-License-Identifier: Apache-2.0
"""Take ports of the host for a container, and hold them.

The packet filter leads the traffic to the container before any socket sees it; the socket is there so that
nobody else can take the port, and so that ``ss`` shows it as taken. A TCP socket listens, because the kernel
lets two bound sockets with SO_REUSEADDR share a port until one of them does; a filter on an IPv4 one drops what
might arrive while the packet filter is not in place.

What the packet filter does not translate does arrive, at an IPv6 socket: calls by ::1, and those for a container that
has only IPv4. The shim, which holds the sockets, relays them (shim.relay).

Holds: a container gets all its ports or none. The sockets go to the shim, which keeps them open as long as
the container lives: the ports stay taken when the engine is killed.
Not here: leading the traffic (firewall); the forms of ``-p`` (the command line).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice

from sampan.errors import Internal, InvalidArgument
from sampan.linux.socket_filter import drop_everything
from sampan.linux.syscall import describe_errno
from sampan.network.address import Address
from sampan.network.host import read_sysctl
from sampan.network.publication import (
    ANY_ADDRESS,
    ANY_ADDRESS_6,
    PROTOCOLS,
    HostPort,
    Publication,
    format_host,
)

_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
_RELAY_BACKLOG = 128
_EPHEMERAL_ATTEMPTS = 100
_FALLBACK_EPHEMERAL = range(32768, 61000)


@dataclass(frozen=True, slots=True)
class PortMapping:
    """What a user asks for: a container's port on one of `host_ports`, any free one if that is empty.

    It is the same port on all `host_addresses`. On `routed_versions` of IP it takes no port of the host.
    """

    container_port: int
    protocol: str = "tcp"
    host_addresses: tuple[Address, ...] = (ANY_ADDRESS, ANY_ADDRESS_6)
    host_ports: range = range(0)
    routed_versions: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whose ports: the container's name, the endpoint's id and the addresses that traffic goes to."""

    container_name: str
    id: str
    address: IPv4Address | None
    address6: IPv6Address | None = None

    def target(self, host: Address) -> Address | None:
        """Where calls to an address of the host lead; IPv6 ones to IPv4 where there is nothing else, never back."""
        return self.address if host.version == 4 else self.address6 or self.address


class PortUnavailable(Internal):
    """A port of the host cannot be had; the words are Docker's, and clients match on them."""

    def __init__(
        self, endpoint: Endpoint, reason: str, *, hint: str | None = None, is_taken: bool = False
    ) -> None:
        where = f"endpoint {endpoint.container_name} ({endpoint.id})"
        super().__init__(f"driver failed programming external connectivity on {where}: {reason}", hint=hint)
        self.reason = reason
        self.is_taken = is_taken


@dataclass(slots=True)
class ReservedPorts:
    """Ports held for one container, and where each of them leads."""

    publications: list[Publication] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    relays: list[str] = field(default_factory=list)
    """For each socket its name among `relay_targets`, "" where nothing can arrive."""

    @property
    def fds(self) -> list[int]:
        """The descriptors that hold the ports, for the shim."""
        return [sock.fileno() for sock in self.sockets]

    @property
    def targets(self) -> dict[str, tuple[str, int]]:
        """Where the shim relays to what arrives."""
        return relay_targets(self.publications)

    def add(self, publication: Publication, sock: socket.socket | None) -> None:
        """Note a port that has been taken."""
        self.publications.append(publication)
        if sock is not None:
            self.sockets.append(sock)
            self.relays.append(str(publication.host) if _may_arrive(publication.host) else "")

    def close(self) -> None:
        """Let go of this process' sockets: the ports are free if no shim has them."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()
        self.relays.clear()


class PortReserver:
    """Takes ports of this network namespace. Ephemeral ports are given out in turn, as Docker does."""

    __slots__ = ("_ephemeral", "_next")

    def __init__(self, ephemeral: range) -> None:
        self._ephemeral = ephemeral
        self._next = ephemeral.start

    def reserve(
        self, mappings: Iterable[PortMapping], endpoint: Endpoint, allocated: Collection[HostPort]
    ) -> ReservedPorts:
        """Take a port of the host for each mapping; `allocated` is what other containers have."""
        reserved = ReservedPorts()
        try:
            for mapping in mappings:
                own = [publication.host for publication in reserved.publications]
                self._reserve_one(mapping, endpoint, [*allocated, *own], reserved)
        except BaseException:
            reserved.close()
            raise
        return reserved

    def _reserve_one(
        self,
        mapping: PortMapping,
        endpoint: Endpoint,
        allocated: Collection[HostPort],
        reserved: ReservedPorts,
    ) -> None:
        failure: PortUnavailable | None = None
        for port in self._candidates(mapping, allocated):
            try:
                taken = _take(mapping, port, endpoint)
            except PortUnavailable as unavailable:
                failure = unavailable
                if not unavailable.is_taken:
                    raise
                continue
            if not mapping.host_ports:
                self._next = port + 1
            for publication, sock in taken:
                reserved.add(publication, sock)
            return
        raise failure or _already_allocated(endpoint, mapping)

    def _candidates(self, mapping: PortMapping, allocated: Collection[HostPort]) -> Iterator[int]:
        if mapping.host_ports:
            return iter_free(mapping, mapping.host_ports, allocated)
        turn = rotate(self._ephemeral, self._next)
        return islice(iter_free(mapping, turn, allocated), _EPHEMERAL_ATTEMPTS)


def iter_free(mapping: PortMapping, ports: Iterable[int], allocated: Collection[HostPort]) -> Iterator[int]:
    """Yield the ports that no other container has on any of the mapping's addresses."""
    for port in ports:
        hosts = [HostPort(mapping.protocol, address, port) for address in mapping.host_addresses]
        if not any(host.overlaps(other) for host in hosts for other in allocated):
            yield port


def relay_targets(publications: Iterable[Publication]) -> dict[str, tuple[str, int]]:
    """Where the shim shall relay to what arrives at the sockets of these names."""
    return {str(each.host): (str(each.address), each.port) for each in publications if _may_arrive(each.host)}


def _may_arrive(host: HostPort) -> bool:
    """Whether there is a socket that hears something; nobody relays sctp."""
    return host.address.version == 6 and host.protocol != "sctp" and host.port != 0


_Taken = list[tuple[Publication, socket.socket | None]]


def _take(mapping: PortMapping, port: int, endpoint: Endpoint) -> _Taken:
    """Take a port on all addresses, or on none. A host without IPv6 has no [::]: that is left out then."""
    taken: _Taken = []
    try:
        for address in mapping.host_addresses:
            target = endpoint.target(address)
            if target is None:
                continue
            is_routed = address.version in mapping.routed_versions and target.version == address.version
            host = HostPort(mapping.protocol, address, 0 if is_routed else port)
            publication = Publication(host, target, mapping.container_port)
            try:
                taken.append((publication, open_reservation(host)))
            except OSError as error:
                if address != ANY_ADDRESS_6 or error.errno not in _NO_SUCH_FAMILY:
                    raise _cannot_bind(endpoint, publication, error) from error
        if not taken:
            raise _without_address(endpoint, mapping)
    except BaseException:
        for _, sock in taken:
            if sock is not None:
                sock.close()
        raise
    return taken


def rotate(ports: range, first: int) -> Sequence[int]:
    """Return the ports beginning with `first` and going round; the whole range if that is past its end."""
    return [*range(first, ports.stop), *range(ports.start, first)] if first in ports else ports


def open_reservation(host: HostPort) -> socket.socket | None:
    """Bind a socket to a port of the host, so that nobody else can; None if there is nothing to bind.

    So it is where the kernel lacks the protocol: no program of the host can take the port either.
    """
    if not host.port:
        return None
    is_ipv6 = host.address.version == 6
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if host.protocol == "udp" else socket.SOCK_STREAM
    try:
        sock = socket.socket(family, kind | socket.SOCK_CLOEXEC, PROTOCOLS[host.protocol])
    except OSError as error:
        if host.protocol == "sctp" and error.errno in {errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}:
            return None
        raise
    try:
        if is_ipv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not _may_arrive(host):
            drop_everything(sock)
        if host.protocol != "udp":
            # connections of a former owner in TIME_WAIT are no obstacle
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(host.address), host.port))
        if host.protocol != "udp":
            sock.listen(_RELAY_BACKLOG if is_ipv6 else 1)
    except BaseException:
        sock.close()
        raise
    return sock


def read_ephemeral_ports() -> range:
    """Return the ports that the kernel itself gives out, net.ipv4.ip_local_port_range."""
    bounds = read_sysctl("net.ipv4.ip_local_port_range").split()
    return range(int(bounds[0]), int(bounds[1]) + 1) if len(bounds) == 2 else _FALLBACK_EPHEMERAL


def parse_host_addresses(text: str) -> tuple[Address, ...]:
    """Return the host addresses of a port binding as the Engine API has it: "" is all of both families."""
    if not text:
        return ANY_ADDRESS, ANY_ADDRESS_6
    try:
        return (ip_address(text.strip("[]")),)
    except ValueError as error:
        raise InvalidArgument(f"invalid IP address: {text}") from error


def _already_allocated(endpoint: Endpoint, mapping: PortMapping) -> PortUnavailable:
    ports, address = mapping.host_ports, format_host(mapping.host_addresses[0])
    if len(ports) == 1:
        reason = f"Bind for {address}:{ports.start} failed: port is already allocated"
        hint = f"find its container with: sampan ps --filter publish={ports.start}"
        return PortUnavailable(endpoint, reason, hint=hint)
    return PortUnavailable(endpoint, f"Bind for {address} failed: all ports are allocated")


def _without_address(endpoint: Endpoint, mapping: PortMapping) -> PortUnavailable:
    addresses = " and ".join(format_host(address) for address in mapping.host_addresses)
    return PortUnavailable(
        endpoint, f"cannot publish on {addresses}: the container has no address of that kind"
    )


def _cannot_bind(endpoint: Endpoint, publication: Publication, error: OSError) -> PortUnavailable:
    why = describe_errno(error.errno or 0)
    reason = f"failed to bind host port for {publication}: {why}"
    is_taken = error.errno == errno.EADDRINUSE
    return PortUnavailable(endpoint, reason, hint=_bind_hint(publication.host, error), is_taken=is_taken)


def _bind_hint(host: HostPort, error: OSError) -> str | None:
    if error.errno == errno.EADDRINUSE:
        return f"another program has port {host.port}; find it with: ss -lnp sport = {host.port}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host.address} is not an address of this host"
    return None
