# SPDX-License-Identifier: Apache-2.0
"""Links, addresses and routes: the part of rtnetlink that containers need.

Implements: rtnetlink(7); include/uapi/linux/{rtnetlink,if_link,if_addr}.h.
Each function returns a `Request`, for several to be sent together. An address with a colon is an IPv6 one.
Not here: which links there should be (network). Loaded by the launcher: nothing large may be imported.
"""

from __future__ import annotations

import socket
import struct

from sampan.linux.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NetlinkSocket,
    Request,
    attribute,
    nested,
    text,
    u8,
    u32,
)

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_NEWROUTE = 24
RTM_GETROUTE = 26

IFF_UP = 0x1
IFF_LOOPBACK = 0x8

LOOPBACK_INDEX = 1
"""`lo` is the first device of every network namespace."""

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_OPERSTATE = 16
IFLA_LINKINFO = 18
IFLA_AF_SPEC = 26
IFLA_NET_NS_FD = 28
IFLA_EXT_MASK = 29

IF_OPER_UP = 6

IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_KIND = 4
IFLA_INFO_SLAVE_DATA = 5
IFLA_BRPORT_MODE = 4
IFLA_BRPORT_ISOLATED = 33
IFLA_MACVLAN_MODE = 1
VETH_INFO_PEER = 1

MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
"""Name → IFLA_MACVLAN_MODE."""

IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_F_NODAD = 0x2
RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_TABLE = 15

RT_TABLE_MAIN = 254
RTPROT_BOOT = 3
RTN_UNICAST = 1

_RTEXT_FILTER_SKIP_STATS = 8  # counters are most of a link's description
_IFLA_INET6_ADDR_GEN_MODE = 8
_IN6_ADDR_GEN_MODE_NONE = 1

IFINFO = struct.Struct("=BxHiII")
IFADDR = struct.Struct("=BBBBi")
RTMSG = struct.Struct("=BBBBBBBBI")


def open_route_socket() -> NetlinkSocket:
    """Return a socket to this network namespace's links, addresses and routes."""
    return NetlinkSocket(socket.NETLINK_ROUTE)


class VethPeer:
    """The other end of a veth pair: its name in the network namespace `netns_fd`, and its MAC address."""

    __slots__ = ("mac", "name", "netns_fd")

    def __init__(self, name: str, netns_fd: int, mac: str) -> None:
        self.name = name
        self.netns_fd = netns_fd
        self.mac = mac


def new_bridge(name: str, *, mac: str, mtu: int) -> Request:
    """Create a bridge; with a MAC of its own, so that it does not change with the ports."""
    payload = (
        _ifinfo()
        + text(IFLA_IFNAME, name)
        + attribute(IFLA_ADDRESS, encode_mac(mac))
        + u32(IFLA_MTU, mtu)
        + nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bridge"))
    )
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload, f"create bridge {name}")


def new_veth(name: str, *, master: int, mac: str, mtu: int, peer: VethPeer) -> Request:
    """Create a veth pair: this end in the bridge `master`, the other one straight in its namespace."""
    other = (
        _ifinfo()
        + text(IFLA_IFNAME, peer.name)
        + attribute(IFLA_ADDRESS, encode_mac(peer.mac))
        + u32(IFLA_MTU, mtu)
        + u32(IFLA_NET_NS_FD, peer.netns_fd)
    )
    kind = text(IFLA_INFO_KIND, "veth") + nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, other))
    payload = (
        _ifinfo()
        + text(IFLA_IFNAME, name)
        + attribute(IFLA_ADDRESS, encode_mac(mac))
        + u32(IFLA_MTU, mtu)
        + u32(IFLA_MASTER, master)
        + nested(IFLA_LINKINFO, kind)
    )
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload, f"create veth {name}")


def new_macvlan(name: str, *, parent: int, mode: int, netns_fd: int, mac: str, mtu: int) -> Request:
    """Create an interface with a MAC of its own on the link `parent`, straight in the namespace `netns_fd`."""
    kind = text(IFLA_INFO_KIND, "macvlan") + nested(IFLA_INFO_DATA, u32(IFLA_MACVLAN_MODE, mode))
    payload = (
        _ifinfo()
        + text(IFLA_IFNAME, name)
        + attribute(IFLA_ADDRESS, encode_mac(mac))
        + u32(IFLA_MTU, mtu)
        + u32(IFLA_LINK, parent)
        + u32(IFLA_NET_NS_FD, netns_fd)
        + nested(IFLA_LINKINFO, kind)
    )
    return Request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, payload, f"create macvlan {name}")


def set_up(link: int | str) -> Request:
    """Switch a link on."""
    return Request(RTM_NEWLINK, 0, _link(link, IFF_UP, IFF_UP), f"set link {link} up")


def set_mtu(link: int | str, mtu: int) -> Request:
    """Set the largest packet of a link."""
    return Request(RTM_NEWLINK, 0, _link(link) + u32(IFLA_MTU, mtu), f"set mtu of {link} to {mtu}")


