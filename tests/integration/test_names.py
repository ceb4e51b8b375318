# SPDX-License-Identifier: Apache-2.0
"""The name server of user-defined networks: what it knows, whom it asks, what it outlives."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until
from integration.name_server_stub import name_server

SUBNET = ["--subnet", "10.214.1.0/24"]
GATEWAY = "10.214.1.1"


@pytest.fixture(autouse=True)
def _no_networks_left(engine: EngineProcess) -> Iterator[None]:
    yield
    engine.remove_everything()
    engine.sampan("network", "prune", "-f")


@pytest.fixture
def asker(cli: CommandLine) -> str:
    """A container on a network with another, `boat`."""
    cli("network", "create", *SUBNET, "sea")
    cli("run", "-d", "--name", "boat", "--network", "sea", "--network-alias", "ferry", "-h", "hull", *SLEEP)
    return cli.out("run", "-d", "--name", "asker", "--network", "sea", *SLEEP)


SLEEP = ["busybox", "sleep", "600"]


def lookup(cli: CommandLine, name: str, container: str = "asker") -> str:
    """What nslookup says after the server's own address."""
    out = cli("exec", container, "nslookup", name, check=False).stdout
    return out.partition("\n\n")[2]


def test_a_container_is_known_by_name_alias_short_id_and_host_name(cli: CommandLine, asker: str) -> None:
    short_id = cli.out("ps", "-q", "--filter", "name=boat")
    for name in ("boat", "ferry", short_id, "hull", "boat.sea", "BOAT"):
        assert "Address: 10.214.1.2" in lookup(cli, name), name
    assert "10.214.1.3" in lookup(cli, asker[:12])
    assert "boat.sea" in lookup(cli, "10.214.1.2")


def test_an_alias_of_several_containers_has_all_addresses(cli: CommandLine, asker: str) -> None:
    cli("run", "-d", "--network", "sea", "--network-alias", "ferry", *SLEEP)
    assert {"10.214.1.2", "10.214.1.4"} <= set(lookup(cli, "ferry").split())


def test_a_link_is_an_alias_of_its_own(cli: CommandLine, asker: str) -> None:
    cli("run", "-d", "--name", "linked", "--network", "sea", "--link", "boat:tug", *SLEEP)
    assert "10.214.1.2" in lookup(cli, "tug", "linked")
    assert "10.214.1.2" not in lookup(cli, "tug")


def test_names_follow_renames_and_ends(cli: CommandLine, asker: str) -> None:
    cli("rename", "boat", "ship")
    assert "10.214.1.2" in lookup(cli, "ship")
    cli("rm", "-f", "ship")
    assert "10.214.1.2" not in lookup(cli, "ship")


def test_the_default_network_has_no_names(cli: CommandLine, asker: str) -> None:
    out = cli.out("run", "--rm", "busybox", "cat", "/etc/resolv.conf")
    assert "127.0.0.11" not in out


def test_other_names_are_asked_of_the_servers_given(cli: CommandLine, asker: str) -> None:
    cli("run", "-d", "--name", "other", "--network", "sea", "--dns", GATEWAY, *SLEEP)
    with name_server(GATEWAY, "192.0.2.77") as asked:
        assert "192.0.2.77" in lookup(cli, "far.example", "other")
        assert "10.214.1.2" in lookup(cli, "boat", "other")
    assert set(asked) == {"udp"}


def test_what_the_user_says_of_the_resolver_is_kept(cli: CommandLine, asker: str) -> None:
    flags = ["--network", "sea", "--dns", GATEWAY, "--dns-search", "harbour.test", "--dns-opt", "timeout:3"]
    conf = cli.out("run", "--rm", *flags, "busybox", "cat", "/etc/resolv.conf")
    assert conf.splitlines() == ["nameserver 127.0.0.11", "search harbour.test", "options timeout:3 ndots:0"]
    conf = cli.out(
        "run", "--rm", "--network", "sea", "--dns-opt", "ndots:2", "busybox", "cat", "/etc/resolv.conf"
    )
    assert "options ndots:2\n" in conf + "\n"


def test_an_internal_network_asks_nobody(cli: CommandLine) -> None:
    cli("network", "create", "--internal", *SUBNET, "bay")
    cli("run", "-d", "--name", "asker", "--network", "bay", "--dns", GATEWAY, *SLEEP)
    with name_server(GATEWAY, "192.0.2.77") as asked:
        assert "192.0.2.77" not in lookup(cli, "far.example")
    assert asked == []
    assert "10.214.1.2" in lookup(cli, "asker")


def test_a_container_may_have_a_name_server_of_its_own(cli: CommandLine, asker: str) -> None:
    cli("exec", "-d", "asker", "nc", "-l", "-p", "53")
    wait_until(lambda: ":53 " in cli.out("exec", "asker", "netstat", "-ltn"), "it listens")
    out = cli.out("exec", "asker", "sh", "-c", "netstat -ltn; nslookup boat")
    assert ":53 " in out
    assert "Address: 10.214.1.2" in out


class TestOutlives:
    """What the name server outlives, and who outlives it."""

    @pytest.fixture
    def cli(self, own_engine: EngineProcess) -> CommandLine:
        return CommandLine(own_engine, "sampan")

    def test_a_killed_engine(self, cli: CommandLine, own_engine: EngineProcess, asker: str) -> None:
        program = ["sh", "-c", "while ! nslookup late; do nslookup boat; sleep 0.1; done; exec sleep 600"]
        watcher = cli.out("run", "-d", "--network", "sea", "busybox", *program)
        log = own_engine.data / "containers" / watcher / "container.log"
        own_engine.kill()
        size = log.stat().st_size
        wait_until(lambda: b"10.214.1.2" in log.read_bytes()[size:], "boat is found without an engine")
        own_engine.start()
        cli("run", "-d", "--name", "late", "--network", "sea", *SLEEP)
        assert "10.214.1.5" in lookup(cli, "late")
        assert "10.214.1.2" in lookup(cli, "boat", "late")

    def test_its_own_death(self, cli: CommandLine, own_engine: EngineProcess, asker: str) -> None:
        os.kill(find_name_server(own_engine), signal.SIGKILL)
        wait_until(lambda: "10.214.1.2" in lookup(cli, "boat"), "another name server answers")

    def test_it_ends_with_the_last_who_need_it(
        self, cli: CommandLine, own_engine: EngineProcess, asker: str
    ) -> None:
        server = find_name_server(own_engine)
        own_engine.kill()
        assert os.path.exists(f"/proc/{server}")
        own_engine.start()
        assert find_name_server(own_engine) == server
        cli("rm", "-f", "boat", "asker")
        own_engine.stop()
        wait_until(lambda: not is_running(server), "the name server has ended")


def find_name_server(engine: EngineProcess) -> int:
    """The process that listens at the engine's socket for names."""
    path = str(engine.run / "names.sock")
    with open("/proc/net/unix", encoding="utf-8") as file:
        inodes = {line.split()[6] for line in file if line.rstrip().endswith(path)}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if any(f"socket:[{inode}]" in links_of(pid) for inode in inodes):
            return int(pid)
    raise AssertionError("no name server")


def links_of(pid: str) -> set[str]:
    found = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:
        pass
    return found


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
