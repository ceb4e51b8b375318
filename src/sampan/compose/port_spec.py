# SPDX-License-Identifier: Apache-2.0
"""The short form of a published port, ``[[IP:]HOST:]CONTAINER[/PROTOCOL]``, as long ones, one a port.

Implements: docker's go-connections/nat, whose words people know. A range of the container is taken apart; one
of the host for a single port of the container stays a range, for the engine to choose from.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.compose.tree import Table
from sampan.errors import InvalidArgument

_PROTOCOLS = ("tcp", "udp", "sctp")


def parse_ports(text: str) -> list[Table]:
    """The long forms in the order in which compose prints them."""
    return sorted(_iter_ports(text), key=lambda port: f"{port['target']}/{port['protocol']}")


def _iter_ports(text: str) -> Iterator[Table]:
    address, _, protocol = text.partition("/") if "/" in text else (text, "", "tcp")
    host_ip, published, target = _split(address)
    if not target:
        raise InvalidArgument(f"no port specified: {text}<empty>")
    if host_ip and not _is_address(host_ip):
        raise InvalidArgument(f"invalid IP address: {host_ip}")
    start, end = _range(target, f"invalid containerPort: {target}")
    first, last = _range(published, f"invalid hostPort: {published}") if published else (0, 0)
    if published and last - first != end - start and end != start:
        raise InvalidArgument(
            f"invalid ranges specified for container and host Ports: {target} and {published}"
        )
    if protocol.lower() not in _PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    for offset in range(end - start + 1):
        host_port = _host_port(first, last, offset, single=start == end) if published else ""
        yield _port(host_ip, start + offset, host_port, protocol.lower())


def _host_port(first: int, last: int, offset: int, *, single: bool) -> str:
    return f"{first}-{last}" if single and last != first else str(first + offset)


def _port(host_ip: str, target: int, published: str, protocol: str) -> Table:
    port = Table([("mode", "ingress"), ("target", target), ("protocol", protocol)])
    if host_ip:
        port["host_ip"] = host_ip
    if published:
        port["published"] = published
    return port


def _split(address: str) -> tuple[str, str, str]:
    rest, _, target = address.rpartition(":")
    if not rest:
        return "", "", target
    host_ip, _, published = rest.rpartition(":")
    if host_ip.startswith("[") and host_ip.endswith("]"):
        return host_ip[1:-1], published, target
    if ":" in host_ip:
        raise InvalidArgument(f"invalid IP address: {host_ip}: an IPv6 address stands in brackets")
    return host_ip, published, target


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _range(text: str, complaint: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        start = _number(first)
        end = _number(last) if dash else start
    except ValueError:
        raise InvalidArgument(complaint) from None
    if end < start:
        raise InvalidArgument(complaint)
    return start, end


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise ValueError(text)
    return int(text)
