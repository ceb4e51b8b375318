# SPDX-License-Identifier: Apache-2.0
"""Take ports of the host for a container, and hold them.

The packet filter leads the traffic to the container before any socket sees it; the socket is there so that
nobody else can take the port, and so that ``ss`` shows it as taken. A TCP socket listens, because the kernel
lets two bound sockets with SO_REUSEADDR share a port until one of them does; a filter on it drops what might
arrive while the packet filter is not in place.

Holds: a container gets all its ports or none. The sockets go to the shim, which keeps them open as long as
the container lives: the ports stay taken when the engine is killed.
Not here: leading the traffic (firewall); the forms of ``-p`` (the command line). Only IPv4 addresses of the
host can be published: nf_tables does not translate between IPv6 and IPv4.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice

from sampan.errors import Internal, InvalidArgument, Unsupported
from sampan.linux.socket_filter import drop_everything
from sampan.linux.syscall import describe_errno
from sampan.network.host import read_sysctl
from sampan.network.publication import ANY_ADDRESS, PROTOCOLS, HostPort, Publication

_EPHEMERAL_ATTEMPTS = 100
_FALLBACK_EPHEMERAL = range(32768, 61000)


@dataclass(frozen=True, slots=True)
class PortMapping:
    """What a user asks for: a container's port on one of `host_ports`, any free one if that is empty."""

    container_port: int
    protocol: str = "tcp"
    host_address: IPv4Address = ANY_ADDRESS
    host_ports: range = range(0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whose ports: the container's name, the endpoint's id and the address that traffic goes to."""

    container_name: str
    id: str
    address: IPv4Address


class PortUnavailable(Internal):
    """A port of the host cannot be had; the words are Docker's, and clients match on them."""

    def __init__(self, endpoint: Endpoint, reason: str, *, hint: str | None = None) -> None:
        where = f"endpoint {endpoint.container_name} ({endpoint.id})"
        super().__init__(f"driver failed programming external connectivity on {where}: {reason}", hint=hint)
        self.reason = reason


@dataclass(slots=True)
class ReservedPorts:
    """Ports held for one container, and where each of them leads."""

    publications: list[Publication] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def fds(self) -> list[int]:
        """The descriptors that hold the ports, for the shim."""
        return [sock.fileno() for sock in self.sockets]

    def close(self) -> None:
        """Let go of this process' sockets: the ports are free if no shim has them."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()


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
        for host in self._candidates(mapping, allocated):
            publication = Publication(host, endpoint.address, mapping.container_port)
            try:
                sock = open_reservation(host)
            except OSError as error:
                failure = _cannot_bind(endpoint, publication, error)
                if error.errno != errno.EADDRINUSE:
                    raise failure from error
                continue
            if not mapping.host_ports:
                self._next = host.port + 1
            reserved.publications.append(publication)
            reserved.sockets += [sock] if sock else []
            return
        raise failure or _already_allocated(endpoint, mapping)

    def _candidates(self, mapping: PortMapping, allocated: Collection[HostPort]) -> Iterator[HostPort]:
        if mapping.host_ports:
            return iter_free(mapping, mapping.host_ports, allocated)
        turn = rotate(self._ephemeral, self._next)
        return islice(iter_free(mapping, turn, allocated), _EPHEMERAL_ATTEMPTS)


def iter_free(
    mapping: PortMapping, ports: Iterable[int], allocated: Collection[HostPort]
) -> Iterator[HostPort]:
    """Yield the ports of the host that no other container has."""
    for port in ports:
        host = HostPort(mapping.protocol, mapping.host_address, port)
        if not any(host.overlaps(other) for other in allocated):
            yield host


def rotate(ports: range, first: int) -> Sequence[int]:
    """Return the ports beginning with `first` and going round; the whole range if that is past its end."""
    return [*range(first, ports.stop), *range(ports.start, first)] if first in ports else ports


def open_reservation(host: HostPort) -> socket.socket | None:
    """Bind a socket to a port of the host, so that nobody else can; None if the kernel lacks the protocol."""
    kind = socket.SOCK_DGRAM if host.protocol == "udp" else socket.SOCK_STREAM
    try:
        sock = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC, PROTOCOLS[host.protocol])
    except OSError as error:
        if host.protocol == "sctp" and error.errno in {errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT}:
            return None  # without it no program of the host can take the port either
        raise
    try:
        drop_everything(sock)
        if host.protocol != "udp":
            # connections of a former owner in TIME_WAIT are no obstacle
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(host.address), host.port))
        if host.protocol != "udp":
            sock.listen(1)
    except BaseException:
        sock.close()
        raise
    return sock


def read_ephemeral_ports() -> range:
    """Return the ports that the kernel itself gives out, net.ipv4.ip_local_port_range."""
    bounds = read_sysctl("net.ipv4.ip_local_port_range").split()
    return range(int(bounds[0]), int(bounds[1]) + 1) if len(bounds) == 2 else _FALLBACK_EPHEMERAL


def parse_host_address(text: str) -> IPv4Address:
    """Return the host address of a port binding as the Engine API has it: "" is all addresses."""
    if not text:
        return ANY_ADDRESS
    try:
        address = ip_address(text.strip("[]"))
    except ValueError as error:
        raise InvalidArgument(f"invalid IP address: {text}") from error
    if isinstance(address, IPv6Address):
        raise Unsupported(
            f"publish on [{address}]: only IPv4 addresses of the host can be published",
            hint="leave the address out, or name an IPv4 address",
        )
    return address


def _already_allocated(endpoint: Endpoint, mapping: PortMapping) -> PortUnavailable:
    ports = mapping.host_ports
    if len(ports) == 1:
        reason = f"Bind for {mapping.host_address}:{ports.start} failed: port is already allocated"
        hint = f"find its container with: sampan ps --filter publish={ports.start}"
        return PortUnavailable(endpoint, reason, hint=hint)
    return PortUnavailable(endpoint, f"Bind for {mapping.host_address} failed: all ports are allocated")


def _cannot_bind(endpoint: Endpoint, publication: Publication, error: OSError) -> PortUnavailable:
    why = describe_errno(error.errno or 0)
    reason = f"failed to bind host port for {publication}: {why}"
    return PortUnavailable(endpoint, reason, hint=_bind_hint(publication.host, error))


def _bind_hint(host: HostPort, error: OSError) -> str | None:
    if error.errno == errno.EADDRINUSE:
        return f"another program has port {host.port}; find it with: ss -lnp sport = {host.port}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host.address} is not an address of this host"
    return None
