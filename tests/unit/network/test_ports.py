# SPDX-License-Identifier: Apache-2.0
"""Which ports of the host may be tried for a container."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument, Unsupported
from sampan.network.ports import PortMapping, iter_free, parse_host_address, rotate
from sampan.network.publication import ANY_ADDRESS, HostPort

LOOPBACK = IPv4Address("127.0.0.1")

host_ports = st.builds(
    HostPort,
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from([ANY_ADDRESS, LOOPBACK, IPv4Address("192.0.2.1")]),
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
        host = HostPort("tcp", ANY_ADDRESS, port)
        assert (host in free) == (not any(host.overlaps(other) for other in allocated))


@given(st.integers(0, 20))
def test_going_round_leaves_no_port_out(first: int) -> None:
    turn = rotate(range(5, 15), first)
    assert sorted(turn) == list(range(5, 15))
    assert turn[0] == (first if 5 <= first < 15 else 5)


def test_host_addresses_are_parsed() -> None:
    assert parse_host_address("") == ANY_ADDRESS
    assert parse_host_address("127.0.0.1") == LOOPBACK
    with pytest.raises(InvalidArgument, match=r"invalid IP address: localhost"):
        parse_host_address("localhost")


def test_ipv6_host_addresses_are_refused_not_ignored() -> None:
    with pytest.raises(Unsupported, match=r"publish on \[::1\]: only IPv4 addresses of the host") as caught:
        parse_host_address("[::1]")
    assert caught.value.hint
