# SPDX-License-Identifier: Apache-2.0
"""The codec of netlink messages, without a socket."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.linux import netlink, rtnetlink
from sampan.linux.netlink import Request, attribute, decode_attributes, iter_attributes, nested
from sampan.linux.route_dump import decode_address, decode_link, decode_route

kinds = st.integers(1, netlink.NLA_TYPE_MASK)
attributes = st.lists(st.tuples(kinds, st.binary(max_size=40)))


@given(attributes)
def test_attributes_come_back_as_they_went(wanted: list[tuple[int, bytes]]) -> None:
    data = b"".join(attribute(kind, value) for kind, value in wanted)
    assert len(data) % 4 == 0
    assert list(iter_attributes(data)) == wanted


@given(attributes, kinds)
def test_nested_attributes_come_back_without_the_flag(wanted: list[tuple[int, bytes]], kind: int) -> None:
    data = nested(kind, *(attribute(inner, value) for inner, value in wanted))
    ((outer, inside),) = iter_attributes(data)
    assert outer == kind
    assert list(iter_attributes(inside)) == wanted


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_to_an_end(data: bytes) -> None:
    list(iter_attributes(data))
    list(netlink.iter_messages(data))


@given(st.lists(st.tuples(st.integers(16, 65535), st.binary(max_size=40)), min_size=1))
def test_messages_come_back_as_they_went(wanted: list[tuple[int, bytes]]) -> None:
    requests = [Request(kind, netlink.NLM_F_CREATE, payload, "try") for kind, payload in wanted]
    data = b"".join(netlink.encode_message(r, n, acknowledge=False) for n, r in enumerate(requests))
    decoded = list(netlink.iter_messages(data))
    assert [(kind, payload) for kind, _, _, payload in decoded] == wanted
    assert [sequence for _, _, sequence, _ in decoded] == list(range(len(wanted)))
    assert {flags for _, flags, _, _ in decoded} == {netlink.NLM_F_CREATE | netlink.NLM_F_REQUEST}


def test_a_message_is_laid_out_as_the_kernel_has_it() -> None:
    message = netlink.encode_message(Request(16, 0x400, b"abcde", "try"), 7, acknowledge=True)
    assert message == struct.pack("=IHHII", 21, 16, 0x405, 7, 0) + b"abcde\0\0\0"


def test_an_attribute_too_long_is_refused() -> None:
    with pytest.raises(struct.error):
        attribute(1, bytes(65536))


def test_a_veth_is_made_with_its_bridge_and_its_peers_namespace_in_one_message() -> None:
    peer = rtnetlink.VethPeer("eth0", 5, "02:42:ac:11:00:02")
    request = rtnetlink.new_veth("veth1", master=9, mac="0e:42:ac:11:00:02", mtu=1400, peer=peer)
    outer = decode_attributes(request.payload, rtnetlink.IFINFO.size)
    info = decode_attributes(outer[rtnetlink.IFLA_LINKINFO])
    inner = decode_attributes(
        decode_attributes(info[rtnetlink.IFLA_INFO_DATA])[rtnetlink.VETH_INFO_PEER], rtnetlink.IFINFO.size
    )
    assert outer[rtnetlink.IFLA_MASTER] == struct.pack("=I", 9)
    assert info[rtnetlink.IFLA_INFO_KIND] == b"veth\0"
    assert inner[rtnetlink.IFLA_NET_NS_FD] == struct.pack("=I", 5)
    assert inner[rtnetlink.IFLA_ADDRESS] == bytes.fromhex("0242ac110002")


def test_a_link_is_read_from_its_message() -> None:
    link = decode_link(rtnetlink.new_bridge("br0", mac="02:42:ac:11:00:01", mtu=1400).payload)
    assert (link.name, link.kind, link.mac, link.mtu, link.master) == (
        "br0",
        "bridge",
        "02:42:ac:11:00:01",
        1400,
        0,
    )
    assert not link.is_up


def test_an_address_is_read_from_its_message() -> None:
    address = decode_address(rtnetlink.add_address(3, "172.17.0.1", 16).payload)
    assert (address.index, address.address, address.prefix_length) == (3, "172.17.0.1", 16)


def test_an_address_brings_its_broadcast_address() -> None:
    payload = rtnetlink.add_address(3, "172.17.0.1", 20).payload
    values = decode_attributes(payload, rtnetlink.IFADDR.size)
    assert socket.inet_ntoa(values[rtnetlink.IFA_BROADCAST]) == "172.17.15.255"


def test_the_default_route_is_read_from_its_message() -> None:
    route = decode_route(rtnetlink.add_default_route(4, "172.17.0.1").payload)
    assert route is not None
    assert (route.destination, route.prefix_length, route.gateway, route.index) == (
        "0.0.0.0",
        0,
        "172.17.0.1",
        4,
    )


def test_routes_of_other_tables_are_left_out() -> None:
    local_table = rtnetlink.RTMSG.pack(socket.AF_INET, 8, 0, 0, 255, 2, 0, 2, 0)
    assert decode_route(local_table) is None
