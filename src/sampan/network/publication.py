# SPDX-License-Identifier: Apache-2.0
"""A published port: what of the host leads to what of a container."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from sampan.network.address import Address

ANY_ADDRESS = IPv4Address(0)
"""0.0.0.0: every IPv4 address of the host."""

ANY_ADDRESS_6 = IPv6Address(0)
"""[::]: every IPv6 address of the host."""

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
"""Name → number in the IP header."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the host: of one of its addresses, or of all of a family with ANY_ADDRESS and ANY_ADDRESS_6."""

    protocol: str
    address: Address
    port: int

    def overlaps(self, other: HostPort) -> bool:
        """Tell whether the two cannot be taken at the same time."""
        return (
            self.port != 0
            and (self.protocol, self.port) == (other.protocol, other.port)
            and self.address.version == other.address.version
            and (self.address == other.address or self.is_any or other.is_any)
        )  # fmt: skip

    @property
    def is_any(self) -> bool:
        """Whether it is every address of its family."""
        return self.address.is_unspecified

    def __str__(self) -> str:
        return f"{format_host(self.address)}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Publication:
    """Traffic to `host` goes to `port` of the container at `address`."""

    host: HostPort
    address: Address
    port: int

    @property
    def is_translated(self) -> bool:
        """Whether the packet filter can lead it there: it does not translate between IPv4 and IPv6."""
        return self.host.address.version == self.address.version

    @property
    def is_routed(self) -> bool:
        """Whether it is reached at the container's own address only: there is no port of the host then."""
        return not self.host.port

    def __str__(self) -> str:
        """As Docker writes it: ``0.0.0.0:8000:172.17.0.2:80/tcp``."""
        host, own = format_host(self.host.address), format_host(self.address)
        return f"{host}:{self.host.port}:{own}:{self.port}/{self.host.protocol}"


def format_host(address: Address) -> str:
    """An address as it stands before a port: an IPv6 one in brackets."""
    return f"[{address}]" if address.version == 6 else str(address)
