# SPDX-License-Identifier: Apache-2.0
"""Plans of bridges, endpoints and the packet filter, as data."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

import pytest

from sampan.errors import Conflict
from sampan.linux.route_dump import Link
from sampan.linux.rtnetlink import IFF_LOOPBACK, IFF_UP
from sampan.network.bridge import Bridge, plan_bridge, stale_bridges
from sampan.network.endpoint import (
    DEFAULT_SYSCTLS,
    needs_namespace,
    plan_endpoint,
    plan_host_endpoint,
    plan_interface,
)
from sampan.network.forwarding import plan_forwarding
from sampan.network.host import HostNetwork
from sampan.network.names import names_for_data_root
from sampan.network.publication import HostPort, Publication
from sampan.network.ruleset import map_elements, plan_bridges, plan_publish, plan_table, plan_unpublish

BRIDGE = Bridge("sampan0", IPv4Network("172.17.0.0/16"), IPv4Address("172.17.0.1"), 1400)
BRIDGE_6 = replace(BRIDGE, subnet6=IPv6Network("fd00:1::/64"), gateway6=IPv6Address("fd00:1::1"))
SETTINGS = [
    "set net.ipv4.conf.sampan0.route_localnet to 1",
    "set net.ipv6.conf.sampan0.disable_ipv6 to 1",
]


def host(*links: Link, addresses: dict[str, tuple[IPv4Interface, ...]] | None = None) -> HostNetwork:
    return HostNetwork({link.name: link for link in links}, addresses or {}, (), None, forwards=False)


def link(
    name: str = "sampan0",
    *,
    kind: str = "bridge",
    mtu: int = 1400,
    up: bool = True,
    index: int = 5,
    loopback: bool = False,
) -> Link:
    flags = (IFF_UP if up else 0) | (IFF_LOOPBACK if loopback else 0)
    return Link(index, name, kind=kind, flags=flags, operates=up, mtu=mtu, mac="", master=0)


def described(bridge: Bridge, where: HostNetwork) -> list[str]:
    return [step.describe() for step in plan_bridge(bridge, where)]


def test_a_new_bridge_is_created_before_it_is_configured() -> None:
    assert described(BRIDGE, host()) == [
        "create bridge sampan0 with mtu 1400",
        *SETTINGS,
        "add address 172.17.0.1/16 to sampan0",
        "set link sampan0 up",
    ]


def test_a_right_bridge_is_left_alone() -> None:
    assert described(BRIDGE, host(link(), addresses={"sampan0": BRIDGE.interfaces})) == SETTINGS


def test_a_wrong_bridge_is_corrected() -> None:
    wrong = host(link(mtu=1500, up=False), addresses={"sampan0": (IPv4Interface("10.0.0.1/8"),)})
    assert described(BRIDGE, wrong) == [
        "set mtu of sampan0 to 1400",
        *SETTINGS,
        "add address 172.17.0.1/16 to sampan0, remove 10.0.0.1/8",
        "set link sampan0 up",
    ]


def test_a_bridge_with_ipv6_has_that_switched_on_and_no_faith_in_routers() -> None:
    assert described(BRIDGE_6, host()) == [
        "create bridge sampan0 with mtu 1400",
        "set net.ipv4.conf.sampan0.route_localnet to 1",
        "set net.ipv6.conf.sampan0.accept_ra to 0",
        "set net.ipv6.conf.sampan0.disable_ipv6 to 0",
        "add address 172.17.0.1/16, fd00:1::1/64, fe80::1/64 to sampan0",
        "set link sampan0 up",
    ]


def test_an_isolated_bridge_has_no_address_of_its_own() -> None:
    isolated = replace(BRIDGE_6, internal=True, mode="isolated", mode6="isolated")
    assert [str(each) for each in isolated.interfaces] == ["fe80::1/64"]
    assert [str(each) for each in replace(BRIDGE_6, inhibit_ipv4=True).interfaces] == [
        "fd00:1::1/64",
        "fe80::1/64",
    ]


def test_only_bridges_of_ours_that_no_network_has_are_stale() -> None:
    names = names_for_data_root("/somewhere/else")
    own, other = names.network_bridge("one"), names_for_data_root("/elsewhere").network_bridge("one")
    there = host(
        link(own), link(names.network_bridge("two")), link(other), link("br0"), link("sn-dummy", kind="dummy")
    )
    assert stale_bridges(there, names.is_network_bridge, {own}) == [names.network_bridge("two")]
    assert len(own) <= 15


def test_a_link_of_another_kind_is_refused() -> None:
    with pytest.raises(Conflict, match="network interface sampan0: exists and is not a bridge"):
        plan_bridge(BRIDGE, host(link(kind="dummy")))


def test_a_router_is_left_one() -> None:
    assert plan_forwarding(replace(host(), forwards=True), ["sampan0"]) == []


def test_ipv6_is_forwarded_only_where_a_network_has_it() -> None:
    before = replace(host(link("eth0", index=2)), forwards=True)
    assert plan_forwarding(before, ["sampan0"]) == []
    assert [step.describe() for step in plan_forwarding(before, ["sampan0"], ipv6=True)] == [
        "forward nothing between eth0 (IPv6)",
        "go on accepting router advertisements on eth0",
        "set net.ipv6.conf.all.forwarding to 1",
    ]
    assert plan_forwarding(replace(before, forwards_ipv6=True), ["sampan0"], ipv6=True) == []


def test_a_host_that_becomes_a_router_is_none_for_what_was_there() -> None:
    before = host(
        link("lo", index=1, loopback=True), link("eth0", index=2), link("eth1", index=3), link(index=5)
    )
    assert [step.describe() for step in plan_forwarding(before, ["sampan0"])] == [
        "forward nothing between eth0, eth1",
        "set net.ipv4.ip_forward to 1",
    ]


@pytest.mark.parametrize(("mtu", "expected"), [(1400, 1400), (1500, 1500), (9000, 1500)])
def test_the_mtu_is_at_most_that_of_the_way_out(mtu: int, expected: int) -> None:
    assert replace(host(link("eth0", mtu=mtu)), default_interface="eth0").default_mtu() == expected


def test_without_a_way_out_the_mtu_is_ethernets() -> None:
    assert host().default_mtu() == 1500


def test_an_endpoint_crosses_as_json() -> None:
    interface = plan_interface(
        bridge="sampan0",
        host_interface="veth1",
        name="eth0",
        mac="02:42:ac:11:00:02",
        addresses=["172.17.0.2/16"],
        gateways=["172.17.0.1"],
        mtu=1400,
    )
    plan = plan_endpoint([interface], sysctls={"net.core.somaxconn": "7"})
    assert json.loads(json.dumps(plan)) == plan
    assert plan["interfaces"][0]["host_mac"] == "0e:42:ac:11:00:02"
    assert plan["sysctls"] == {**DEFAULT_SYSCTLS, "net.core.somaxconn": "7"}


def test_only_the_hosts_network_needs_no_namespace() -> None:
    assert needs_namespace(plan_endpoint())
    assert not needs_namespace(plan_host_endpoint())


def test_the_shim_loads_nothing_large_for_its_endpoint() -> None:
    large = {"dataclasses", "ipaddress", "typing", "asyncio", "subprocess", "logging"}
    code = f"import sys; sys.path[:0] = {sys.path}; import sampan.network.endpoint; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "sampan.network.endpoint" in loaded
    assert large.isdisjoint(loaded)


def publication(address: str, port: int) -> Publication:
    return Publication(HostPort("tcp", IPv4Address(address), port), IPv4Address("172.17.0.2"), 80)


def test_ports_of_all_addresses_and_of_one_are_in_a_map_each() -> None:
    elements = map_elements([publication("0.0.0.0", 8000), publication("127.0.0.1", 8001)])
    target = bytes((172, 17, 0, 2, 0, 80, 0, 0))
    assert elements == {
        "published_any": [(b"\x06\0\0\0" + (8000).to_bytes(2, "big") + b"\0\0", target)],
        "published_at": [
            (b"\x06\0\0\0" + bytes((127, 0, 0, 1)) + (8001).to_bytes(2, "big") + b"\0\0", target)
        ],
        "routed": [],
    }


def test_a_routed_port_is_known_by_the_containers_own_address() -> None:
    elements = map_elements([publication("0.0.0.0", 0)])
    key = b"\x06\0\0\0" + bytes((172, 17, 0, 2, 0, 80, 0, 0))
    assert elements == {"published_any": [], "published_at": [], "routed": [(key, b"")]}


def test_publishing_is_one_request_a_map() -> None:
    ports = [publication("0.0.0.0", port) for port in range(8000, 8010)]
    assert [request.subject for request in plan_publish("t", ports)] == ["add elements to t published_any"]
    assert [request.subject for request in plan_unpublish("t", ports)] == [
        "delete elements of t published_any"
    ]
    assert plan_publish("t", []) == []


def test_the_table_is_replaced_in_one_transaction() -> None:
    subjects = [request.subject for request in plan_table("t", [BRIDGE], [])]
    assert subjects[:3] == ["add table t", "delete table t", "add table t"]
    declared = max(
        n for n, subject in enumerate(subjects) if subject.startswith(("add set", "add map", "add chain"))
    )
    used = min(n for n, subject in enumerate(subjects) if subject.startswith(("add rule", "add elements")))
    assert declared < used


def test_a_change_of_bridges_leaves_published_ports_alone() -> None:
    subjects = " ".join(request.subject for request in plan_bridges("t", [BRIDGE]))
    assert "published" not in subjects
    assert "table" not in subjects
