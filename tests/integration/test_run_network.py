# SPDX-License-Identifier: Apache-2.0
"""`run -p`, `-P` and `--network`: real traffic to and from containers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import urllib.request

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until

WEB = ("busybox", "sh", "-c", "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www")


def free_port(count: int = 1) -> int:
    """The first of `count` consecutive ports that nobody has; each process looks in another place first."""
    for step in range(900):
        base = 21000 + (os.getpid() + step) * 10 % 9000
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    stack.enter_context(socket.create_server(("0.0.0.0", port)))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")


def fetch(port: int, host: str = "127.0.0.1") -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{host}:{port}/", timeout=5) as response:
        return str(response.read().decode())


def serves(port: int, host: str = "127.0.0.1") -> bool:
    try:
        return fetch(port, host) == "hello\n"
    except OSError:
        return False


def host_address() -> str:
    """The address of the machine, as the world sees it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def test_a_published_port(cli: CommandLine) -> None:
    port = free_port()
    container = cli.out("run", "-d", "-p", f"{port}:80", *WEB)
    wait_until(lambda: serves(port), "127.0.0.1 answers")
    assert serves(port, host_address())
    assert cli.out("port", container).splitlines()[0] == f"80/tcp -> 0.0.0.0:{port}"
    assert f"0.0.0.0:{port}->80/tcp" in cli.out("ps")


def test_a_port_of_the_loopback_only(cli: CommandLine) -> None:
    port = free_port()
    cli("run", "-d", "-p", f"127.0.0.1:{port}:80", *WEB)
    wait_until(lambda: serves(port), "127.0.0.1 answers")
    assert not serves(port, host_address())


def test_an_ephemeral_port(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "-p", "127.0.0.1::80", *WEB)
    host, _, port = cli.out("port", container, "80").rpartition(":")
    assert host == "127.0.0.1"
    wait_until(lambda: serves(int(port)), "it answers")


def test_a_range(cli: CommandLine) -> None:
    port = free_port(3)
    container = cli.out("run", "-d", "-p", f"{port}-{port + 2}:80-82", *WEB)
    wait_until(lambda: serves(port), "the first answers")
    ports = json.loads(cli.out("inspect", "-f", "{{json .NetworkSettings.Ports}}", container))
    assert {key: value[0]["HostPort"] for key, value in ports.items()} == {
        f"{80 + i}/tcp": str(port + i) for i in range(3)
    }


def test_udp(cli: CommandLine) -> None:
    port = free_port()
    echo = "import socket as s; u = s.socket(2, 2); u.bind(('', 5353))\nwhile 1: u.sendto(*u.recvfrom(99))"
    python = ("chroot", "/host", sys.executable, "-c", echo)
    cli("run", "-d", "-v", "/:/host:ro", "-p", f"{port}:5353/udp", "busybox", *python)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(0.2)

        def answers() -> bool:
            try:
                client.send(b"ping")
                return client.recv(100) == b"ping"
            except OSError:
                return False

        wait_until(answers, "a datagram comes back")


def test_a_taken_port_is_named(cli: CommandLine) -> None:
    port = free_port()
    cli("run", "-d", "-p", f"{port}:80", *WEB)
    error = cli.fails(125, "run", "--rm", "-p", f"{port}:80", "busybox", "true")
    assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in error


