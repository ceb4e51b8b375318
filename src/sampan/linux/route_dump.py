# SPDX-License-Identifier: Apache-2.0
"""What rtnetlink tells: links, addresses and routes of a network namespace, as values.

Implements: rtnetlink(7), the answers to RTM_GETLINK, RTM_GETADDR and RTM_GETROUTE.
Loaded by the launcher: nothing large may be imported.
"""

from __future__ import annotations

import errno
import socket
import struct

from sampan.linux import rtnetlink as rt
from sampan.linux.netlink import NetlinkError, NetlinkSocket, decode_attributes, decode_text


class Link:
    """A network device: `kind` is "bridge", "veth" … or "" of hardware, `master` its bridge's index or 0."""

    __slots__ = ("flags", "index", "kind", "mac", "master", "mtu", "name", "operates")

    def __init__(
        self,
        index: int,
        name: str,
        *,
        kind: str,
        flags: int,
        operates: bool,
        mtu: int,
        mac: str,
        master: int,
    ) -> None:
        self.index = index
        self.name = name
        self.kind = kind
        self.flags = flags
        self.operates = operates
        self.mtu = mtu
        self.mac = mac
        self.master = master

    @property
    def is_up(self) -> bool:
        """Whether somebody switched it on."""
        return bool(self.flags & rt.IFF_UP)

    @property
    def is_loopback(self) -> bool:
        """Whether it is `lo`."""
        return bool(self.flags & rt.IFF_LOOPBACK)


class Address:
    """An address of the link `index`."""

    __slots__ = ("address", "index", "prefix_length")

    def __init__(self, index: int, address: str, prefix_length: int) -> None:
        self.index = index
        self.address = address
        self.prefix_length = prefix_length


class Route:
    """A route of the main table: to `destination`/`prefix_length` by the link `index`, if it is one."""

    __slots__ = ("destination", "gateway", "index", "prefix_length")

    def __init__(self, destination: str, prefix_length: int, *, gateway: str, index: int) -> None:
        self.destination = destination
        self.prefix_length = prefix_length
        self.gateway = gateway
        self.index = index


def read_links(sock: NetlinkSocket) -> list[Link]:
    """Return all links."""
    answers = sock.dump(rt.get_links())
    return [decode_link(payload) for kind, payload in answers if kind == rt.RTM_NEWLINK]


def find_link(sock: NetlinkSocket, name: str) -> Link | None:
    """Return the link of that name, None if there is none."""
    try:
        answers = sock.exchange([rt.get_link(name)])
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return decode_link(answers[0][1])


def read_addresses(sock: NetlinkSocket, family: int = socket.AF_INET) -> list[Address]:
    """Return all addresses of a family."""
    answers = sock.dump(rt.get_addresses(family))
    return [
        decode_address(payload) for kind, payload in answers if _is_of(family, kind, payload, rt.RTM_NEWADDR)
    ]


def read_routes(sock: NetlinkSocket, family: int = socket.AF_INET) -> list[Route]:
    """Return a family's routes of the main table; the default one has prefix length 0."""
    answers = sock.dump(rt.get_routes(family))
    routes = [
        decode_route(payload) for kind, payload in answers if _is_of(family, kind, payload, rt.RTM_NEWROUTE)
    ]
    return [route for route in routes if route is not None]


def _is_of(family: int, kind: int, payload: bytes, wanted: int) -> bool:
    """A kernel without IPv6 answers a question about it with everything it has."""
    return kind == wanted and payload[0] == family


def decode_link(payload: bytes) -> Link:
    """Return the link of an RTM_NEWLINK message."""
    _, _, index, flags, _ = rt.IFINFO.unpack_from(payload)
    attributes = decode_attributes(payload, rt.IFINFO.size)
    info = decode_attributes(attributes.get(rt.IFLA_LINKINFO, b""))
    return Link(
        index,
        decode_text(attributes.get(rt.IFLA_IFNAME, b"")),
        kind=decode_text(info.get(rt.IFLA_INFO_KIND, b"")),
        flags=flags,
        operates=attributes.get(rt.IFLA_OPERSTATE) == bytes((rt.IF_OPER_UP,)),
        mtu=_u32(attributes.get(rt.IFLA_MTU)),
        mac=attributes.get(rt.IFLA_ADDRESS, b"").hex(":"),
        master=_u32(attributes.get(rt.IFLA_MASTER)),
    )


def decode_address(payload: bytes) -> Address:
    """Return the address of an RTM_NEWADDR message."""
    family, prefix_length, _, _, index = rt.IFADDR.unpack_from(payload)
    attributes = decode_attributes(payload, rt.IFADDR.size)
    packed = attributes.get(rt.IFA_LOCAL) or attributes[rt.IFA_ADDRESS]
    return Address(index, socket.inet_ntop(family, packed), prefix_length)


def decode_route(payload: bytes) -> Route | None:
    """Return the route of an RTM_NEWROUTE message, None if it is in another table than the main one."""
    family, prefix_length, _, _, table, _, _, _, _ = rt.RTMSG.unpack_from(payload)
    attributes = decode_attributes(payload, rt.RTMSG.size)
    if (_u32(attributes.get(rt.RTA_TABLE)) or table) != rt.RT_TABLE_MAIN:
        return None
    gateway = attributes.get(rt.RTA_GATEWAY)
    return Route(
        socket.inet_ntop(family, attributes.get(rt.RTA_DST, bytes(4 if family == socket.AF_INET else 16))),
        prefix_length,
        gateway=socket.inet_ntop(family, gateway) if gateway else "",
        index=_u32(attributes.get(rt.RTA_OIF)),
    )


def _u32(value: bytes | None) -> int:
    return int(struct.unpack("=I", value)[0]) if value else 0
