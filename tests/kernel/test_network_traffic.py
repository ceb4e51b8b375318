# SPDX-License-Identifier: Apache-2.0
"""Who reaches whom: real packets between a host, its neighbours and containers."""

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
    QUICK_S,
    Box,
    Lab,
    Namespace,
    publication,
)
from sampan.linux import rtnetlink as rt
from sampan.linux.route_dump import find_link
from sampan.network.endpoint import write_sysctl
from sampan.network.host import read_sysctl

WEB = 80


@pytest.fixture(params=[False, True], ids=["routed", "bridge-nf-call-iptables"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """With br_netfilter, NAT happens while bridging; both ways have to work."""
    made = Lab(bridged_nat=request.param)
    yield made
    made.close()


@pytest.fixture
def box(lab: Lab) -> Box:
    return lab.box(lab.one, 2)


def test_containers_of_a_bridge_reach_each_other(lab: Lab, box: Box) -> None:
    server = lab.serve(box, WEB)
    assert lab.asks(lab.box(lab.one, 3), box.address, WEB, server) == "172.30.0.3"


def test_the_host_reaches_a_container(lab: Lab, box: Box) -> None:
    assert lab.asks(lab.host, box.address, WEB, lab.serve(box, WEB)) == "172.30.0.1"


def test_a_container_goes_out_with_the_hosts_address(lab: Lab, box: Box) -> None:
    assert lab.asks(box, NEIGHBOUR, WEB, lab.serve(lab.neighbour, WEB)) == HOST


def test_bridges_are_isolated_from_each_other(lab: Lab, box: Box) -> None:
    lab.serve(box, WEB)
    assert not lab.reaches(lab.box(lab.two, 2), box.address, WEB)


class TestPublished:
    """A port published on all addresses of the host."""

    @pytest.fixture
    def server(self, lab: Lab, box: Box) -> socket.socket:
        lab.firewall.publish([publication(box, port=8000)])
        return lab.serve(box, WEB)

    def test_is_reached_on_loopback(self, lab: Lab, server: socket.socket) -> None:
        assert lab.asks(lab.host, "127.0.0.1", 8000, server) == "172.30.0.1"

    def test_is_reached_by_the_host_on_its_address(self, lab: Lab, server: socket.socket) -> None:
        assert lab.asks(lab.host, HOST, 8000, server) == HOST

    def test_is_reached_by_neighbours_who_are_seen_as_themselves(
        self, lab: Lab, server: socket.socket
    ) -> None:
        assert lab.asks(lab.neighbour, HOST, 8000, server) == NEIGHBOUR
        assert lab.asks(lab.other_neighbour, OTHER_HOST, 8000, server) == OTHER_NEIGHBOUR

    @pytest.mark.parametrize("address", [HOST, "172.30.0.1"])
    def test_is_reached_by_another_container(self, lab: Lab, server: socket.socket, address: str) -> None:
        lab.asks(lab.box(lab.one, 3), address, 8000, server)

    def test_is_reached_by_the_container_itself(self, lab: Lab, box: Box, server: socket.socket) -> None:
        lab.asks(box, HOST, 8000, server)

    def test_is_reached_from_another_bridge(self, lab: Lab, server: socket.socket) -> None:
        lab.asks(lab.box(lab.two, 2), HOST, 8000, server)

    def test_is_not_reached_past_the_host(self, lab: Lab, box: Box, server: socket.socket) -> None:
        assert not lab.reaches(lab.neighbour, box.address, WEB)
        assert lab.reaches(lab.neighbour, HOST, 8000)

    def test_ends_with_unpublish(self, lab: Lab, box: Box, server: socket.socket) -> None:
        assert lab.reaches(lab.host, "127.0.0.1", 8000)
        lab.firewall.unpublish([publication(box, port=8000)])
        assert not lab.reaches(lab.host, "127.0.0.1", 8000)
        assert not lab.reaches(lab.neighbour, HOST, 8000)

    def test_survives_a_change_of_bridges(self, lab: Lab, server: socket.socket) -> None:
        lab.firewall.set_bridges([lab.one])
        assert lab.reaches(lab.neighbour, HOST, 8000)


class TestPublishedOnOneAddress:
    """A port published on one address of the host only."""

    def test_is_reached_there_and_nowhere_else(self, lab: Lab, box: Box) -> None:
        lab.firewall.publish([publication(box, host=HOST, port=8000)])
        server = lab.serve(box, WEB)
        lab.asks(lab.neighbour, HOST, 8000, server)
        assert not lab.reaches(lab.other_neighbour, OTHER_HOST, 8000)
        assert not lab.reaches(lab.host, "127.0.0.1", 8000)

    def test_wins_over_one_on_all_addresses(self, lab: Lab, box: Box) -> None:
        lab.firewall.publish([publication(box, port=8000, to=81), publication(box, host=HOST, port=8000)])
        everywhere, here = lab.serve(box, 81), lab.serve(box, WEB)
        lab.asks(lab.neighbour, HOST, 8000, here)
        lab.asks(lab.other_neighbour, OTHER_HOST, 8000, everywhere)

    def test_on_loopback_is_only_for_the_host(self, lab: Lab, box: Box) -> None:
        lab.firewall.publish([publication(box, host="127.0.0.1", port=8000)])
        server = lab.serve(box, WEB)
        lab.asks(lab.host, "127.0.0.1", 8000, server)
        assert not lab.reaches(lab.neighbour, HOST, 8000)
        assert not lab.reaches(lab.box(lab.one, 3), HOST, 8000)


class TestUdp:
    """Datagrams: answers have to come from whom was asked."""

    @pytest.fixture
    def server(self, lab: Lab, box: Box) -> socket.socket:
        lab.firewall.publish([publication(box, port=5300, to=53, protocol="udp")])
        return lab.serve(box, 53, socket.SOCK_DGRAM)

    def test_is_reached_from_everywhere(self, lab: Lab, server: socket.socket) -> None:
        assert lab.asks_udp(lab.host, "127.0.0.1", 5300, server) == "172.30.0.1"
        assert lab.asks_udp(lab.neighbour, HOST, 5300, server) == NEIGHBOUR
        lab.asks_udp(lab.box(lab.one, 3), HOST, 5300, server)

    def test_does_not_publish_tcp(self, lab: Lab, box: Box, server: socket.socket) -> None:
        lab.serve(box, 53)
        assert not lab.reaches(lab.neighbour, HOST, 5300)

    def test_a_flow_follows_the_port_to_another_container(
        self, lab: Lab, box: Box, server: socket.socket
    ) -> None:
        client = lab.keep(lab.neighbour.socket(socket.SOCK_DGRAM))
        client.connect((HOST, 5300))
        client.send(b"old")
        assert server.recv(3) == b"old"
        lab.firewall.unpublish([publication(box, port=5300, to=53, protocol="udp")])
        successor = lab.box(lab.one, 3)
        new_server = lab.serve(successor, 53, socket.SOCK_DGRAM)
        lab.firewall.publish([publication(successor, port=5300, to=53, protocol="udp")])
        client.send(b"new")
        assert new_server.recv(3) == b"new"


class TestLoopbackOfTheHost:
    """CVE-2020-8558: bridges route 127.0.0.0/8, so everybody else must be kept off it."""

    @pytest.mark.parametrize("attacker", ["neighbour", "container"])
    def test_is_out_of_reach_from_the_wire(self, lab: Lab, box: Box, attacker: str) -> None:
        lab.serve(lab.host, 7000, address="127.0.0.1")
        lab.firewall.publish([publication(box, host="127.0.0.1", port=8000)])
        lab.serve(box, WEB)
        where, gateway = (
            (lab.neighbour, HOST) if attacker == "neighbour" else (lab.box(lab.one, 3), "172.30.0.1")
        )
        with lab.host.entered():
            write_sysctl("net.ipv4.conf.eth0.route_localnet", "1")  # the worst case
        send_loopback_to(where, gateway)
        assert not lab.reaches(where, "127.0.0.1", 7000)
        assert not lab.reaches(where, "127.0.0.1", 8000)

    def test_is_no_source_that_the_wire_can_claim(self, lab: Lab, box: Box) -> None:
        server = lab.serve(lab.host, 7000, socket.SOCK_DGRAM)
        server.settimeout(QUICK_S)
        with lab.host.entered():
            write_sysctl("net.ipv4.conf.lab1.accept_local", "1")  # the worst case
        with box.entered():
            write_sysctl("net.ipv4.conf.eth0.route_localnet", "1")
        liar = lab.keep(box.socket(socket.SOCK_DGRAM))
        liar.bind(("127.0.0.1", 0))
        liar.sendto(b"it is me", ("172.30.0.1", 7000))
        with pytest.raises(TimeoutError):
            server.recv(100)


def test_sampan_makes_no_router_of_the_host(lab: Lab, box: Box) -> None:
    lab.serve(lab.other_neighbour, WEB)
    with lab.host.entered():
        assert read_sysctl("net.ipv4.ip_forward") == "1"
    assert not lab.reaches(lab.neighbour, OTHER_NEIGHBOUR, WEB)
    assert lab.reaches(box, OTHER_NEIGHBOUR, WEB)
    lab.firewall.remove()
    assert not lab.reaches(lab.neighbour, OTHER_NEIGHBOUR, WEB), "the engine goes, the guard stays"


def test_reconcile_makes_the_table_exactly_what_is_wanted(lab: Lab, box: Box) -> None:
    lab.serve(box, WEB)
    lab.firewall.publish([publication(box, port=8000), publication(box, port=8001)])
    lab.firewall.reconcile([lab.one], [publication(box, port=8001)])
    assert lab.reaches(lab.neighbour, HOST, 8001)
    assert not lab.reaches(lab.neighbour, HOST, 8000)


def test_publishing_replaces_what_a_lost_container_left(lab: Lab, box: Box) -> None:
    lab.firewall.publish([publication(box, port=8000)])
    successor = lab.box(lab.one, 3)
    lab.firewall.publish([publication(successor, port=8000), publication(successor, port=8001)])
    server = lab.serve(successor, WEB)
    lab.asks(lab.neighbour, HOST, 8000, server)
    lab.asks(lab.neighbour, HOST, 8001, server)


def test_unpublishing_twice_is_no_error(lab: Lab, box: Box) -> None:
    both = [publication(box, port=8000), publication(box, host=HOST, port=8001)]
    lab.firewall.publish(both)
    lab.firewall.unpublish(both[:1])
    lab.firewall.unpublish(both)
    lab.firewall.unpublish(both)


def test_an_internal_network_has_no_way_out(lab: Lab) -> None:
    lab.firewall.set_bridges([lab.one, replace(lab.two, internal=True)])
    lab.serve(lab.neighbour, WEB)
    inside, peer = lab.box(lab.two, 2), lab.box(lab.two, 3)
    lab.serve(peer, WEB)
    assert not lab.reaches(inside, NEIGHBOUR, WEB)
    assert lab.reaches(inside, peer.address, WEB)


def send_loopback_to(where: Namespace, gateway: str) -> None:
    """Make a namespace send 127.0.0.0/8 to a gateway, as an attacker on its wire would."""
    with where.entered(), rt.open_route_socket() as route:
        write_sysctl("net.ipv4.conf.eth0.route_localnet", "1")
        write_sysctl("net.ipv4.conf.all.route_localnet", "1")
        loopback = find_link(route, "lo")
        eth0 = find_link(route, "eth0")
        assert loopback is not None
        assert eth0 is not None
        route.exchange([rt.delete_address(loopback.index, "127.0.0.1", 8)])
