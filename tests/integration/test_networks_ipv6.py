# SPDX-License-Identifier: Apache-2.0
"""Networks with IPv6: addresses, names, ports of both families, and nothing left of them."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import Any

import pytest

from integration.engine_process import EngineProcess, wait_until
from integration.kernel_state import KernelWatch
from sampan.linux.rtnetlink import new_bridge, open_route_socket

SERVE = "mkdir /w; echo here > /w/index.html; exec httpd -f -p [::]:80 -h /w"
SERVE_IPV4 = SERVE.replace("[::]:80", "0.0.0.0:80")


@pytest.fixture(autouse=True)
def _no_networks_left(engine: EngineProcess) -> Iterator[None]:
    yield
    engine.remove_everything()
    engine.sampan("network", "prune", "-f")


def inspect(engine: EngineProcess, *names: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.out(*names))[0]
    return found


def endpoint(engine: EngineProcess, container: str, network: str) -> dict[str, Any]:
    found: dict[str, Any] = inspect(engine, "inspect", container)["NetworkSettings"]["Networks"][network]
    return found


def free_port() -> int:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        return int(server.getsockname()[1])


def fetch(host: str, port: int) -> str:
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=5) as answer:
        return str(answer.read().decode())


def answers(host: str, port: int) -> bool:
    try:
        return fetch(host, port) == "here\n"
    except OSError:
        return False


def test_a_network_gets_a_subnet_of_its_own(engine: EngineProcess) -> None:
    for name in ("one", "two"):
        engine.out("network", "create", "--ipv6", name)
    networks = [inspect(engine, "network", "inspect", name) for name in ("one", "two")]
    assert all(network["EnableIPv4"] and network["EnableIPv6"] for network in networks)
    subnets = [IPv6Network(network["IPAM"]["Config"][1]["Subnet"]) for network in networks]
    assert all(subnet.prefixlen == 64 and subnet.subnet_of(IPv6Network("fd00::/8")) for subnet in subnets)
    assert subnets[0] != subnets[1]


def test_addresses_as_the_user_wants_them(engine: EngineProcess) -> None:
    pools = ["--subnet", "10.214.0.0/24", "--subnet", "fd00:214::/64", "--gateway", "fd00:214::fe"]
    pools += ["--ip-range", "fd00:214::1:0/112", "--aux-address", "printer=fd00:214::1:0"]
    engine.docker("network", "create", "--ipv6", *pools, "sea")
    assert inspect(engine, "network", "inspect", "sea")["IPAM"]["Config"][1] == {
        "Subnet": "fd00:214::/64",
        "IPRange": "fd00:214::1:0/112",
        "Gateway": "fd00:214::fe",
        "AuxiliaryAddresses": {"printer": "fd00:214::1:0"},
    }
    script = (
        "ip -6 addr show eth0; ip -6 route; cat /etc/hosts; cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6"
    )
    flags = ["--network", "sea", "--ip6", "fd00:214::77", "--link-local-ip", "fe80::77", "--name", "boat"]
    engine.out("run", "-d", *flags, "busybox", "sleep", "600")
    out = engine.out("exec", "boat", "sh", "-c", script)
    assert "fd00:214::77/64" in out
    assert "fe80::77/64" in out
    assert "default via fd00:214::fe" in out
    assert "fd00:214::77\t" in out
    assert out.endswith("\n0")
    shown = endpoint(engine, "boat", "sea")
    assert (shown["GlobalIPv6Address"], shown["GlobalIPv6PrefixLen"]) == ("fd00:214::77", 64)
    assert shown["IPv6Gateway"] == "fd00:214::fe"
    assert shown["IPAMConfig"] == {"IPv6Address": "fd00:214::77", "LinkLocalIPs": ["fe80::77"]}
    member = next(iter(inspect(engine, "network", "inspect", "sea")["Containers"].values()))
    assert member["IPv6Address"] == "fd00:214::77/64"
    second = engine.out("run", "-d", "--network", "sea", "busybox", "sleep", "600")
    assert endpoint(engine, second, "sea")["GlobalIPv6Address"] == "fd00:214::1:1"
    done = engine.sampan(
        "run", "--rm", "--network", "sea", "--ip6", "fd00:214::77", "busybox", "true", check=False
    )
    assert "Address already in use" in done.stderr
    done = engine.sampan("run", "--rm", "--network", "sea", "--ip6", "fd00::1", "busybox", check=False)
    assert "no configured subnet or ip-range contain the IP address fd00::1" in done.stderr


def test_names_have_addresses_of_both_families(engine: EngineProcess) -> None:
    engine.out("network", "create", "--ipv6", "sea")
    engine.out("run", "-d", "--name", "web", "--network", "sea", "busybox", "sh", "-c", SERVE)
    engine.out("run", "-d", "--name", "other", "--network", "sea", "busybox", "sleep", "600")
    address = endpoint(engine, "web", "sea")["GlobalIPv6Address"]
    assert address in engine.out("exec", "other", "nslookup", "-type=aaaa", "web")
    assert "web.sea" in engine.out("exec", "other", "nslookup", address)
    wait_until(
        lambda: (
            engine.sampan(
                "exec", "other", "wget", "-q", "-O", "-", f"http://[{address}]/", check=False
            ).stdout
            == "here\n"
        ),
        "they reach each other by IPv6",
    )


def test_ports_are_published_on_both_families(engine: EngineProcess) -> None:
    engine.out("network", "create", "--ipv6", "sea")
    port = free_port()
    engine.out(
        "run", "-d", "--name", "web", "--network", "sea", "-p", f"{port}:80", "busybox", "sh", "-c", SERVE
    )
    assert engine.out("port", "web") == f"80/tcp -> 0.0.0.0:{port}\n80/tcp -> [::]:{port}"
    listed = f"0.0.0.0:{port}->80/tcp, [::]:{port}->80/tcp"
    for command in (engine.sampan, engine.docker):
        assert command("ps", "--format", "{{.Ports}}").stdout.strip() == listed
    wait_until(lambda: answers("127.0.0.1", port), "the server runs")
    gateway = endpoint(engine, "web", "sea")["IPv6Gateway"]
    for host in ("localhost", "[::1]", f"[{gateway}]"):
        assert fetch(host, port) == "here\n", host


def test_localhost_reaches_a_container_without_ipv6_by_that(engine: EngineProcess) -> None:
    port, other = free_port(), free_port()
    flags = ["-p", f"{port}:80", "-p", f"[::1]:{other}:80"]
    engine.out("run", "-d", "--name", "web", *flags, "busybox", "sh", "-c", SERVE_IPV4)
    wait_until(lambda: answers("127.0.0.1", port), "the server runs")
    assert fetch("[::1]", port) == "here\n"
    assert fetch("[::1]", other) == "here\n"
    assert not answers("127.0.0.1", other)
    engine.out("network", "create", "sea")
    engine.out("network", "connect", "sea", "web")
    engine.out("network", "disconnect", "bridge", "web")
    assert fetch("[::1]", port) == "here\n"


def test_a_network_may_have_ipv6_only(engine: EngineProcess) -> None:
    port = free_port()
    engine.out("network", "create", "--ipv4=false", "--ipv6", "sea")
    engine.out(
        "run", "-d", "--name", "web", "--network", "sea", "-p", f"{port}:80", "busybox", "sh", "-c", SERVE
    )
    assert endpoint(engine, "web", "sea")["IPAddress"] == ""
    assert "inet 127.0.0.1" in engine.out("exec", "web", "ip", "-4", "addr")
    assert engine.out("port", "web") == f"80/tcp -> [::]:{port}"
    wait_until(lambda: answers("[::1]", port), "the server runs")


def test_a_running_container_comes_and_goes(engine: EngineProcess) -> None:
    engine.out("network", "create", "--ipv6", "--subnet", "fd00:215::/64", "sea")
    engine.out("run", "-d", "--name", "boat", "busybox", "sleep", "600")
    engine.out("network", "connect", "--ip6", "fd00:215::9", "sea", "boat")
    script = "ip -6 addr show eth1; ip -6 route; cat /etc/hosts"
    out = engine.out("exec", "boat", "sh", "-c", script)
    assert "fd00:215::9/64" in out
    assert "default via fd00:215::1 dev eth1" in out
    assert "fd00:215::9\t" in out
    engine.out("network", "disconnect", "sea", "boat")
    assert "fd00:215::9" not in engine.out("exec", "boat", "sh", "-c", script.split(";", 1)[1])


def test_a_container_can_do_without(engine: EngineProcess) -> None:
    engine.out("network", "create", "--ipv6", "sea")
    flags = ["--network", "sea", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1", "--name", "dry"]
    engine.out("run", "-d", *flags, "busybox", "sleep", "600")
    assert endpoint(engine, "dry", "sea")["GlobalIPv6Address"] == ""
    assert "fd" not in engine.out("exec", "dry", "ip", "-6", "addr", "show", "eth0")
    engine.out("run", "-d", "--name", "plain", "busybox", "sleep", "600")
    assert engine.out("exec", "plain", "cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6") == "1"
    assert "::1" in engine.out("exec", "plain", "ip", "-6", "addr", "show", "lo")


def test_nothing_is_left_of_containers_and_networks(engine: EngineProcess) -> None:
    engine.remove_everything()
    watch = KernelWatch(engine)
    engine.out("network", "create", "--ipv6", "one")
    engine.out("network", "create", "--internal", "two")
    for number in range(3):
        flags = ["--name", f"web{number}", "-p", "80", "-p", "53/udp", "--network", "one"]
        engine.out("run", "-d", *flags, "busybox", "sleep", "600")
        engine.out("network", "connect", "two", f"web{number}")
    there = watch.look()
    assert len(there.links - watch.before.links) == 2 + 6
    assert there.namespaces - watch.before.namespaces == 3
    assert any("dnat ip6 to" in line for line in there.rules)
    engine.out("network", "disconnect", "one", "web0")
    engine.out("rm", "-f", "web0", "web1", "web2")
    engine.out("network", "rm", "one", "two")
    watch.wait_for_before()


def test_ports_that_lead_nowhere_outlive_an_engine(own_engine: EngineProcess) -> None:
    engine, port = own_engine, free_port()
    engine.out("network", "create", "sea")
    flags = ["--name", "web", "--network", "sea", "-p", f"{port}:80"]
    engine.out("run", "-d", *flags, "busybox", "sh", "-c", SERVE)
    engine.out("network", "disconnect", "sea", "web")
    assert engine.out("port", "web") == ""
    engine.kill()
    engine.start()
    done = engine.sampan("run", "--rm", "-p", f"{port}:80", "busybox", "true", check=False)
    assert "port is already allocated" in done.stderr
    engine.out("network", "connect", "sea", "web")
    assert engine.out("port", "web", "80") == f"0.0.0.0:{port}\n[::]:{port}"
    wait_until(lambda: answers("127.0.0.1", port), "the port leads there again")
    assert fetch("[::1]", port) == "here\n"


def test_an_engine_takes_up_where_the_last_one_was_killed(own_engine: EngineProcess) -> None:
    engine, port = own_engine, free_port()
    engine.out("network", "create", "--ipv6", "sea")
    flags = ["--name", "web", "--network", "sea", "-p", f"{port}:80"]
    engine.out("run", "-d", *flags, "busybox", "sh", "-c", SERVE)
    wait_until(lambda: answers("127.0.0.1", port), "the server runs")
    watch = KernelWatch(engine)
    gateway = endpoint(engine, "web", "sea")["IPv6Gateway"]
    engine.kill()
    assert fetch("[::1]", port) == "here\n"
    stale = watch.names.network_bridge("a network that is gone")
    add_bridge(stale)
    engine.start()
    assert watch.look() == watch.before, "the stale bridge is gone, all else is as it was"
    assert fetch(f"[{gateway}]", port) == "here\n"
    engine.out("rm", "-f", "web")
    engine.out("network", "rm", "sea")
    assert not any("ip6" in line for line in watch.look().rules)


def add_bridge(name: str) -> None:
    with open_route_socket() as route:
        route.exchange([new_bridge(name, mac="02:42:00:00:00:01", mtu=1500)])
