# SPDX-License-Identifier: Apache-2.0
"""Ports of the host that are taken for a container, and firewalls of others."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest

from kernel.network_lab import QUICK_S, Lab, Namespace, publication
from sampan.linux import nftables
from sampan.linux.netlink import Request, attribute, be32, nested, text
from sampan.linux.nftables_dump import read_elements
from sampan.linux.rtnetlink import open_route_socket, set_up
from sampan.network.coexistence import forward_warnings
from sampan.network.ports import Endpoint, PortMapping, PortReserver, PortUnavailable, read_ephemeral_ports
from sampan.network.publication import ANY_ADDRESS, ANY_ADDRESS_6, HostPort

WEB = Endpoint("web", "0123abcd", IPv4Address("172.17.0.2"))
PREFIX = "driver failed programming external connectivity on endpoint web (0123abcd): "


@pytest.fixture
def host() -> Iterator[Namespace]:
    made = Namespace()
    with made.entered(), open_route_socket() as route:
        route.exchange([set_up(1)])
        yield made
    made.close()


def reserver() -> PortReserver:
    return PortReserver(range(40000, 40010))


def mapping(port: int = 0, *, protocol: str = "tcp", address: str = "0.0.0.0") -> PortMapping:
    return PortMapping(80, protocol, (IPv4Address(address),), range(port, port + 1) if port else range(0))


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("option", [None, socket.SO_REUSEADDR, socket.SO_REUSEPORT])
@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_nobody_else_takes_a_reserved_port(
    host: Namespace, protocol: str, option: int | None, address: str
) -> None:
    reserved = reserver().reserve([mapping(8000, protocol=protocol)], WEB, [])
    with socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    ) as other:
        if option is not None:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind((address, 8000))
        reserved.close()
        other.bind((address, 8000))


def test_a_reserved_port_does_not_pretend_to_serve(host: Namespace) -> None:
    reserved = reserver().reserve([mapping(8000)], WEB, [])
    with socket.socket() as client:
        client.settimeout(QUICK_S)
        with pytest.raises(TimeoutError):
            client.connect(("127.0.0.1", 8000))
    reserved.close()


def test_a_reserved_port_leads_to_the_container() -> None:
    lab = Lab()
    box = lab.box(lab.one, 2)
    with lab.host.entered():
        endpoint = Endpoint("web", "0123abcd", IPv4Address(box.address))
        reserved = reserver().reserve([mapping(8000)], endpoint, [])
    lab.firewall.publish(reserved.publications)
    assert reserved.publications == [publication(box, port=8000)]
    lab.asks(lab.host, "127.0.0.1", 8000, lab.serve(box, 80))
    reserved.close()
    lab.close()


def test_a_closed_connection_is_no_obstacle(host: Namespace) -> None:
    with (
        socket.create_server(("127.0.0.1", 8000)) as server,
        socket.create_connection(("127.0.0.1", 8000)) as client,
    ):
        accepted, _ = server.accept()
        accepted.close()  # the server's side goes to TIME_WAIT
        assert client.recv(1) == b""
    reserver().reserve([mapping(8000)], WEB, []).close()


def test_a_strangers_port_is_named_in_dockers_words(host: Namespace) -> None:
    with socket.create_server(("127.0.0.1", 8000)), pytest.raises(PortUnavailable) as caught:
        reserver().reserve([mapping(8001), mapping(8000)], WEB, [])
    assert str(caught.value) == (
        PREFIX + "failed to bind host port for 0.0.0.0:8000:172.17.0.2:80/tcp: address already in use"
    )
    assert caught.value.hint == "another program has port 8000; find it with: ss -lnp sport = 8000"
    reserver().reserve([mapping(8001)], WEB, []).close()  # the first one was let go


def test_an_address_that_is_not_the_hosts_is_named(host: Namespace) -> None:
    with pytest.raises(
        PortUnavailable, match=r"203\.0\.113\.7:8000:.*: cannot assign requested address"
    ) as caught:
        reserver().reserve([mapping(8000, address="203.0.113.7")], WEB, [])
    assert caught.value.hint == "203.0.113.7 is not an address of this host"


def test_another_containers_port_is_named_in_dockers_words(host: Namespace) -> None:
    taken = [HostPort("tcp", IPv4Address("127.0.0.1"), 8000)]
    with pytest.raises(PortUnavailable) as caught:
        reserver().reserve([mapping(8000)], WEB, taken)
    assert str(caught.value) == PREFIX + "Bind for 0.0.0.0:8000 failed: port is already allocated"
    reserver().reserve([mapping(8000, protocol="udp")], WEB, taken).close()


def test_the_same_port_twice_is_refused(host: Namespace) -> None:
    with pytest.raises(PortUnavailable, match="port is already allocated"):
        reserver().reserve([mapping(8000), mapping(8000)], WEB, [])


def test_ephemeral_ports_go_round_and_skip_what_is_taken(host: Namespace) -> None:
    ports = reserver()
    taken = [HostPort("tcp", IPv4Address("0.0.0.0"), 40001)]
    with socket.create_server(("127.0.0.1", 40002)):
        reserved = ports.reserve([mapping(), mapping(), mapping()], WEB, taken)
    assert [each.host.port for each in reserved.publications] == [40000, 40003, 40004]
    reserved.close()
    again = ports.reserve([mapping()], WEB, [])
    assert again.publications[0].host.port == 40005
    again.close()


def test_a_range_gives_its_first_free_port(host: Namespace) -> None:
    wanted = PortMapping(80, "tcp", (ANY_ADDRESS,), range(8000, 8003))
    with socket.create_server(("127.0.0.1", 8000)):
        reserved = reserver().reserve([wanted, wanted], WEB, [])
        assert [each.host.port for each in reserved.publications] == [8001, 8002]
        with pytest.raises(PortUnavailable, match="failed to bind host port for"):
            reserver().reserve([wanted], WEB, [each.host for each in reserved.publications])
    reserved.close()


def test_a_range_used_up_by_containers_is_said(host: Namespace) -> None:
    wanted = PortMapping(80, host_ports=range(8000, 8002))
    taken = [HostPort("tcp", IPv4Address("0.0.0.0"), port) for port in wanted.host_ports]
    with pytest.raises(PortUnavailable, match=r"Bind for 0\.0\.0\.0 failed: all ports are allocated"):
        reserver().reserve([wanted], WEB, taken)


def test_descriptors_hold_the_port_in_another_process(host: Namespace) -> None:
    reserved = reserver().reserve([mapping(8000)], WEB, [])
    held = [socket.socket(fileno=socket.dup(fd)) for fd in reserved.fds]
    reserved.close()
    with pytest.raises(PortUnavailable, match="address already in use"):
        reserver().reserve([mapping(8000)], WEB, [])
    for sock in held:
        sock.close()


def test_both_families_have_the_same_port_or_none(host: Namespace) -> None:
    wanted = PortMapping(80)
    with socket.create_server(("::1", 40000), family=socket.AF_INET6):
        reserved = reserver().reserve([wanted], WEB, [])
    hosts = [each.host for each in reserved.publications]
    assert hosts == [HostPort("tcp", ANY_ADDRESS, 40001), HostPort("tcp", ANY_ADDRESS_6, 40001)]
    assert reserved.relays == ["", "[::]:40001/tcp"]
    assert reserved.targets == {"[::]:40001/tcp": ("172.17.0.2", 80)}
    reserved.close()


def test_a_container_without_ipv4_has_only_ipv6_ports(host: Namespace) -> None:
    only_ipv6 = Endpoint("web", "0123abcd", None, IPv6Address("fd00::2"))
    reserved = reserver().reserve([PortMapping(80)], only_ipv6, [])
    assert [str(each) for each in reserved.publications] == ["[::]:40000:[fd00::2]:80/tcp"]
    reserved.close()
    with pytest.raises(
        PortUnavailable, match=r"cannot publish on 127\.0\.0\.1: the container has no address"
    ):
        reserver().reserve([mapping(8000, address="127.0.0.1")], only_ipv6, [])


def test_sctp_is_accepted(host: Namespace) -> None:
    reserved = reserver().reserve([mapping(8000, protocol="sctp")], WEB, [])
    assert str(reserved.publications[0]) == "0.0.0.0:8000:172.17.0.2:80/sctp"
    reserved.close()


def test_the_kernels_ephemeral_ports_are_read(host: Namespace) -> None:
    ports = read_ephemeral_ports()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in ports


def test_another_firewall_that_drops_is_told_with_the_way_out(host: Namespace) -> None:
    assert forward_warnings("sampan", "sampan0") == []
    with nftables.open_netfilter_socket() as sock:
        nftables.commit(sock, [nftables.add_table("filter"), dropping_chain("filter", "FORWARD")])
    (warning,) = forward_warnings("sampan", "sampan0")
    assert "the chain ip filter FORWARD drops what it does not know" in warning
    assert "iptables -I FORWARD -i sampan0 -j ACCEPT" in warning
    assert forward_warnings("filter", "sampan0") == []


def test_a_table_that_is_not_there_has_no_elements(host: Namespace) -> None:
    with nftables.open_netfilter_socket() as sock:
        assert read_elements(sock, "nowhere", "nothing") is None


def test_a_transaction_that_fails_changes_nothing(host: Namespace) -> None:
    with nftables.open_netfilter_socket() as sock:
        with pytest.raises(OSError, match="flush chain lab nowhere") as caught:
            nftables.commit(sock, [nftables.add_table("lab"), nftables.flush_chain("lab", "nowhere")])
        assert caught.value.errno == errno.ENOENT
        with pytest.raises(OSError, match="delete table lab"):
            nftables.commit(sock, [nftables.delete_table("lab")])


def test_thousands_of_ports_are_one_transaction() -> None:
    lab = Lab()
    box = lab.box(lab.one, 2)
    many = [publication(box, port=port) for port in range(10000, 14000)]
    server = lab.serve(box, 80)
    lab.firewall.publish(many)
    lab.asks(lab.host, "127.0.0.1", 13999, server)
    lab.firewall.unpublish(many)
    assert not lab.reaches(lab.host, "127.0.0.1", 13999)
    lab.close()


def dropping_chain(table: str, name: str) -> Request:
    hook = nested(4, be32(1, nftables.HOOK_FORWARD), attribute(2, struct.pack(">i", 0)))
    body = text(1, table) + text(3, name) + hook + be32(5, 0) + text(7, "filter")
    kind = nftables.NFNL_SUBSYS_NFTABLES << 8 | nftables.NFT_MSG_NEWCHAIN
    return Request(kind, 0x400, struct.pack(">BBH", socket.AF_INET, 0, 0) + body, "add a dropping chain")
