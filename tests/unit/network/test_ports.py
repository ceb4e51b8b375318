# SPDX-License-Identifier: Apache-2.0
"""Which ports of the host may be tried for a container."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument
from sampan.network.ports import (
    Endpoint,
    PortMapping,
    iter_free,
    parse_host_addresses,
    relay_targets,
    rotate,
)
from sampan.network.publication import ANY_ADDRESS, ANY_ADDRESS_6, HostPort, Publication

LOOPBACK = IPv4Address("127.0.0.1")

host_ports = st.builds(
    HostPort,
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from([ANY_ADDRESS, LOOPBACK, IPv4Address("192.0.2.1"), ANY_ADDRESS_6, IPv6Address(1)]),
    st.integers(8000, 8005),
)


@given(host_ports, host_ports)
def test_overlapping_is_mutual(one: HostPort, other: HostPort) -> None:
    assert one.overlaps(other) == other.overlaps(one)
    assert one.overlaps(one)


def test_ports_overlap_on_all_addresses_but_not_on_different_ones() -> None:
    everywhere = HostPort("tcp", ANY_ADDRESS, 80)
    assert everywhere.overlaps(HostPort("tcp", LOOPBACK, 80))
    assert not everywhere.overlaps(HostPort("udp", ANY_ADDRESS, 80))
    assert not HostPort("tcp", IPv4Address("192.0.2.1"), 80).overlaps(HostPort("tcp", LOOPBACK, 80))


@given(st.lists(host_ports, max_size=10))
def test_free_ports_are_those_that_overlap_nothing(allocated: list[HostPort]) -> None:
    mapping = PortMapping(80, host_ports=range(8000, 8006))
    free = list(iter_free(mapping, mapping.host_ports, allocated))
    assert free == sorted(free)
    for port in mapping.host_ports:
        hosts = [HostPort("tcp", address, port) for address in (ANY_ADDRESS, ANY_ADDRESS_6)]
        assert (port in free) == (not any(host.overlaps(other) for host in hosts for other in allocated))


@given(st.integers(0, 20))
def test_going_round_leaves_no_port_out(first: int) -> None:
    turn = rotate(range(5, 15), first)
    assert sorted(turn) == list(range(5, 15))
    assert turn[0] == (first if 5 <= first < 15 else 5)


def test_families_do_not_overlap() -> None:
    assert not HostPort("tcp", ANY_ADDRESS, 80).overlaps(HostPort("tcp", ANY_ADDRESS_6, 80))
    assert HostPort("tcp", IPv6Address(1), 80).overlaps(HostPort("tcp", ANY_ADDRESS_6, 80))


def test_host_addresses_are_parsed() -> None:
    assert parse_host_addresses("") == (ANY_ADDRESS, ANY_ADDRESS_6)
    assert parse_host_addresses("127.0.0.1") == (LOOPBACK,)
    assert parse_host_addresses("[::1]") == (IPv6Address(1),)
    with pytest.raises(InvalidArgument, match=r"invalid IP address: localhost"):
        parse_host_addresses("localhost")


def test_calls_lead_to_the_own_family_and_ipv6_ones_else_to_ipv4() -> None:
    address, address6 = IPv4Address("10.0.0.2"), IPv6Address("fd00::2")
    both = Endpoint("web", "1", address, address6)
    assert (both.target(ANY_ADDRESS), both.target(ANY_ADDRESS_6)) == (address, address6)
    assert Endpoint("web", "1", address).target(ANY_ADDRESS_6) == address
    assert Endpoint("web", "1", None, address6).target(ANY_ADDRESS) is None


def test_only_what_arrives_at_an_ipv6_socket_is_relayed() -> None:
    address = IPv4Address("10.0.0.2")
    published = [
        Publication(HostPort(protocol, host, 8000), address, 80)
        for protocol in ("tcp", "sctp")
        for host in (ANY_ADDRESS, ANY_ADDRESS_6)
    ]
    assert relay_targets(published) == {"[::]:8000/tcp": ("10.0.0.2", 80)}
    assert [each.is_translated for each in published] == [True, False, True, False]
    assert str(published[1]) == "[::]:8000:10.0.0.2:80/tcp"
