# SPDX-License-Identifier: Apache-2.0
"""The subnets of a new network: those that the user gives, checked, or free ones (pure).

Source: Engine API v1.51, IPAMConfig; the words of refusals are Docker's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from sampan.engine.network_model import Pool
from sampan.errors import InvalidArgument, PermissionDenied
from sampan.network.address import (
    Address,
    Subnet,
    check_subnet,
    choose_subnet,
    choose_unique_local,
    default_gateway,
)
from sampan.schema.network import IpamPool

INVALID = "invalid network config:\n"  # before the reason, in Docker


@dataclass(frozen=True, slots=True)
class Ground:
    """What a network is planned on: `own` are this engine's subnets, `taken` those that the host knows.

    `bridge` and `mtu` are for a network that names neither; unique local subnets come of the engine's `identity`.
    """

    bridge: str
    mtu: int
    own: Collection[Subnet]
    taken: Collection[Subnet]
    has_ipv6: bool
    identity: str

    @classmethod
    def bare(cls) -> Ground:
        """For a configuration that others are made from."""
        return cls("", 0, (), (), has_ipv6=True, identity="")


def sort_pools(pools: Sequence[IpamPool]) -> Mapping[int, IpamPool]:
    """The pools by their version of IP; the driver takes one of each."""
    chosen: dict[int, IpamPool] = {}
    for pool in pools:
        version = 6 if ":" in pool.subnet or ":" in pool.gateway or ":" in pool.ip_range else 4
        if version in chosen:
            raise PermissionDenied("bridge driver doesn't support multiple subnets")
        chosen[version] = pool
    return chosen


def keep_pool(pool: IpamPool) -> Pool:
    """A pool of a configuration: as it was written."""
    if pool.subnet:
        parse_subnet(pool.subnet, "subnet")
    return Pool(
        pool.subnet, pool.gateway, pool.ip_range, dict(pool.auxiliary_addresses or {}), bool(pool.subnet)
    )


def plan_pool(pool: IpamPool | None, ground: Ground, version: int) -> Pool:
    """One family's subnet, with its gateway, and what is set apart in it."""
    pool = pool or IpamPool()
    subnet = _plan_subnet(pool, ground, version)
    gateway = parse_member(pool.gateway, subnet, "gateway") if pool.gateway else default_gateway(subnet)
    return Pool(
        subnet=str(subnet),
        gateway=str(gateway),
        ip_range=str(_parse_range(pool.ip_range, subnet)) if pool.ip_range else "",
        reserved={
            name: str(parse_member(address, subnet, "auxiliary address"))
            for name, address in (pool.auxiliary_addresses or {}).items()
        },
        is_subnet_given=bool(pool.subnet),
        is_gateway_given=bool(pool.gateway),
    )


def _plan_subnet(pool: IpamPool, ground: Ground, version: int) -> Subnet:
    if not pool.subnet:
        if pool.gateway or pool.ip_range:
            raise InvalidArgument(f"{INVALID}a gateway or an IP range needs a subnet")
        taken = [*ground.own, *ground.taken]
        return choose_subnet(taken) if version == 4 else choose_unique_local(ground.identity, taken)
    subnet = parse_subnet(pool.subnet, "subnet")
    check_subnet(subnet, ground.own)
    return subnet


def parse_subnet(text: str, what: str) -> Subnet:
    """A subnet in CIDR form without host bits."""
    try:
        subnet = ip_network(text, strict=False)
    except ValueError:
        raise InvalidArgument(f"{INVALID}invalid {what} {text}: invalid CIDR block notation") from None
    if subnet.version == 6 and subnet.network_address == ip_address(text.partition("/")[0]) and "/" in text:
        return subnet  # it may be written in several ways
    if str(subnet) != text:
        raise InvalidArgument(f"{INVALID}invalid {what} {text}: it should be {subnet}")
    return subnet


def _parse_range(text: str, subnet: Subnet) -> Subnet:
    addresses = parse_subnet(text, "ip-range")
    if addresses.version != subnet.version or not (
        addresses.network_address in subnet and addresses.broadcast_address in subnet
    ):
        raise InvalidArgument(
            f"{INVALID}invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"
        )
    return addresses


def parse_member(text: str, subnet: Subnet, what: str) -> Address:
    """An address that lies in the subnet."""
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidArgument(f"{INVALID}invalid {what} {text}: invalid address") from None
    if address not in subnet:
        raise InvalidArgument(
            f"{INVALID}invalid {what} {text}: parent subnet {subnet} doesn't contain this address"
        )
    return address
