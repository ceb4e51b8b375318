# SPDX-License-Identifier: Apache-2.0
"""User-defined networks: made, inspected, removed; who reaches whom, and what is left behind."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until
from sampan.linux.nftables import open_netfilter_socket
from sampan.linux.nftables_dump import read_base_chains, read_elements
from sampan.linux.route_dump import read_links
from sampan.linux.rtnetlink import VethPeer, delete_link, new_veth, open_route_socket, set_up
from sampan.network.bridge import Bridge, plan_bridge, remove_bridge
from sampan.network.exclusion import sole_planner
from sampan.network.host import read_host
from sampan.network.names import names_for_data_root

pytestmark = pytest.mark.long

SERVE = "mkdir /w; echo here > /w/index.html; httpd -f -p 80 -h /w"


@pytest.fixture(autouse=True)
def _no_networks_left(engine: EngineProcess) -> Iterator[None]:
    yield
    engine.remove_everything()
    engine.sampan("network", "prune", "-f")


def inspect_network(cli: CommandLine, name: str) -> dict[str, object]:
    return json.loads(cli.out("network", "inspect", name))[0]  # type: ignore[no-any-return]


def endpoint(cli: CommandLine, container: str, network: str) -> dict[str, object]:
    networks = json.loads(cli.out("inspect", "-f", "{{json .NetworkSettings.Networks}}", container))
    return networks[network]  # type: ignore[no-any-return]


def serve(cli: CommandLine, name: str, *args: str) -> None:
    """A container that answers HTTP on port 80, from now on."""
    cli("run", "-d", "--name", name, *args, "busybox", "sh", "-c", SERVE)
    wait_until(lambda: reaches(cli, name, "127.0.0.1"), "the server runs")


def reaches(cli: CommandLine, container: str, host: str, *, limit_s: int = 5) -> bool:
    """Whether a container can fetch the page of another, whose server runs."""
    fetch = ["timeout", str(limit_s), "wget", "-q", "-O", "-", f"http://{host}/"]
    return cli("exec", container, *fetch, check=False).stdout == "here\n"


def test_a_network_comes_and_goes(cli: CommandLine) -> None:
    network_id = cli.out("network", "create", "--label", "a=b", "--attachable", "sea")
    assert len(network_id) == 64
    shown = inspect_network(cli, "sea")
    assert (shown["Id"], shown["Driver"], shown["Scope"]) == (network_id, "bridge", "local")
    assert (shown["Labels"], shown["Attachable"], shown["Internal"]) == ({"a": "b"}, True, False)
    assert (
        cli.out("network", "ls", "--filter", "name=sea", "--format", "{{.Name}} {{.Driver}}") == "sea bridge"
    )
    assert "network with name sea already exists" in cli.fails(1, "network", "create", "sea")
    assert cli.out("network", "rm", network_id[:12]) in (network_id[:12], "sea")
    assert "network sea not found" in cli.fails(1, "network", "inspect", "sea")


def test_subnets_do_not_collide(cli: CommandLine) -> None:
    for name in ("one", "two", "three"):
        cli("network", "create", name)
    subnets = {inspect_network(cli, name)["IPAM"]["Config"][0]["Subnet"] for name in ("one", "two", "three")}  # type: ignore[index]
    assert len(subnets) == 3
    error = cli.fails(1, "network", "create", "--subnet", next(iter(subnets)), "four")
    assert "Pool overlaps with other one on this address space" in error


def test_addresses_as_the_user_wants_them(cli: CommandLine) -> None:
    pool = ["--subnet", "10.213.0.0/24", "--gateway", "10.213.0.254", "--ip-range", "10.213.0.128/25"]
    cli("network", "create", *pool, "--aux-address", "printer=10.213.0.128", "sea")
    config = inspect_network(cli, "sea")["IPAM"]["Config"]  # type: ignore[index]
    assert config == [
        {
            "Subnet": "10.213.0.0/24",
            "IPRange": "10.213.0.128/25",
            "Gateway": "10.213.0.254",
            "AuxiliaryAddresses": {"printer": "10.213.0.128"},
        }
    ]
    cli("run", "-d", "--name", "first", "--network", "sea", "busybox", "sleep", "60")
    assert endpoint(cli, "first", "sea")["IPAddress"] == "10.213.0.129"
    mac = "02:11:22:33:44:55"
    flags = ["--network", "sea", "--ip", "10.213.0.7", "--mac-address", mac]
    out = cli.out("run", "--rm", *flags, "busybox", "sh", "-c", "ip addr show eth0; ip route")
    assert "10.213.0.7/24" in out
    assert mac in out
    assert "default via 10.213.0.254" in out
    error = cli.fails(125, "run", "--rm", "--network", "sea", "--ip", "10.213.0.129", "busybox")
    assert "Address already in use" in error
    error = cli.fails(125, "run", "--rm", "--network", "sea", "--ip", "10.99.0.1", "busybox")
    assert "no configured subnet or ip-range contain the IP address 10.99.0.1" in error


def test_an_address_needs_a_subnet_of_the_users(cli: CommandLine) -> None:
    cli("network", "create", "sea")
    error = cli.fails(125, "run", "--rm", "--network", "sea", "--ip", "172.30.0.9", "busybox")
    assert (
        "user specified IP address is supported only when connecting to networks with user configured subnets"
        in error
    )
    error = cli.fails(125, "run", "--rm", "--ip", "172.17.0.9", "busybox")
    assert "user specified IP address is supported on user defined networks only" in error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-d", "ipvlan"], "network driver ipvlan is not supported"),
        (["-d", "overlay"], "network driver overlay is not supported: it belongs to Swarm"),
        (["-d", "hovercraft"], 'plugin "hovercraft" not found'),
        (["--ipv4=false"], "IPv4 or IPv6 must be enabled"),
        (["--subnet", "fd00:213::/64"], "an IPv6 subnet needs a network with IPv6"),
        (["--subnet", "10.213.0.5/24"], "invalid subnet 10.213.0.5/24: it should be 10.213.0.0/24"),
        (["-o", "com.docker.network.bridge.name=much-too-long-a-name"], "invalid bridge name"),
    ],
)
def test_what_cannot_be_had_is_named(cli: CommandLine, flags: list[str], message: str) -> None:
    assert message in cli.fails(1, "network", "create", *flags, "sea")
    assert "sea" not in cli.out("network", "ls", "-q", "--filter", "name=sea")


def test_a_network_is_made_from_a_configuration(cli: CommandLine) -> None:
    pools = ["--subnet", "10.216.0.0/24", "--ip-range", "10.216.0.128/25"]
    option = ["-o", "com.docker.network.driver.mtu=1300"]
    cli("network", "create", "--config-only", *pools, *option, "chart")
    assert (
        cli.out("network", "ls", "--filter", "name=chart", "--format", "{{.Driver}} {{.Scope}}")
        == "null local"
    )
    cli("network", "create", "--config-from", "chart", "sea")
    made = inspect_network(cli, "sea")
    assert made["ConfigFrom"] == {"Network": "chart"}
    assert made["IPAM"]["Config"] == [  # type: ignore[index]
        {"Subnet": "10.216.0.0/24", "IPRange": "10.216.0.128/25", "Gateway": "10.216.0.1"}
    ]
    assert "mtu 1300" in cli.out("run", "--rm", "--network", "sea", "busybox", "ip", "addr", "show", "eth0")
    error = cli.fails(1, "network", "rm", "chart")
    assert 'configuration network "chart" is in use' in error
    error = cli.fails(125, "run", "--rm", "--network", "chart", "busybox", "true")
    assert "cannot create endpoint on configuration-only network" in error
    error = cli.fails(1, "network", "create", "--config-from", "sea", "bay")
    assert 'configuration network "sea" does not exist' in error
    error = cli.fails(1, "network", "create", "--config-from", "chart", *option, "bay")
    assert (
        "network driver options are not supported if the network depends on a configuration network" in error
    )
    cli("network", "rm", "sea", "chart")


def test_a_routed_network_publishes_at_the_containers_own_address(cli: CommandLine) -> None:
    mode = ["-o", "com.docker.network.bridge.gateway_mode_ipv4=routed"]
    cli("network", "create", "--subnet", "10.217.0.0/24", *mode, "sea")
    serve(cli, "web", "--network", "sea", "-p", "0.0.0.0:18097:80")
    assert cli.out("port", "web") == "80/tcp -> 0.0.0.0:"
    with urllib.request.urlopen("http://10.217.0.2/", timeout=5) as answer:
        assert answer.read() == b"here\n"
    with socket.socket() as own:
        own.bind(("127.0.0.1", 18097))  # no port of the host is taken


@pytest.fixture
def wire() -> Iterator[str]:
    """An interface of the host with nobody at its other end."""
    name = f"wire{os.getpid() % 100000}"
    with open_route_socket() as route:
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        peer = VethPeer(f"{name}b", namespace, "02:42:00:00:00:02")
        veth = new_veth(name, master=0, mac="02:42:00:00:00:01", mtu=1500, peer=peer)
        route.exchange([veth, set_up(name), set_up(f"{name}b")])
        os.close(namespace)
        yield name
        route.exchange([delete_link(name)])


def test_a_macvlan_is_on_the_wire_of_an_interface_of_the_host(engine: EngineProcess, wire: str) -> None:
    cli = CommandLine(engine, "docker")
    pools = ["--subnet", "10.218.0.0/24", "--ipv6", "--subnet", "fd00:218::/64"]
    cli("network", "create", "-d", "macvlan", *pools, "-o", f"parent={wire}", "sea")
    assert inspect_network(cli, "sea")["Driver"] == "macvlan"
    serve(cli, "web", "--network", "sea", "-p", "80")
    cli("run", "-d", "--name", "other", "busybox", "sleep", "60")
    cli("network", "connect", "sea", "other")
    assert reaches(cli, "other", "web")
    assert reaches(cli, "other", str(endpoint(cli, "web", "sea")["IPAddress"]))
    assert "default via 10.218.0.1" in cli.out("exec", "web", "ip", "route")
    assert "default via fd00:218::1" in cli.out("exec", "web", "ip", "-6", "route")
    assert cli.out("port", "web") == ""
    cli("network", "disconnect", "sea", "other")
    assert "eth1" not in cli.out("exec", "other", "ls", "/sys/class/net")
    assert not reaches(cli, "other", str(endpoint(cli, "web", "sea")["IPAddress"]), limit_s=1)
    error = cli.fails(1, "network", "create", "-d", "macvlan", "-o", "parent=nowhere0", "bay")
    assert "the host has no interface nowhere0" in error
    assert "needs an interface of the host" in cli.fails(1, "network", "create", "-d", "macvlan", "bay")


def test_the_predefined_networks_stay(cli: CommandLine) -> None:
    for name in ("bridge", "host", "none"):
        assert f"{name} is a pre-defined network and cannot be removed" in cli.fails(1, "network", "rm", name)
    assert "operation is not permitted on predefined host network" in cli.fails(
        1, "network", "create", "host"
    )


def test_a_network_in_use_stays(cli: CommandLine) -> None:
    cli("network", "create", "sea")
    cli("run", "-d", "--name", "boat", "--network", "sea", "busybox", "sleep", "60")
    error = cli.fails(1, "network", "rm", "sea")
    assert 'network sea has active endpoints (name:"boat" id:"' in error
    assert cli.out("network", "prune", "-f") == ""
    cli("rm", "-f", "boat")
    assert "sea" in cli.out("network", "prune", "-f")


def test_filters(cli: CommandLine) -> None:
    cli("network", "create", "--label", "kind=salt", "sea")
    cli("network", "create", "lake")
    cli("run", "-d", "--network", "sea", "busybox", "sleep", "60")

    def names(*filters: str) -> set[str]:
        flags = [word for each in filters for word in ("--filter", each)]
        return set(cli.out("network", "ls", *flags, "--format", "{{.Name}}").split())

    assert names("type=custom") == {"sea", "lake"}
    assert names("type=builtin") == {"bridge", "host", "none"}
    assert names("label=kind=salt") == {"sea"}
    assert names("dangling=true") == {"lake"}
    assert names("driver=null") == {"none"}
    assert names("name=ea", "name=ak") == {"sea", "lake"}
    assert "invalid filter" in cli.fails(1, "network", "ls", "--filter", "colour=blue")


def test_networks_are_isolated_from_each_other(cli: CommandLine) -> None:
    cli("network", "create", "one")
    cli("network", "create", "two")
    serve(cli, "web", "--network", "one")
    cli("run", "-d", "--name", "near", "--network", "one", "busybox", "sleep", "60")
    cli("run", "-d", "--name", "far", "--network", "two", "busybox", "sleep", "60")
    address = str(endpoint(cli, "web", "one")["IPAddress"])
    assert reaches(cli, "near", "web")
    assert not reaches(cli, "far", address, limit_s=1)
    cli("network", "connect", "one", "far")
    assert reaches(cli, "far", "web")
    cli("network", "disconnect", "one", "far")
    assert not reaches(cli, "far", address, limit_s=1)


def test_containers_of_a_network_without_icc_do_not_reach_each_other(cli: CommandLine) -> None:
    cli("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "sea")
    serve(cli, "web", "--network", "sea")
    cli("run", "-d", "--name", "other", "--network", "sea", "busybox", "sleep", "60")
    assert not reaches(cli, "other", str(endpoint(cli, "web", "sea")["IPAddress"]), limit_s=1)


def test_an_internal_network_has_no_way_out(cli: CommandLine) -> None:
    cli("network", "create", "--internal", "sea")
    serve(cli, "web", "--network", "sea", "-p", "18099:80")
    cli("run", "-d", "--name", "other", "--network", "sea", "busybox", "sleep", "60")
    assert reaches(cli, "other", "web")
    assert "default" not in cli.out("exec", "other", "ip", "route")
    assert cli.out("port", "web") == ""
    assert "Name:" not in cli("exec", "other", "nslookup", "example.com", check=False).stdout


def test_published_ports_follow_the_way_out(cli: CommandLine) -> None:
    def fetch() -> str:
        with urllib.request.urlopen("http://127.0.0.1:18098/", timeout=5) as answer:
            return str(answer.read().decode())

    cli("network", "create", "one")
    cli("network", "create", "two")
    serve(cli, "web", "--network", "one", "-p", "18098:80")
    assert fetch() == "here\n"
    cli("network", "connect", "two", "web")
    cli("network", "disconnect", "one", "web")
    assert fetch() == "here\n"
    assert cli.out("port", "web", "80") == "0.0.0.0:18098\n[::]:18098"
    cli("network", "disconnect", "two", "web")
    assert cli.out("port", "web") == ""
    cli("network", "connect", "one", "web")
    assert fetch() == "here\n"


def test_several_networks_have_an_interface_each(cli: CommandLine) -> None:
    cli("network", "create", "--subnet", "10.213.1.0/24", "one")
    cli("network", "create", "--subnet", "10.213.2.0/24", "two")
    flags = ["--network", "name=one,alias=x", "--network", "name=two,gw-priority=1,ip=10.213.2.9"]
    script = "ip -4 addr show eth0; ip -4 addr show eth1; ip route"
    out = cli.out("run", "--rm", *flags, "busybox", "sh", "-c", script)
    assert out.index("10.213.1.2/24") < out.index("10.213.2.9/24")
    assert "default via 10.213.2.1 dev eth1" in out


def test_connecting_and_disconnecting_while_running(cli: CommandLine) -> None:
    cli("network", "create", "--subnet", "10.213.1.0/24", "sea")
    cli("run", "-d", "--name", "boat", "busybox", "sleep", "60")
    cli("network", "connect", "--ip", "10.213.1.77", "--alias", "ferry", "sea", "boat")
    shown = endpoint(cli, "boat", "sea")
    assert (shown["IPAddress"], shown["IPPrefixLen"], shown["Gateway"]) == ("10.213.1.77", 24, "10.213.1.1")
    assert "ferry" in shown["DNSNames"]  # type: ignore[operator]
    assert "10.213.1.77" in cli.out("exec", "boat", "cat", "/etc/hosts")
    assert "nameserver 127.0.0.11" in cli.out("exec", "boat", "cat", "/etc/resolv.conf")
    assert "10.213.1.77" in cli.out("exec", "boat", "nslookup", "ferry")
    members = inspect_network(cli, "sea")["Containers"]
    assert [member["Name"] for member in members.values()] == ["boat"]  # type: ignore[attr-defined]
    error = cli.fails(1, "network", "connect", "sea", "boat")
    assert "endpoint with name boat already exists in network sea" in error
    cli("network", "disconnect", "sea", "boat")
    assert "10.213.1.77" not in cli.out("exec", "boat", "sh", "-c", "cat /etc/hosts; ip addr")
    assert "is not connected to network sea" in cli.fails(1, "network", "disconnect", "sea", "boat")
    assert inspect_network(cli, "sea")["Containers"] == {}


def test_a_created_container_is_connected_when_it_starts(cli: CommandLine) -> None:
    cli("network", "create", "one")
    cli("network", "create", "two")
    cli("create", "--name", "boat", "--network", "one", "busybox", "sleep", "60")
    cli("network", "connect", "--alias", "ferry", "two", "boat")
    cli("start", "boat")
    out = cli.out("exec", "boat", "sh", "-c", "ls /sys/class/net; nslookup ferry.two")
    assert {"eth0", "eth1"} <= set(out.split())
    cli("restart", "-t", "0", "boat")
    assert cli.out("exec", "boat", "nslookup", "boat")


@pytest.mark.parametrize(
    ("mode", "words"), [("host", "sharing network namespace"), ("none", "private (none) mode")]
)
def test_what_has_no_network_of_its_own_is_not_connected(cli: CommandLine, mode: str, words: str) -> None:
    cli("network", "create", "sea")
    cli("run", "-d", "--name", "boat", "--network", mode, "busybox", "sleep", "60")
    assert words in cli.fails(1, "network", "connect", "sea", "boat")


def test_links_of_the_default_network(cli: CommandLine) -> None:
    cli("run", "-d", "--name", "base", "-e", "COLOUR=red", "--expose", "5432", "busybox", "sleep", "60")
    address = str(endpoint(cli, "base", "bridge")["IPAddress"])
    out = cli.out(
        "run", "--rm", "--name", "web", "--link", "base:db", "busybox", "sh", "-c", "cat /etc/hosts; env"
    )
    assert f"{address}\tdb " in out
    assert {
        f"DB_PORT_5432_TCP_ADDR={address}",
        f"DB_PORT=tcp://{address}:5432",
        "DB_NAME=/web/db",
        "DB_ENV_COLOUR=red",
    } <= set(out.splitlines())
    cli("stop", "-t", "0", "base")
    error = cli.fails(125, "run", "--rm", "--name", "web", "--link", "base:db", "busybox", "true")
    assert "Cannot link to a non running container: /base AS /web/db" in error


def test_names_of_the_host(cli: CommandLine) -> None:
    cli("network", "create", "sea")
    out = cli.out(
        "run", "--rm", "--network", "sea", "--add-host", "up:host-gateway", "busybox", "cat", "/etc/hosts"
    )
    gateway = inspect_network(cli, "bridge")["IPAM"]["Config"][0]["Gateway"]  # type: ignore[index]
    assert f"{gateway}\tup" in out


def test_events_come_in_dockers_order(cli: CommandLine) -> None:
    network_id = cli.out("network", "create", "sea")
    container = cli.out("run", "-d", "--network", "sea", "busybox", "sleep", "60")
    cli("rm", "-f", container)
    cli("network", "rm", "sea")
    flags = ["--since", "60s", "--until", f"{time.time():.6f}", "--format", "{{json .}}"]
    events = [json.loads(line) for line in cli.out("events", *flags).splitlines()]
    mine = [event for event in events if event["Actor"]["ID"] in (network_id, container)]
    assert [f"{event['Type']} {event['Action']}" for event in mine] == [
        "network create",
        "container create",
        "network connect",
        "container start",
        "container kill",
        "network disconnect",
        "container die",
        "container destroy",
        "network destroy",
    ]
    connect = next(event for event in mine if event["Action"] == "connect")
    assert connect["Actor"]["Attributes"] == {"container": container, "name": "sea", "type": "bridge"}


def test_nothing_is_left_in_the_kernel(own_engine: EngineProcess) -> None:
    cli = CommandLine(own_engine, "sampan")
    names = names_for_data_root(str(own_engine.data))
    links = {names.network_bridge(cli.out("network", "create", name)) for name in ("one", "two")}
    for number in range(3):
        boat = f"boat{number}"
        cli("run", "-d", "--name", boat, "--network", "one", "-p", "80", "busybox", "sleep", "60")
        cli("network", "connect", "two", boat)
        ids = (str(endpoint(cli, boat, network)["EndpointID"]) for network in ("one", "two"))
        links |= {names.host_interface(endpoint_id) for endpoint_id in ids}
    assert links <= present_links()
    assert len(published_ports(names.table)) == 3
    cli("network", "disconnect", "one", "boat0")
    own_engine.kill()
    own_engine.start()
    assert cli.out("exec", "boat1", "nslookup", "boat2")
    cli("rm", "-f", *(f"boat{number}" for number in range(3)))
    cli("network", "rm", "one", "two")
    wait_until(lambda: not links & present_links(), "bridges and interfaces are gone")
    assert published_ports(names.table) == {}
    own_engine.stop()
    assert names.bridge not in present_links()
    assert names.table not in filter_tables()


def test_a_subnet_that_the_host_uses_by_now_is_left_to_it(own_engine: EngineProcess) -> None:
    cli = CommandLine(own_engine, "sampan")
    cli("network", "create", "chosen")
    cli("network", "create", "--subnet", "10.219.0.0/24", "given")
    first = subnets(cli)
    others = [
        Bridge(f"other{number}", ip_network(subnet), next(ip_network(subnet).hosts()), 1500)
        for number, subnet in enumerate(first.values())
    ]
    with open_route_socket() as route:
        try:
            with sole_planner():  # for another test's engine may come and take them
                own_engine.stop()
                for bridge in others:
                    for step in plan_bridge(bridge, read_host(route)):
                        step.apply(route)
            own_engine.start()
            now = subnets(cli)
        finally:
            for bridge in others:
                remove_bridge(route, bridge.name)
    assert now["given"] == first["given"]
    assert {now["bridge"], now["chosen"]}.isdisjoint(first.values())
    assert "moves to" in (own_engine.data.parent / "engine.log").read_text()
    address = cli.out("run", "--rm", "--network", "chosen", "busybox", "hostname", "-i")
    assert ip_address(address) in ip_network(now["chosen"])


def subnets(cli: CommandLine) -> dict[str, str]:
    """The IPv4 subnet of each network that has one."""
    names = ("bridge", "chosen", "given")
    return {
        name: cli.out("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name) for name in names
    }


def present_links() -> set[str]:
    with open_route_socket() as route:
        return {link.name for link in read_links(route)}


def published_ports(table: str) -> dict[bytes, bytes]:
    with open_netfilter_socket() as netfilter:
        return read_elements(netfilter, table, "published_any") or {}


def filter_tables() -> set[str]:
    with open_netfilter_socket() as netfilter:
        return {chain.table for chain in read_base_chains(netfilter)}


def test_engines_that_start_together_choose_different_subnets(tmp_path: Path) -> None:
    engines = [EngineProcess(tmp_path / str(number)) for number in range(3)]
    try:
        side_by_side(EngineProcess.start, engines)
        side_by_side(lambda engine: engine.sampan("network", "create", "more"), engines)
        subnets = [
            subnet
            for engine in engines
            for name in ("bridge", "more")
            for subnet in engine.out("network", "inspect", "-f", SUBNETS, name).split()
        ]
        assert len(subnets) == 6
        assert len(set(subnets)) == 6, subnets
    finally:
        side_by_side(EngineProcess.destroy, engines)


SUBNETS = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"


def side_by_side(work: Callable[[EngineProcess], object], engines: list[EngineProcess]) -> None:
    with ThreadPoolExecutor(len(engines)) as pool:
        for done in [pool.submit(work, engine) for engine in engines]:
            done.result()
