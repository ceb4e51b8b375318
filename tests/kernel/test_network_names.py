# SPDX-License-Identifier: Apache-2.0
"""The name server's sockets, and changes to a running container's network, in real namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from kernel.network_lab import PATIENT_S, Box, Lab
from sampan.linux import rtnetlink as rt
from sampan.linux.route_dump import find_link, read_addresses, read_routes
from sampan.network.endpoint import plan_interface
from sampan.network.nameserver import message
from sampan.network.nameserver.listener import NetworkNamespace, open_listeners
from sampan.network.nameserver.resolver import Resolver
from sampan.network.nameserver.upstream import HostServers
from sampan.network.nameserver.zones import Member, Place, Zones
from sampan.network.running import attach_running, detach_running, set_default_routes

SERVER = ("127.0.0.11", 53)


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


@pytest.fixture
def inhabitant(lab: Lab) -> Iterator[int]:
    """A process that lives in a container's network namespace, as a container's program does."""
    box = lab.box(lab.one, 2)
    with box.entered():
        pid = os.fork()
        if pid == 0:
            signal.pause()
            os._exit(0)
    yield pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def query(name: str, kind: int = message.TYPE_A) -> bytes:
    question = message.encode_name(name) + struct.pack(">HH", kind, 1)
    return message.HEADER.pack(7, 0x0100, 1, 0, 0, 0) + question


class TestListeners:
    def test_port_53_leads_to_them(self, lab: Lab) -> None:
        box = lab.box(lab.one, 2)
        with box.entered():
            udp, tcp = open_listeners()
        for sock in (udp, tcp):
            lab.keep(sock).settimeout(PATIENT_S)
        client = lab.keep(box.socket(socket.SOCK_DGRAM))
        client.settimeout(PATIENT_S)
        client.connect(SERVER)
        client.send(b"ping")
        data, caller = udp.recvfrom(16)
        udp.sendto(b"pong", caller)
        assert (data, client.recv(16)) == (b"ping", b"pong")
        stream = lab.connect(box, *SERVER)
        peer, _ = tcp.accept()
        with peer:
            peer.sendall(b"pong")
            assert stream.recv(16) == b"pong"

    def test_the_container_keeps_port_53_for_itself(self, lab: Lab) -> None:
        box = lab.box(lab.one, 2)
        with box.entered():
            for sock in open_listeners():
                lab.keep(sock)
        lab.serve(box, 53)
        lab.serve(box, 53, socket.SOCK_DGRAM)

    def test_they_may_be_opened_anew(self, lab: Lab) -> None:
        box = lab.box(lab.one, 2)
        with box.entered():
            for sock in (*open_listeners(), *open_listeners()):
                lab.keep(sock)
        client = lab.keep(box.socket(socket.SOCK_DGRAM))
        client.sendto(b"x", SERVER)


@contextlib.contextmanager
def serving(pid: int, zones: Zones) -> Iterator[None]:
    """A resolver in a thread with a loop of its own, for the container of a process."""
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        resolver = Resolver("1", NetworkNamespace(pid), zones, HostServers("/nonexistent"))
        await resolver.open()
        stop.append(lambda: loop.call_soon_threadsafe(end.set))
        ready.set()
        await end.wait()
        resolver.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(PATIENT_S)
    try:
        yield
    finally:
        stop[0]()
        thread.join()


def ask(pid: int, data: bytes) -> bytes:
    with contextlib.closing(NetworkNamespace(pid)) as namespace:
        with namespace.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            sock.settimeout(PATIENT_S)
            sock.sendto(data, SERVER)
            return sock.recv(4096)


def ask_stream(pid: int, data: bytes) -> bytes:
    with contextlib.closing(NetworkNamespace(pid)) as namespace:
        with namespace.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with sock, sock.makefile("rb") as file:
            sock.settimeout(PATIENT_S)
            sock.connect(SERVER)
            sock.sendall(len(data).to_bytes(2, "big") + data)
            return file.read(int.from_bytes(file.read(2), "big"))


def zones_of(count: int, servers: tuple[str, ...] = ()) -> Zones:
    zones = Zones()
    for number in range(1, count + 1):
        address = f"10.0.{number // 250}.{number % 250 + 2}"
        place = Place("sea", "sea", (address,), (f"boat{number}", "fleet"), {})
        zones.put(Member(str(number), (place,), servers))
    return zones


def counts(answer: bytes) -> tuple[int, bool, int]:
    """Response code, whether it is cut, number of answers."""
    _, flags, _, answers, _, _ = message.HEADER.unpack_from(answer)
    return flags & 0xF, bool(flags & 0x0200), answers


def test_a_container_is_answered(inhabitant: int) -> None:
    with serving(inhabitant, zones_of(2)):
        assert ask(inhabitant, query("boat2")).endswith(bytes((10, 0, 0, 4)))
        assert counts(ask(inhabitant, query("boat2", message.TYPE_AAAA))) == (0, False, 0)
        assert b"boat2\x03sea" in ask(inhabitant, query("4.0.0.10.in-addr.arpa", message.TYPE_PTR))


def test_a_long_answer_is_cut_and_whole_over_a_stream(inhabitant: int) -> None:
    with serving(inhabitant, zones_of(300)):
        code, is_cut, answers = counts(ask(inhabitant, query("fleet")))
        assert (code, is_cut) == (0, True)
        assert 0 < answers < 300
        assert counts(ask_stream(inhabitant, query("fleet"))) == (0, False, 300)


def test_what_nobody_can_be_asked_fails(inhabitant: int) -> None:
    with serving(inhabitant, zones_of(1)):
        assert counts(ask(inhabitant, query("far.example")))[0] == message.SERVER_FAILURE
        assert counts(ask_stream(inhabitant, query("far.example")))[0] == message.SERVER_FAILURE


def test_hostile_packets_do_no_harm(inhabitant: int) -> None:
    with serving(inhabitant, zones_of(1)):
        pointer = message.HEADER.pack(9, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"
        assert counts(ask(inhabitant, pointer))[0] == message.FORMAT_ERROR
        update = message.HEADER.pack(9, 0x2800, 1, 0, 0, 0) + query("x")[12:]
        assert counts(ask(inhabitant, update))[0] == message.NOT_IMPLEMENTED
        assert counts(ask(inhabitant, query("boat1"))) == (0, False, 1)


def test_other_servers_are_asked_from_inside_one_after_the_other(lab: Lab, inhabitant: int) -> None:
    good = lab.serve(lab.host, 53, socket.SOCK_DGRAM, address=str(lab.one.gateway))

    def answer() -> None:
        data, peer = good.recvfrom(512)
        good.sendto(
            message.encode_answer(message.decode_query(data), [bytes((192, 0, 2, 9))], limit=512), peer
        )

    thread = threading.Thread(target=answer)
    thread.start()
    with serving(inhabitant, zones_of(1, ("127.0.0.1", str(lab.one.gateway)))):
        assert ask(inhabitant, query("far.example")).endswith(bytes((192, 0, 2, 9)))
    thread.join()


def interface(lab: Lab, *, isolated: bool = False) -> dict[str, object]:
    return plan_interface(
        bridge=lab.two.name,
        host_interface="vethrun",
        name="eth1",
        mac="02:42:ac:1f:10:09",
        addresses=["172.31.16.9/20"],
        mtu=1400,
        isolated=isolated,
    )


def test_a_running_container_gets_an_interface_and_loses_it(lab: Lab, inhabitant: int) -> None:
    before = os.stat("/proc/thread-self/ns/net").st_ino
    with lab.host.entered():
        attach_running(inhabitant, interface(lab))
        set_default_routes(inhabitant, [("eth1", str(lab.two.gateway))])
    assert os.stat("/proc/thread-self/ns/net").st_ino == before
    with contextlib.closing(NetworkNamespace(inhabitant)) as namespace:
        with namespace.entered(), rt.open_route_socket() as route:
            assert "172.31.16.9" in {each.address for each in read_addresses(route)}
            gateways = [each.gateway for each in read_routes(route) if not each.prefix_length]
            assert gateways == [str(lab.two.gateway)]
        with lab.host.entered():
            detach_running("vethrun")
            detach_running("vethrun")
        with namespace.entered(), rt.open_route_socket() as route:
            assert find_link(route, "eth1") is None


def isolated_box(lab: Lab, number: int) -> Box:
    box = lab.box(lab.one, number)
    with lab.host.entered(), rt.open_route_socket() as route:
        route.exchange([rt.set_isolated(str(box.interface["host_interface"]))])
    return box


def test_isolated_ports_reach_the_host_and_not_each_other(lab: Lab) -> None:
    one, other = isolated_box(lab, 2), isolated_box(lab, 3)
    lab.serve(one, 80)
    lab.serve(lab.host, 8080)
    assert not lab.reaches(other, one.address, 80)
    assert lab.reaches(other, str(lab.one.gateway), 8080)
