# SPDX-License-Identifier: Apache-2.0
"""EXPOSE's ports: ``80``, ``80/udp``, ``8000-8010/tcp``; the host's part of ``8080:80`` is ignored."""

from __future__ import annotations

import ipaddress

from sampan.build.dockerfile.location import Misuse

_PROTOCOLS = ("tcp", "udp", "sctp")


def parse_exposed(specification: str) -> list[str]:
    """The ``port/protocol`` names that one word of EXPOSE means; Misuse when it is none."""
    address, host, container = _split(specification)
    ports, _, protocol = container.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in _PROTOCOLS:
        raise Misuse(f'invalid port: "{specification}": invalid proto: {protocol}')
    if not ports:
        raise Misuse(f'invalid port: "{specification}": no port specified')
    if address:
        _check_address(address)
    first, last = _range(ports, f"invalid containerPort: {ports}")
    if host:
        host_first, host_last = _range(host, f"invalid hostPort: {host}")
        if first != last and last - first != host_last - host_first:
            raise Misuse(f"invalid ranges specified for container and host Ports: {ports} and {host}")
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _split(specification: str) -> tuple[str, str, str]:
    head, _, container = specification.rpartition(":")
    address, _, host = head.rpartition(":")
    return address, host, container


def _check_address(address: str) -> None:
    try:
        ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise Misuse(f"invalid IP address: {address}") from None


def _range(text: str, reason: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        low, high = _port(first), _port(last if dash else first)
    except ValueError:
        raise Misuse(reason) from None
    if high < low:
        raise Misuse(reason)
    return low, high


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= 65535:
        raise ValueError(text)
    return number
