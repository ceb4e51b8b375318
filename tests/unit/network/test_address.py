# SPDX-License-Identifier: Apache-2.0
"""Subnets and addresses that do not collide."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import Conflict, InvalidArgument, Unavailable
from sampan.network.address import (
    DEFAULT_POOLS,
    PoolOverlap,
    check_subnet,
    choose_address,
    choose_subnet,
    default_gateway,
    mac_of_address,
)

SUBNET = IPv4Network("172.17.0.0/16")
SMALL = IPv4Network("10.9.8.0/29")
GATEWAY = IPv4Address("172.17.0.1")

addresses = st.ip_addresses(v=4).map(lambda address: IPv4Address(int(address)))
networks = st.builds(
    lambda address, prefix: IPv4Network((int(address), prefix), strict=False), addresses, st.integers(4, 32)
)


def test_the_first_subnet_is_dockers() -> None:
    assert choose_subnet([]) == SUBNET


def test_pools_go_on_in_small_pieces() -> None:
    assert choose_subnet([IPv4Network("172.16.0.0/12")]) == IPv4Network("192.168.0.0/20")


@given(st.lists(networks, max_size=20))
def test_a_chosen_subnet_overlaps_nothing(taken: list[IPv4Network]) -> None:
    try:
        subnet = choose_subnet(taken)
    except Unavailable:
        assert all(any(s.overlaps(t) for t in taken) for pool in DEFAULT_POOLS for s in pool.subnets())
        return
    assert not any(subnet.overlaps(network) for network in taken)


def test_no_subnet_left_is_said_in_dockers_words() -> None:
    taken = [IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]
    with pytest.raises(Unavailable, match="could not find an available, non-overlapping IPv4 address pool"):
        choose_subnet(taken)


def test_a_users_subnet_must_not_overlap_and_must_hold_a_container() -> None:
    check_subnet(IPv4Network("172.18.0.0/30"), [SUBNET])
    with pytest.raises(PoolOverlap, match="Pool overlaps with other one on this address space"):
        check_subnet(IPv4Network("172.17.5.0/24"), [SUBNET])
    with pytest.raises(InvalidArgument, match=r"subnet 172\.18\.0\.0/31: too small"):
        check_subnet(IPv4Network("172.18.0.0/31"), [])


def test_the_first_container_has_the_address_after_the_gateway() -> None:
    assert default_gateway(SUBNET) == GATEWAY
    assert choose_address(SUBNET, {GATEWAY}) == IPv4Address("172.17.0.2")


@given(st.sets(st.sampled_from(list(SMALL.hosts()))))
def test_the_lowest_free_address_is_chosen_until_none_is_left(used: set[IPv4Address]) -> None:
    free = sorted(set(SMALL.hosts()) - used)
    if free:
        assert choose_address(SMALL, used) == free[0]
    else:
        with pytest.raises(Unavailable, match="no available IPv4 addresses"):
            choose_address(SMALL, used)


def test_a_range_narrows_the_choice() -> None:
    within = IPv4Network("172.17.5.0/24")
    assert choose_address(SUBNET, {GATEWAY}, within=within) == IPv4Address("172.17.5.0")


def test_an_address_asked_for_is_given_if_it_is_free() -> None:
    wanted = IPv4Address("172.17.3.4")
    assert choose_address(SUBNET, {GATEWAY}, requested=wanted) == wanted
    with pytest.raises(Conflict, match="Address already in use"):
        choose_address(SUBNET, {wanted}, requested=wanted)
    with pytest.raises(Conflict, match="Address already in use"):
        choose_address(SUBNET, (), requested=SUBNET.broadcast_address)
    with pytest.raises(InvalidArgument, match="contain the IP address"):
        choose_address(SUBNET, (), requested=IPv4Address("10.0.0.1"))


def test_the_mac_address_is_dockers() -> None:
    assert mac_of_address(IPv4Address("172.17.0.2")) == "02:42:ac:11:00:02"


@given(addresses, addresses)
def test_mac_addresses_differ_as_addresses_do(one: IPv4Address, other: IPv4Address) -> None:
    assert (mac_of_address(one) == mac_of_address(other)) == (one == other)
