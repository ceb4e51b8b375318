# SPDX-License-Identifier: Apache-2.0
"""Choose subnets for networks and addresses for containers.

Holds: pure; what is taken is passed in, what is chosen is returned, nothing is remembered. The pools, the
lowest-first order and the MAC addresses are Docker's defaults.
Not here: asking the kernel what is taken (host).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from sampan.errors import Conflict, InvalidArgument, PermissionDenied, Unavailable


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


def choose_subnet(
    taken: Collection[IPv4Network], pools: Iterable[AddressPool] = DEFAULT_POOLS
) -> IPv4Network:
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


def check_subnet(subnet: IPv4Network, networks: Iterable[IPv4Network]) -> None:
    """Refuse a subnet that a user gave if another network of the engine has part of it."""
    if subnet.prefixlen > 30:
        raise InvalidArgument(f"subnet {subnet}: too small for a gateway and a container")
    if any(subnet.overlaps(network) for network in networks):
        raise PoolOverlap(subnet)


class PoolOverlap(PermissionDenied):
    """The subnet is in use by another network; the words and the kind are Docker's."""

    def __init__(self, subnet: IPv4Network) -> None:
        super().__init__("invalid pool request: Pool overlaps with other one on this address space")
        self.subnet = subnet


def default_gateway(subnet: IPv4Network) -> IPv4Address:
    """Return the first address of a subnet: the bridge's own."""
    return subnet.network_address + 1


def choose_address(
    subnet: IPv4Network,
    used: Collection[IPv4Address],
    *,
    within: IPv4Network | None = None,
    requested: IPv4Address | None = None,
) -> IPv4Address:
    """Return the lowest address not in `used` (which holds the gateway's), or `requested` if it is free.

    `within` narrows the choice to a part of the subnet (Docker's ``--ip-range``).
    """
    reserved = {subnet.network_address, subnet.broadcast_address}
    if requested is not None:
        return _check_address(subnet, requested, taken=requested in used or requested in reserved)
    for address in within or subnet:
        if address not in reserved and address not in used:
            return address
    raise Unavailable(f"no available IPv4 addresses on this network's address pools: {subnet}")


def mac_of_address(address: IPv4Address) -> str:
    """Return the MAC address that goes with an IPv4 address, as Docker's does: ``02:42:ac:11:00:02``."""
    return "02:42:" + address.packed.hex(":")


def _check_address(subnet: IPv4Network, address: IPv4Address, *, taken: bool) -> IPv4Address:
    if address not in subnet:
        raise InvalidArgument(f"no configured subnet or ip-range contain the IP address {address}")
    if taken:
        raise Conflict(f"address {address}: Address already in use")
    return address