def set_hairpin(name: str) -> Request:
    """Let a bridge send a frame back out of the port it came from.

    With net.bridge.bridge-nf-call-iptables set, DNAT happens while bridging, and a container that calls its
    own published port is answered through its own port.
    """
    port = text(IFLA_INFO_SLAVE_KIND, "bridge") + nested(IFLA_INFO_SLAVE_DATA, u8(IFLA_BRPORT_MODE, 1))
    return Request(RTM_NEWLINK, 0, _link(name) + nested(IFLA_LINKINFO, port), f"set hairpin mode of {name}")


def set_isolated(name: str) -> Request:
    """Keep a port of a bridge from reaching other ports that are isolated; the bridge itself it reaches."""
    port = text(IFLA_INFO_SLAVE_KIND, "bridge") + nested(IFLA_INFO_SLAVE_DATA, u8(IFLA_BRPORT_ISOLATED, 1))
    return Request(RTM_NEWLINK, 0, _link(name) + nested(IFLA_LINKINFO, port), f"isolate {name}")


def set_no_link_local(link: int | str) -> Request:
    """Keep a link from giving itself an IPv6 address."""
    inet6 = nested(socket.AF_INET6, u8(_IFLA_INET6_ADDR_GEN_MODE, _IN6_ADDR_GEN_MODE_NONE))
    payload = _link(link) + nested(IFLA_AF_SPEC, inet6)
    return Request(RTM_NEWLINK, 0, payload, f"keep link-local addresses off {link}")


def delete_link(name: str) -> Request:
    """Delete a link, and with a veth its other end."""
    return Request(RTM_DELLINK, 0, _link(name), f"delete link {name}")


def add_address(index: int, address: str, prefix_length: int) -> Request:
    """Give a link an address and the route to its subnet; the address it has already is no error.

    An IPv6 one is usable at once: nobody is asked whether it is taken, for it has been chosen here.
    """
    return Request(
        RTM_NEWADDR,
        NLM_F_CREATE | NLM_F_REPLACE,
        _address(index, address, prefix_length),
        f"add address {address}/{prefix_length}",
    )


def delete_address(index: int, address: str, prefix_length: int) -> Request:
    """Take an address off a link."""
    payload = _address(index, address, prefix_length)
    return Request(RTM_DELADDR, 0, payload, f"delete address {address}/{prefix_length}")


def add_default_route(index: int, gateway: str, *, replace: bool = False) -> Request:
    """Send everything that has no better route to `gateway`, with `replace` also if it went elsewhere before."""
    family, packed = encode_address(gateway)
    header = RTMSG.pack(family, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0)
    payload = header + attribute(RTA_GATEWAY, packed) + u32(RTA_OIF, index)
    flags = NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL)
    return Request(RTM_NEWROUTE, flags, payload, f"add default route via {gateway}")


def get_link(name: str) -> Request:
    """Ask for one link."""
    return Request(RTM_GETLINK, 0, _link(name) + _skip_statistics(), f"find link {name}")


def get_links() -> Request:
    """Ask for all links."""
    return Request(RTM_GETLINK, 0, _ifinfo() + _skip_statistics(), "list links")


def get_addresses(family: int = socket.AF_INET) -> Request:
    """Ask for all addresses of a family."""
    return Request(RTM_GETADDR, 0, IFADDR.pack(family, 0, 0, 0, 0), "list addresses")


def get_routes(family: int = socket.AF_INET) -> Request:
    """Ask for all routes of a family."""
    return Request(RTM_GETROUTE, 0, RTMSG.pack(family, *bytes(8)), "list routes")


def encode_address(address: str) -> tuple[int, bytes]:
    """Return the family and the bytes of an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def encode_mac(mac: str) -> bytes:
    """Return the six bytes of ``02:42:ac:11:00:02``."""
    return bytes.fromhex(mac.replace(":", ""))


def _ifinfo(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return IFINFO.pack(socket.AF_UNSPEC, 0, index, flags, change)


def _link(link: int | str, flags: int = 0, change: int = 0) -> bytes:
    if isinstance(link, int):
        return _ifinfo(link, flags, change)
    return _ifinfo(0, flags, change) + text(IFLA_IFNAME, link)


def _skip_statistics() -> bytes:
    return u32(IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)


def _address(index: int, address: str, prefix_length: int) -> bytes:
    family, packed = encode_address(address)
    if family == socket.AF_INET6:
        header = IFADDR.pack(family, prefix_length, IFA_F_NODAD, 0, index)
        return header + attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    host_bits = (1 << (32 - prefix_length)) - 1
    broadcast = (int.from_bytes(packed, "big") | host_bits).to_bytes(4, "big")
    return (
        IFADDR.pack(socket.AF_INET, prefix_length, 0, 0, index)
        + attribute(IFA_LOCAL, packed)
        + attribute(IFA_ADDRESS, packed)
        + attribute(IFA_BROADCAST, broadcast)
    )
