# SPDX-License-Identifier: Apache-2.0
"""Choose subnets for networks and addresses for containers.

Holds: pure; what is taken is passed in, what is chosen is returned, nothing is remembered. The pools, the
lowest-first order and the MAC addresses are Docker's defaults.
Not here: asking the kernel what is taken (host).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TypeAlias

from sampan.errors import Conflict, InvalidArgument, PermissionDenied, Unavailable

Address: TypeAlias = IPv4Address | IPv6Address
Interface: TypeAlias = IPv4Interface | IPv6Interface
Subnet: TypeAlias = IPv4Network | IPv6Network

_ULA_SUBNETS = 1 << 16


@dataclass(frozen=True, slots=True)
class AddressPool:
    """A block that subnets of `prefix_length` are cut from."""

    base: IPv4Network
    prefix_length: int

    def subnets(self) -> Iterator[IPv4Network]:
        """Yield the subnets in order."""
        return self.base.subnets(new_prefix=self.prefix_length)


DEFAULT_POOLS = (
    *(AddressPool(IPv4Network((f"172.{second}.0.0", 16)), 16) for second in range(17, 32)),
    AddressPool(IPv4Network("192.168.0.0/16"), 20),
)


def choose_subnet(taken: Collection[Subnet], pools: Iterable[AddressPool] = DEFAULT_POOLS) -> IPv4Network:
    """Return the first subnet of the pools that overlaps none of `taken` (host routes, other networks)."""
    for pool in pools:
        for subnet in pool.subnets():
            if not any(subnet.overlaps(network) for network in taken):
                return subnet
    raise Unavailable(
        "could not find an available, non-overlapping IPv4 address pool among the defaults"
        " to assign to the network",
        hint="remove unused networks, or give the new one a subnet",
    )


def choose_unique_local(identity: str, taken: Collection[Subnet]) -> IPv6Network:
    """Return a free /64 of the engine's unique local addresses (RFC 4193): fd, 40 bits of a hash, 16 to count."""
    site = b"\xfd" + hashlib.sha256(identity.encode()).digest()[:5]
    for number in range(_ULA_SUBNETS):
        subnet = IPv6Network((site + number.to_bytes(2, "big") + bytes(8), 64))
        if not any(subnet.overlaps(network) for network in taken):
            return subnet
    raise Unavailable(
        "could not find an available, non-overlapping IPv6 address pool among the defaults"
        " to assign to the network",
        hint="remove unused networks, or give the new one a subnet",
    )


def check_subnet(subnet: Subnet, networks: Iterable[Subnet]) -> None:
    """Refuse a subnet that a user gave if another network of the engine has part of it."""
    if subnet.prefixlen > subnet.max_prefixlen - 2:
        raise InvalidArgument(f"subnet {subnet}: too small for a gateway and a container")
    if any(subnet.overlaps(network) for network in networks):
        raise PoolOverlap(subnet)


class PoolOverlap(PermissionDenied):
    """The subnet is in use by another network; the words and the kind are Docker's."""

    def __init__(self, subnet: Subnet) -> None:
        super().__init__("invalid pool request: Pool overlaps with other one on this address space")
        self.subnet = subnet


def default_gateway(subnet: Subnet) -> Address:
    """Return the first address of a subnet: the bridge's own."""
    return subnet.network_address + 1


def choose_address(
    subnet: Subnet,
    used: Collection[Address],
    *,
    within: Subnet | None = None,
    requested: Address | None = None,
) -> Address:
    """Return the lowest address not in `used` (which holds the gateway's), or `requested` if it is free.

    `within` narrows the choice to a part of the subnet (Docker's ``--ip-range``).
    """
    reserved = {subnet.network_address, subnet.broadcast_address}
    if requested is not None:
        return _check_address(subnet, requested, taken=requested in used or requested in reserved)
    for address in within or subnet:
        if address not in reserved and address not in used:
            return address
    raise Unavailable(f"no available IPv{subnet.version} addresses on this network's address pools: {subnet}")


def mac_of_address(address: Address) -> str:
    """Return the MAC address that goes with an address, as Docker's does: ``02:42:ac:11:00:02``.

    Of an IPv6 one, which has nothing else to tell a network's containers apart, it is the end.
    """
    return "02:42:" + address.packed[-4:].hex(":")


def _check_address(subnet: Subnet, address: Address, *, taken: bool) -> Address:
    if address not in subnet:
        raise InvalidArgument(f"no configured subnet or ip-range contain the IP address {address}")
    if taken:
        raise Conflict(f"address {address}: Address already in use")
    return address