def test_a_port_taken_by_another_program_is_named(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = cli.fails(125, "run", "--rm", "-p", f"127.0.0.1:{port}:80", "busybox", "true")
    assert f"127.0.0.1:{port}" in error
    assert "address already in use" in error or "port is already allocated" in error


def test_a_port_is_free_again_after_the_end(cli: CommandLine) -> None:
    port = free_port()
    for _ in range(2):
        container = cli.out("run", "-d", "-p", f"{port}:80", *WEB)
        wait_until(lambda: serves(port), "it answers")
        cli("rm", "-f", container)
    wait_until(lambda: not serves(port), "nobody answers any more")


def test_publish_all_exposed(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "-P", "--expose", "80", "--expose", "81/udp", *WEB)
    ports = json.loads(cli.out("inspect", "-f", "{{json .NetworkSettings.Ports}}", container))
    assert set(ports) == {"80/tcp", "81/udp"}
    wait_until(lambda: serves(int(ports["80/tcp"][0]["HostPort"])), "it answers")


@pytest.mark.parametrize("spec", ["80:80:80:80", "x:80", "99999:80", "80-82:80-81", "127.0.0.1:80:80/sctpx"])
def test_malformed_ports(cli: CommandLine, spec: str) -> None:
    assert cli.fails(125, "run", "--rm", "-p", spec, "busybox", "true")


def test_bridge_containers_reach_each_other_and_published_ports(cli: CommandLine) -> None:
    port = free_port()
    server = cli.out("run", "-d", "-p", f"{port}:80", *WEB)
    form = "{{with .NetworkSettings.Networks.bridge}}{{.IPAddress}} {{.Gateway}}{{end}}"
    address, gateway = cli.out("inspect", "-f", form, server).split()
    wait_until(lambda: serves(port), "it answers")
    for url in (f"http://{address}/", f"http://{gateway}:{port}/"):
        assert cli.out("run", "--rm", "busybox", "wget", "-qO-", url) == "hello"


def test_host_network(cli: CommandLine) -> None:
    links = sorted(name for _, name in socket.if_nameindex())
    seen = cli.out("run", "--rm", "--network", "host", "busybox", "ls", "/sys/class/net").split()
    assert {"lo", *[link for link in links if link.startswith("eth")]} <= set(seen)
    assert cli.out("run", "--rm", "--network", "host", "busybox", "hostname") == socket.gethostname()


def test_no_network(cli: CommandLine) -> None:
    assert cli.out("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net").split() == ["lo"]


def test_bridge_network_from_inside(cli: CommandLine) -> None:
    script = "ls /sys/class/net | sort | tr '\\n' ' '; ip route | head -1; grep -c . /etc/resolv.conf"
    links, *rest = cli.out("run", "--rm", "busybox", "sh", "-c", script).partition("default via")
    assert links.split() == ["eth0", "lo"]
    assert rest[0]


def test_hosts_file_names_the_container(cli: CommandLine) -> None:
    out = cli.out(
        "run", "--rm", "--hostname", "ship", "--add-host", "far:192.0.2.7", "busybox", "cat", "/etc/hosts"
    )
    lines = [line.split() for line in out.splitlines()]
    assert ["127.0.0.1", "localhost"] in lines
    assert ["192.0.2.7", "far"] in lines
    assert any(line[1:] == ["ship"] for line in lines)


def test_dns_of_ones_own(cli: CommandLine) -> None:
    flags = ["--dns", "192.0.2.53", "--dns-search", "example.org"]
    out = cli.out("run", "--rm", *flags, "busybox", "cat", "/etc/resolv.conf")
    assert "nameserver 192.0.2.53" in out
    assert "search example.org" in out


def test_another_containers_network(cli: CommandLine) -> None:
    server = cli.out("run", "-d", *WEB)
    script = "for i in 1 2 3 4 5 6 7 8 9; do wget -qO- http://127.0.0.1/ && exit; sleep 0.2; done"
    assert (
        cli.out("run", "--rm", "--network", f"container:{server}", "busybox", "sh", "-c", script) == "hello"
    )


def test_a_shared_network_comes_with_its_names(engine: EngineProcess) -> None:
    """Host name, hosts and resolv.conf are the owner's, who is known by id from then on, as in Docker."""
    engine.docker("network", "create", "harbour")
    owner = engine.docker("run", "-d", "--name", "owner", "--network", "harbour", "busybox", "sleep", "600")
    owner_id = owner.stdout.strip()
    guest = engine.docker(
        "run", "-d", "--network", "container:owner", "busybox", "sleep", "600"
    ).stdout.strip()
    read = ("cat", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname")
    assert engine.docker("exec", guest, *read).stdout == engine.docker("exec", owner_id, *read).stdout
    assert engine.docker("exec", guest, "hostname").stdout.strip() == owner_id[:12]
    assert engine.docker("exec", guest, "nslookup", "owner").returncode == 0
    engine.docker("rename", "owner", "former")
    shown = engine.docker("inspect", "-f", "{{.HostConfig.NetworkMode}} {{.HostsPath}}", guest).stdout.split()
    assert shown[0] == f"container:{owner_id}"
    assert owner_id in shown[1]
    engine.docker("rm", "-f", guest, owner_id)
    engine.docker("network", "rm", "harbour")


def test_an_unknown_network(cli: CommandLine) -> None:
    error = cli.fails(125, "run", "--rm", "--network", "nowhere", "busybox", "true")
    assert "network nowhere not found" in error
    assert "Unable to find image" not in error
    wait_until(lambda: cli.out("ps", "-aq") == "", "--rm holds for a failed start")


def test_a_failed_start_with_ports_says_why(cli: CommandLine) -> None:
    """The maker goes without reading what else it was sent; its last words count all the same."""
    port = free_port()
    for _ in range(4):
        error = cli.fails(127, "run", "--rm", "-p", f"{port}:80", "busybox", "frobnicate")
        assert "executable file not found in $PATH" in error
