# SPDX-License-Identifier: Apache-2.0
"""What is made of what a user asks of networks, as data."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from sampan.engine.endpoints import choose_interface, choose_ways_out, parse_mac, plan_endpoints
from sampan.engine.links import parse_link
from sampan.engine.model import Endpoint
from sampan.engine.network_checks import check_create
from sampan.engine.network_model import Network, Pool, Settings, decode_network, encode_network
from sampan.engine.network_plan import apply_config, plan_settings
from sampan.engine.network_pools import Ground
from sampan.engine.network_view import describe_network, passes
from sampan.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SampanError,
    Unavailable,
    Unsupported,
)
from sampan.metadata.networks import NetworkRecord
from sampan.network.resolv import ResolvConf, add_hosts_line, behind_name_server, drop_hosts_line
from sampan.schema.container import (
    ContainerCreate,
    EndpointConfig,
    EndpointIpam,
    HostConfig,
    NetworkingConfig,
)
from sampan.schema.network import ConfigReference, Ipam, IpamPool, NetworkCreate

TAKEN = [IPv4Network("172.17.0.0/16"), IPv4Network("172.18.0.0/16")]


def settings(create: NetworkCreate, own: list[IPv4Network] | None = None) -> Settings:
    ground = Ground("sn-1", 1400, own=own or [], taken=TAKEN, has_ipv6=True, identity="this host")
    return plan_settings(create, ground)


def network(name: str = "sea", *, driver: str = "bridge", internal: bool = False, **more: Any) -> Network:
    pool = Pool("10.0.0.0/24", is_subnet_given=True)
    made = Settings(driver, pool, internal=internal, bridge="sn-1", **more)
    return Network(name + "-id", name, 1, made)


def pool(**fields: Any) -> NetworkCreate:
    return NetworkCreate(name="sea", ipam=Ipam(config=[IpamPool(**fields)]))


def test_a_subnet_is_chosen_that_nobody_has() -> None:
    made = settings(NetworkCreate(name="sea"), own=[IPv4Network("172.19.0.0/16")])
    assert made.ipv4 == Pool("172.20.0.0/16", "172.20.0.1")
    assert made.ipv6 is None
    assert (made.bridge, made.mtu) == ("sn-1", 1400)


def test_what_the_user_gives_is_taken() -> None:
    create = pool(
        subnet="10.9.0.0/24",
        gateway="10.9.0.9",
        ip_range="10.9.0.128/25",
        auxiliary_addresses={"printer": "10.9.0.200"},
    )
    create.options = {"com.docker.network.bridge.name": "wharf", "com.docker.network.driver.mtu": "1300"}
    made = settings(create)
    reserved = {"printer": "10.9.0.200"}
    assert made.ipv4 == Pool("10.9.0.0/24", "10.9.0.9", "10.9.0.128/25", reserved, True, True)
    assert (made.bridge, made.mtu) == ("wharf", 1300)


def test_ipv6_gets_a_unique_local_subnet_of_the_hosts_own() -> None:
    create = NetworkCreate(name="sea", enable_ipv6=True)
    first = settings(create).ipv6
    assert first
    subnet = IPv6Network(first.subnet)
    assert subnet.subnet_of(IPv6Network("fd00::/8"))
    assert subnet.prefixlen == 64
    second = settings(create, own=[subnet]).ipv6
    assert second
    assert IPv6Network(second.subnet).network_address == subnet.network_address + (1 << 64)
    assert settings(create).ipv6 == first


def test_a_network_has_a_subnet_of_each_family_or_only_ipv6() -> None:
    pools = [IpamPool("fd00:9::/64", gateway="fd00:9::9"), IpamPool("10.9.0.0/24")]
    create = NetworkCreate(name="sea", enable_ipv6=True, ipam=Ipam(config=pools))
    made = settings(create)
    assert made.ipv4
    assert made.ipv6
    assert (made.ipv4.subnet, made.ipv6.subnet, made.ipv6.gateway) == (
        "10.9.0.0/24",
        "fd00:9::/64",
        "fd00:9::9",
    )
    alone = settings(NetworkCreate(name="sea", enable_ipv4=False, enable_ipv6=True))
    assert alone.ipv4 is None
    assert alone.ipv6


def test_a_kernel_without_ipv6_is_named() -> None:
    ground = Ground("sn-1", 1400, own=[], taken=[], has_ipv6=False, identity="")
    with pytest.raises(Unavailable, match="cannot enable IPv6: the kernel has no IPv6"):
        plan_settings(NetworkCreate(name="sea", enable_ipv6=True), ground)


def test_a_network_is_made_from_a_configuration() -> None:
    written = NetworkCreate(
        name="chart",
        config_only=True,
        enable_ipv6=True,
        ipam=Ipam(config=[IpamPool("10.9.0.0/24", ip_range="10.9.0.128/25")]),
        options={"com.docker.network.driver.mtu": "1300"},
    )
    chart = Network("1", "chart", 1, plan_settings(written, Ground.bare()))
    assert chart.subnets == []
    create = NetworkCreate(name="sea", config_from=ConfigReference(network="chart"))
    check_create(create)
    made = settings(apply_config(create, chart))
    assert made.ipv4
    assert (made.ipv4.subnet, made.ipv4.ip_range, made.mtu) == ("10.9.0.0/24", "10.9.0.128/25", 1300)
    assert (made.has_ipv6, made.config_from, made.config_only) == (True, "chart", False)
    for other in (network(), None):
        with pytest.raises(NotFound, match='configuration network "chart" does not exist'):
            apply_config(create, other)


def test_a_record_of_the_first_kind_is_read() -> None:
    old = {"driver": "bridge", "subnet": "10.9.0.0/24", "gateway": "10.9.0.1", "is_subnet_given": True}
    read = decode_network(NetworkRecord("1", "sea", 1, old))
    assert read.settings.ipv4 == Pool("10.9.0.0/24", "10.9.0.1", is_subnet_given=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"subnet": "10.9.0.0/33"}, "invalid subnet 10.9.0.0/33: invalid CIDR block notation"),
        ({"subnet": "10.9.0.1/24"}, "invalid subnet 10.9.0.1/24: it should be 10.9.0.0/24"),
        (
            {"subnet": "10.9.0.0/24", "gateway": "10.8.0.1"},
            "parent subnet 10.9.0.0/24 doesn't contain this address",
        ),
        ({"subnet": "10.9.0.0/24", "gateway": "x"}, "invalid gateway x: invalid address"),
        ({"subnet": "10.9.0.0/24", "ip_range": "10.8.0.0/25"}, "doesn't contain ip-range"),
        ({"gateway": "10.8.0.1"}, "needs a subnet"),
        ({"subnet": "fd00::/64"}, "an IPv6 subnet needs a network with IPv6"),
        ({"subnet": "10.0.0.0/25"}, "Pool overlaps with other one on this address space"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(SampanError, match=message):
        settings(pool(**fields), own=[IPv4Network("10.0.0.0/16")])


@pytest.mark.parametrize(
    ("create", "kind"),
    [
        (NetworkCreate(name=" "), InvalidArgument),
        (NetworkCreate(name="host"), PermissionDenied),
        (NetworkCreate(name="sea", driver="null"), PermissionDenied),
        (NetworkCreate(name="sea", driver="ipvlan"), Unsupported),
        (NetworkCreate(name="sea", driver="macvlan"), InvalidArgument),
        (
            NetworkCreate(name="sea", driver="macvlan", options={"parent": "eth0", "macvlan_mode": "x"}),
            InvalidArgument,
        ),
        (NetworkCreate(name="sea", driver="hovercraft"), NotFound),
        (NetworkCreate(name="sea", enable_ipv4=False), InvalidArgument),
        (NetworkCreate(name="sea", ingress=True), Unavailable),
        (NetworkCreate(name="sea", scope="swarm"), Unavailable),
        (NetworkCreate(name="sea", scope="global"), Unsupported),
        (NetworkCreate(name="sea", config_only=True, internal=True), PermissionDenied),
        (
            NetworkCreate(name="sea", config_only=True, config_from=ConfigReference(network="x")),
            PermissionDenied,
        ),
        (
            NetworkCreate(name="sea", options={"a": "b"}, config_from=ConfigReference(network="x")),
            PermissionDenied,
        ),
        (
            NetworkCreate(name="sea", options={"com.docker.network.bridge.gateway_mode_ipv6": "x"}),
            InvalidArgument,
        ),
        (
            NetworkCreate(name="sea", options={"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}),
            InvalidArgument,
        ),
        (NetworkCreate(name="sea", options={"com.docker.network.driver.mtu": "12"}), InvalidArgument),
        (
            NetworkCreate(name="sea", options={"com.docker.network.bridge.enable_icc": "maybe"}),
            InvalidArgument,
        ),
    ],
)
def test_what_cannot_be_had_is_refused(create: NetworkCreate, kind: type[SampanError]) -> None:
    with pytest.raises(kind):
        check_create(create)


def test_options_reach_the_bridge() -> None:
    options = {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "0",
    }
    bridge = network(options=options).bridge()
    assert (bridge.icc, bridge.masquerade) == (False, False)
    assert (network().bridge().icc, network().bridge().masquerade) == (True, True)


def test_a_network_survives_the_database() -> None:
    made = network(labels={"a": "b"})
    assert decode_network(encode_network(made)) == made


def find(name: str) -> Network:
    known = {
        "bridge": network("bridge"),
        "sea": network("sea"),
        "bay": network("bay"),
        "host": network("host", driver="host"),
        "none": network("none", driver="null"),
        "auto": Network("auto-id", "auto", 1, Settings("bridge", Pool("10.5.0.0/24"))),
    }
    if name not in known:
        raise NotFound(f"network {name} not found")
    return known[name]


def endpoints(
    mode: str, asked: dict[str, EndpointConfig | None] | None = None, **host: Any
) -> dict[str, Endpoint]:
    create = ContainerCreate(networking_config=NetworkingConfig(endpoints_config=asked), mac_address="")
    return plan_endpoints(HostConfig(network_mode=mode, **host), create, find)


def test_the_networks_mode_comes_first() -> None:
    assert list(endpoints("bay", {"sea": None, "bay": EndpointConfig()})) == ["bay", "sea"]
    assert endpoints("container:x") == {}


def test_links_belong_to_a_user_defined_network() -> None:
    assert endpoints("sea", links=["db:base"])["sea"].wanted.links == ["db:base"]
    assert endpoints("bridge", links=["db:base"])["bridge"].wanted.links is None


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        ("none", {"sea": None}),
        ("host", {"sea": None}),
        ("bridge", {"bridge": EndpointConfig(aliases=["x"])}),
        ("bridge", {"bridge": EndpointConfig(ipam_config=EndpointIpam(ipv4_address="10.0.0.9"))}),
        ("sea", {"sea": EndpointConfig(ipam_config=EndpointIpam(ipv4_address="10.9.0.9"))}),
        ("sea", {"sea": EndpointConfig(ipam_config=EndpointIpam(ipv4_address="nine"))}),
        ("auto", {"auto": EndpointConfig(ipam_config=EndpointIpam(ipv4_address="10.5.0.9"))}),
        ("sea", {"sea": EndpointConfig(mac_address="02:00")}),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(
    mode: str, asked: dict[str, EndpointConfig | None]
) -> None:
    with pytest.raises(InvalidArgument):
        endpoints(mode, asked)


def endpoint(name: str, address: str = "10.0.0.2", *, priority: int = 0, interface: str = "") -> Endpoint:
    wanted = EndpointConfig(gw_priority=priority)
    return Endpoint(name, f"{name}-id", wanted, address=address, interface=interface)


def test_the_way_out_is_by_priority_then_by_name() -> None:
    networks = {f"{name}-id": network(name, internal=name == "abyss") for name in ("abyss", "bay", "sea")}
    abyss, bay, sea = endpoint("abyss"), endpoint("bay"), endpoint("sea", priority=1)
    assert choose_ways_out([abyss, bay, sea], networks).ipv4 is sea
    assert choose_ways_out([abyss, endpoint("sea"), bay], networks).first is bay
    assert choose_ways_out([abyss], networks).first is None
    assert choose_ways_out([endpoint("sea", address="")], networks).first is None


def test_each_family_has_a_way_out_of_its_own() -> None:
    networks = {f"{name}-id": network(name) for name in ("bay", "sea")}
    bay, sea = endpoint("bay", interface="eth0"), endpoint("sea", interface="eth1")
    bay.gateway, sea.address6, sea.gateway6 = "10.0.0.1", "fd00::2", "fd00::1"
    ways = choose_ways_out([sea, bay], networks)
    assert (ways.ipv4, ways.ipv6) == (bay, sea)
    assert ways.routes() == [("eth0", "10.0.0.1"), ("eth1", "fd00::1")]
    assert ways.gateways_of(sea) == ["fd00::1"]


def test_interfaces_take_the_first_free_number() -> None:
    others = [endpoint("bay", interface="eth0"), endpoint("abyss", interface="eth2")]
    assert choose_interface(network(), endpoint("sea"), others) == "eth1"
    named = endpoint("sea")
    named.wanted.driver_opts = {"com.docker.network.endpoint.ifname": "wan"}
    assert choose_interface(network(), named, others) == "wan"
    prefixed = network(options={"com.docker.network.container_iface_prefix": "net"})
    assert choose_interface(prefixed, endpoint("sea"), others) == "net0"


def test_mac_addresses_are_written_as_the_kernel_does() -> None:
    assert parse_mac("92-D0-C6-0A-29-33") == "92:d0:c6:0a:29:33"


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({"name": ["ea"]}, True),
        ({"name": ["x", "se"]}, True),
        ({"name": ["^sea$"]}, True),
        ({"name": ["^ea"]}, False),
        ({"name": ["["]}, False),
        ({"id": ["sea"]}, True),
        ({"driver": ["null"]}, False),
        ({"type": ["builtin"]}, False),
        ({"label": ["a=b"]}, True),
        ({"label": ["a=b", "c"]}, False),
        ({"label!": ["a"]}, False),
        ({"dangling": ["true"]}, True),
        ({"scope": ["swarm"]}, False),
    ],
)
def test_filters(wanted: dict[str, list[str]], kept: bool) -> None:
    assert passes(network(labels={"a": "b"}), wanted, set()) is kept


@pytest.mark.parametrize(
    ("text", "expected"),
    [("db", ("db", "db")), ("db:base", ("db", "base")), ("/db:/web/base", ("db", "base"))],
)
def test_links(text: str, expected: tuple[str, str]) -> None:
    assert parse_link(text) == expected


def test_behind_the_name_server_only_that_one_is_named() -> None:
    conf = behind_name_server(ResolvConf(("8.8.8.8",), ("corp.test",), ("timeout:2",)))
    assert conf.format() == "nameserver 127.0.0.11\nsearch corp.test\noptions timeout:2 ndots:0\n"
    assert behind_name_server(ResolvConf(options=("ndots:3",))).options == ("ndots:3",)


def test_lines_of_hosts_come_and_go() -> None:
    text = add_hosts_line("127.0.0.1\tlocalhost", "10.0.0.2", "web")
    assert text == "127.0.0.1\tlocalhost\n10.0.0.2\tweb\n"
    assert (
        drop_hosts_line(text + "10.0.0.22\tother\n\n", "10.0.0.2")
        == "127.0.0.1\tlocalhost\n10.0.0.22\tother\n\n"
    )


def test_a_configuration_has_no_driver() -> None:
    chart = network(config_only=True)
    assert describe_network(chart)["Driver"] == "null"
    assert passes(chart, {"driver": ["null"]}, set())
    assert not passes(chart, {"driver": ["bridge"]}, set())
