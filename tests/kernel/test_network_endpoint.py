# SPDX-License-Identifier: Apache-2.0
"""What a container finds in its network namespace, and what is left on the host."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator

import pytest

from kernel.network_lab import Lab, Namespace, make_bridge
from sampan.errors import Conflict, NotFound
from sampan.linux import rtnetlink as rt
from sampan.linux.netlink import NetlinkError
from sampan.linux.route_dump import find_link, read_addresses, read_links, read_routes
from sampan.network.bridge import ensure_bridge, plan_bridge, remove_bridge, stale_interfaces
from sampan.network.endpoint import (
    apply_endpoint,
    plan_endpoint,
    plan_host_endpoint,
    plan_interface,
    remove_endpoint,
)
from sampan.network.host import read_host, read_sysctl


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    yield made
    made.close()


def test_a_container_has_loopback_and_one_interface(lab: Lab) -> None:
    with lab.box(lab.one, 2).entered(), rt.open_route_socket() as route:
        links = {link.name: link for link in read_links(route)}
        addresses = {(a.address, a.prefix_length) for a in read_addresses(route)}
        routes = {(r.destination, r.prefix_length, r.gateway) for r in read_routes(route)}
    assert set(links) == {"lo", "eth0"}
    assert all(link.is_up for link in links.values())
    assert links["eth0"].mac == "02:42:ac:1e:00:02"
    assert links["eth0"].mtu == 1400
    assert addresses == {("127.0.0.1", 8), ("172.30.0.2", 16)}
    assert routes == {("0.0.0.0", 0, "172.30.0.1"), ("172.30.0.0", 16, "")}


def test_a_container_has_no_ipv6_way_around_the_rules(lab: Lab) -> None:
    box = lab.box(lab.one, 2)
    for where, name in ((box, "eth0"), (lab.host, "lab1"), (lab.host, "veth12")):
        with where.entered(), open("/proc/thread-self/net/if_inet6") as file:
            assert name not in file.read()


def test_low_ports_and_pings_need_no_capability_as_in_docker(lab: Lab) -> None:
    with lab.box(lab.one, 2).entered():
        assert read_sysctl("net.ipv4.ip_unprivileged_port_start") == "0"
        assert read_sysctl("net.ipv4.ping_group_range").split() == ["0", "2147483647"]


def test_settings_of_the_user_are_the_containers_own(lab: Lab) -> None:
    container = lab.keep(Namespace())
    with lab.host.entered():
        before = read_sysctl("net.core.somaxconn")
        route = rt.open_route_socket()
    with route, container.entered():
        apply_endpoint(plan_endpoint(sysctls={"net.core.somaxconn": "77"}), route)
        assert read_sysctl("net.core.somaxconn") == "77"
    with lab.host.entered():
        assert read_sysctl("net.core.somaxconn") == before


def test_none_has_loopback_only(namespace: Namespace) -> None:
    with namespace.entered(), rt.open_route_socket() as route:
        apply_endpoint(plan_endpoint(), route)
        assert [(link.name, link.is_up) for link in read_links(route)] == [("lo", True)]


def test_host_touches_nothing(namespace: Namespace) -> None:
    with namespace.entered(), rt.open_route_socket() as route:
        apply_endpoint(plan_host_endpoint(), route)
        assert [(link.name, link.is_up) for link in read_links(route)] == [("lo", False)]


def test_the_veth_goes_with_the_container(lab: Lab) -> None:
    container = Namespace()
    with lab.host.entered():
        route = rt.open_route_socket()
    with route:
        with container.entered():
            apply_endpoint(plan_endpoint([interface("veth77")]), route)
        assert find_link(route, "veth77")
        container.close()
        wait_until_gone(lab, "veth77")


def test_a_container_can_leave_a_network_while_it_runs(lab: Lab) -> None:
    box = lab.box(lab.one, 2)
    with lab.host.entered(), rt.open_route_socket() as route:
        remove_endpoint(route, "veth12")
        assert find_link(route, "veth12") is None
        remove_endpoint(route, "veth12")
    with box.entered(), rt.open_route_socket() as route:
        assert find_link(route, "eth0") is None


def test_a_missing_bridge_is_named(lab: Lab) -> None:
    container = lab.keep(Namespace())
    with lab.host.entered():
        route = rt.open_route_socket()
    plan = plan_endpoint([{**interface("veth77"), "bridge": "nowhere"}])
    with route, container.entered(), pytest.raises(NotFound, match="bridge nowhere: no such interface"):
        apply_endpoint(plan, route)


def test_the_kernel_says_why_it_refuses(lab: Lab) -> None:
    with lab.host.entered(), rt.open_route_socket() as route:
        with pytest.raises(NetlinkError) as caught:
            route.exchange([rt.add_default_route(1, "203.0.113.1")])
        assert route.exchange([rt.set_up(1)]) == []  # the socket is as good as before
    assert caught.value.errno == errno.ENETUNREACH
    assert str(caught.value).startswith("netlink add default route via 203.0.113.1: network is unreachable")


class TestBridge:
    """`ensure_bridge` on what may be there already."""

    def test_is_left_alone_when_right(self, lab: Lab) -> None:
        with lab.host.entered(), rt.open_route_socket() as route:
            changes = [step.describe() for step in plan_bridge(lab.one, read_host(route))]
        assert [change for change in changes if not change.startswith("set net.")] == []

    def test_is_corrected(self, lab: Lab) -> None:
        moved = make_bridge("lab1", "172.29.0.0/16")
        with lab.host.entered(), rt.open_route_socket() as route:
            link = find_link(route, "lab1")
            assert link
            route.exchange([rt.set_mtu("lab1", 1234), rt.add_address(link.index, "10.1.2.3", 24)])
            ensure_bridge(route, moved)
            host = read_host(route)
        assert host.links["lab1"].mtu == 1400
        assert host.addresses["lab1"] == moved.interfaces

    def test_of_another_kind_is_refused(self, lab: Lab) -> None:
        refusal = pytest.raises(Conflict, match="network interface eth0: exists and is not a bridge")
        with lab.host.entered(), rt.open_route_socket() as route, refusal:
            ensure_bridge(route, make_bridge("eth0", "172.29.0.0/16"))

    def test_is_removed_once(self, lab: Lab) -> None:
        with lab.host.entered(), rt.open_route_socket() as route:
            remove_bridge(route, "lab2")
            remove_bridge(route, "lab2")
            assert find_link(route, "lab2") is None

    def test_mac_does_not_change_with_its_ports(self, lab: Lab) -> None:
        with lab.host.entered(), rt.open_route_socket() as route:
            lab.box(lab.one, 2)
            assert read_host(route).links["lab1"].mac == "02:42:ac:1e:00:01"

    def test_tells_stale_interfaces_from_wanted_and_foreign_ones(self, lab: Lab) -> None:
        lab.box(lab.one, 2)
        lab.box(lab.one, 3)
        lab.box(lab.two, 2)
        with lab.host.entered(), rt.open_route_socket() as route:
            assert stale_interfaces(read_host(route), {"lab1"}, {"veth12"}) == ["veth13"]


def test_the_hosts_mtu_and_networks_are_read(lab: Lab) -> None:
    with lab.neighbour.entered(), rt.open_route_socket() as route:
        route.exchange([rt.set_mtu("eth0", 1280)])
        host = read_host(route)
    assert host.default_interface == "eth0"
    assert host.default_mtu() == 1280
    assert "192.0.2.0/24" in map(str, host.taken_networks())
    assert {"10.255.255.53/32", "fd00::1/128"} <= set(
        map(str, host.taken_networks(["10.255.255.53", "fd00::1"]))
    )


def interface(host_interface: str) -> dict[str, object]:
    return plan_interface(
        bridge="lab1",
        host_interface=host_interface,
        name="eth0",
        mac="02:42:ac:1e:00:63",
        addresses=["172.30.0.99/16"],
        gateways=["172.30.0.1"],
        mtu=1400,
    )


def wait_until_gone(lab: Lab, name: str) -> None:
    """Listen until the kernel says that a link is deleted."""
    with lab.host.entered():
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    with events:
        events.bind((0, 1))  # RTMGRP_LINK
        events.settimeout(10)
        with lab.host.entered(), rt.open_route_socket() as route:
            deadline = time.monotonic() + 10
            while find_link(route, name) and time.monotonic() < deadline:
                events.recv(os.sysconf("SC_PAGESIZE") * 4)
            assert find_link(route, name) is None
