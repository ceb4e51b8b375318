# SPDX-License-Identifier: Apache-2.0
"""Who reaches whom by IPv6: real packets between a host, its neighbours and containers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kernel.network_lab import (
    HOST,
    NEIGHBOUR,
    OTHER_HOST,
    OTHER_NEIGHBOUR,
    Box,
    Lab,
    over_ipv6,
    publication,
)
from sampan.linux import nftables, rtnetlink
from sampan.linux.nftables_dump import read_base_chains
from sampan.network.bridge import ISOLATED, ROUTED, UNPROTECTED, ensure_bridge
from sampan.network.host import read_host, read_sysctl

WEB = 80
ANY = "::"
GATEWAY = "fd00:1::1"


@pytest.fixture(params=[False, True], ids=["routed", "bridge-nf-call-ip6tables"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(bridged_nat=request.param, ipv6=True)
    yield made
    made.close()


@pytest.fixture
def box(lab: Lab) -> Box:
    return lab.box(lab.one, 2)


@pytest.fixture
def server(lab: Lab, box: Box) -> socket.socket:
    return lab.serve(box, WEB, address=ANY)


def test_containers_of_a_bridge_and_the_host_reach_each_other(
    lab: Lab, box: Box, server: socket.socket
) -> None:
    assert lab.asks(lab.box(lab.one, 3), box.address6, WEB, server) == "fd00:1::3"
    assert lab.asks(lab.host, box.address6, WEB, server) == GATEWAY
    lab.asks(box, GATEWAY, 7000, lab.serve(lab.host, 7000, address=ANY))


def test_a_container_goes_out_with_the_hosts_address(lab: Lab, box: Box) -> None:
    outside = lab.serve(lab.neighbour, WEB, address=ANY)
    assert lab.asks(box, over_ipv6(NEIGHBOUR), WEB, outside) == over_ipv6(HOST)


def test_bridges_are_isolated_from_each_other(lab: Lab, box: Box, server: socket.socket) -> None:
    assert not lab.reaches(lab.box(lab.two, 2), box.address6, WEB)
    assert not lab.reaches(lab.neighbour, box.address6, WEB)


def test_a_published_port_is_reached_by_whoever_may(lab: Lab, box: Box, server: socket.socket) -> None:
    lab.firewall.publish([publication(box, host=ANY, port=8000)])
    assert lab.asks(lab.host, over_ipv6(HOST), 8000, server) == over_ipv6(HOST)
    assert lab.asks(lab.neighbour, over_ipv6(HOST), 8000, server) == over_ipv6(NEIGHBOUR)
    assert lab.asks(lab.other_neighbour, over_ipv6(OTHER_HOST), 8000, server) == over_ipv6(OTHER_NEIGHBOUR)
    lab.asks(lab.box(lab.one, 3), GATEWAY, 8000, server)
    lab.asks(lab.box(lab.two, 2), over_ipv6(HOST), 8000, server)
    lab.asks(box, over_ipv6(HOST), 8000, server)
    lab.firewall.unpublish([publication(box, host=ANY, port=8000)])
    assert not lab.reaches(lab.neighbour, over_ipv6(HOST), 8000)


def test_a_port_of_one_address_is_reached_there_only(lab: Lab, box: Box, server: socket.socket) -> None:
    lab.firewall.publish([publication(box, host=over_ipv6(HOST), port=8000)])
    lab.asks(lab.neighbour, over_ipv6(HOST), 8000, server)
    assert not lab.reaches(lab.other_neighbour, over_ipv6(OTHER_HOST), 8000)


def test_datagrams_are_answered_by_whom_was_asked(lab: Lab, box: Box) -> None:
    lab.firewall.publish([publication(box, host=ANY, port=5300, to=53, protocol="udp")])
    server = lab.serve(box, 53, socket.SOCK_DGRAM, address=ANY)
    assert lab.asks_udp(lab.neighbour, over_ipv6(HOST), 5300, server) == over_ipv6(NEIGHBOUR)


def test_an_internal_network_has_no_way_out(lab: Lab) -> None:
    lab.firewall.set_bridges([lab.one, replace(lab.two, internal=True)])
    lab.serve(lab.neighbour, WEB, address=ANY)
    inside, peer = lab.box(lab.two, 2), lab.box(lab.two, 3)
    lab.serve(peer, WEB, address=ANY)
    assert not lab.reaches(inside, over_ipv6(NEIGHBOUR), WEB)
    lab.connect(inside, peer.address6, WEB)


def test_of_a_routed_network_published_ports_are_reached_at_their_own_address(
    lab: Lab, box: Box, server: socket.socket
) -> None:
    lab.firewall.set_bridges([replace(lab.one, mode6=ROUTED), lab.two])
    lab.serve(box, 81, address=ANY)
    lab.firewall.publish([publication(box, host=ANY, port=0)])
    assert lab.asks(lab.neighbour, box.address6, WEB, server) == over_ipv6(NEIGHBOUR)
    assert not lab.reaches(lab.neighbour, box.address6, 81)
    outside = lab.serve(lab.neighbour, WEB, address=ANY)
    assert lab.asks(box, over_ipv6(NEIGHBOUR), WEB, outside) == box.address6
    lab.firewall.unpublish([publication(box, host=ANY, port=0)])
    assert not lab.reaches(lab.neighbour, box.address6, WEB)


def test_an_unprotected_network_and_a_trusted_interface_reach_every_port(
    lab: Lab, box: Box, server: socket.socket
) -> None:
    lab.firewall.set_bridges([replace(lab.one, mode6=UNPROTECTED), lab.two])
    lab.connect(lab.neighbour, box.address6, WEB)
    lab.firewall.set_bridges([replace(lab.one, trusted=("eth1",)), lab.two])
    assert not lab.reaches(lab.neighbour, box.address6, WEB)
    lab.connect(lab.other_neighbour, box.address6, WEB)


def test_of_an_isolated_network_the_host_is_no_part(lab: Lab, box: Box, server: socket.socket) -> None:
    isolated = replace(lab.one, internal=True, mode=ISOLATED, mode6=ISOLATED)
    with lab.host.entered(), rtnetlink.open_route_socket() as route:
        ensure_bridge(route, isolated)
    lab.firewall.set_bridges([isolated])
    assert not lab.reaches(lab.host, box.address6, WEB)
    lab.connect(lab.box(lab.one, 3), box.address6, WEB)


def test_sampan_makes_no_router_of_the_host(lab: Lab, box: Box) -> None:
    lab.serve(lab.other_neighbour, WEB, address=ANY)
    with lab.host.entered():
        assert read_sysctl("net.ipv6.conf.all.forwarding") == "1"
        assert read_sysctl("net.ipv6.conf.eth0.accept_ra") == "2"
    assert not lab.reaches(lab.neighbour, over_ipv6(OTHER_NEIGHBOUR), WEB)
    lab.connect(box, over_ipv6(OTHER_NEIGHBOUR), WEB)


def test_the_table_is_there_as_long_as_a_network_has_ipv6(lab: Lab) -> None:
    def families() -> set[int]:
        with lab.host.entered(), nftables.open_netfilter_socket() as sock:
            return {chain.family for chain in read_base_chains(sock) if chain.table == "lab"}

    only_ipv4 = replace(lab.one, subnet6=None, gateway6=None)
    assert families() == {socket.AF_INET, socket.AF_INET6}
    lab.firewall.set_bridges([only_ipv4])
    assert families() == {socket.AF_INET}
    lab.firewall.set_bridges([lab.one])
    assert families() == {socket.AF_INET, socket.AF_INET6}
    lab.firewall.reconcile([only_ipv4], [])
    assert families() == {socket.AF_INET}
    lab.firewall.set_bridges([lab.one])
    lab.firewall.remove()
    assert families() == set()


def test_a_right_bridge_is_left_alone(lab: Lab) -> None:
    with lab.host.entered(), rtnetlink.open_route_socket() as route:
        done = [step for step in ensure_bridge(route, lab.one) if not step.startswith("set net.")]
        assert done == []
        assert set(read_host(route).addresses["lab1"]) == set(lab.one.interfaces)


def test_no_address_is_tentative(lab: Lab, box: Box) -> None:
    """Duplicates are not looked for: that would cost a second, and the addresses have been chosen here."""
    for where, name in ((box, "eth0"), (lab.host, "lab1")):
        with where.entered(), open("/proc/thread-self/net/if_inet6") as file:
            flags = [int(line.split()[4], 16) for line in file if line.split()[5] == name]
        assert flags
        assert not any(flag & 0x40 for flag in flags)
