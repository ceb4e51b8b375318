# SPDX-License-Identifier: Apache-2.0
"""A published port: what of the host leads to what of a container."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

ANY_ADDRESS = IPv4Address(0)
"""0.0.0.0: every address of the host."""

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
"""Name → number in the IP header."""


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """A port of the host: of one of its addresses, or of all with ANY_ADDRESS."""

    protocol: str
    address: IPv4Address
    port: int

    def overlaps(self, other: HostPort) -> bool:
        """Tell whether the two cannot be taken at the same time."""
        return (
            (self.protocol, self.port) == (other.protocol, other.port)
            and (self.address == other.address or ANY_ADDRESS in {self.address, other.address})
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.address}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Publication:
    """Traffic to `host` goes to `port` of the container at `address`."""

    host: HostPort
    address: IPv4Address
    port: int

    def __str__(self) -> str:
        """As Docker writes it: ``0.0.0.0:8000:172.17.0.2:80/tcp``."""
        return f"{self.host.address}:{self.host.port}:{self.address}:{self.port}/{self.host.protocol}"
