# SPDX-License-Identifier: Apache-2.0
"""Connection tracking: forget flows whose destination has changed.

Implements: include/uapi/linux/netfilter/nfnetlink_conntrack.h, a filtered dump and single deletions.
NAT is decided at a flow's first packet. A UDP flow never ends by itself while its sender goes on, so after a
port was published or taken back it has to be forgotten, or it keeps going where it went before.
"""

from __future__ import annotations

import errno
import socket
import struct

from sampan.linux.netlink import NetlinkError, NetlinkSocket, Request, decode_attributes, nested, u8, u32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_NFNL_SUBSYS_CTNETLINK = 1
_CT_GET = _NFNL_SUBSYS_CTNETLINK << 8 | 1
_CT_DELETE = _NFNL_SUBSYS_CTNETLINK << 8 | 2

_CTA_TUPLE_ORIG = 1
_CTA_FILTER = 25
_CTA_FILTER_ORIG_FLAGS = 1
_CTA_TUPLE_PROTO = 2
_CTA_PROTO_NUM = 1
_CTA_PROTO_DST_PORT = 3

# which field of the tuple counts (a bit defined in net/netfilter/nf_conntrack_netlink.c, not in uapi)
_FILTER_PROTO_NUM = 1 << 3

_HEADER_BYTES = 4


def forget_flows(
    sock: NetlinkSocket, protocol: int, ports: Collection[int], family: int = socket.AF_INET
) -> int:
    """Forget a family's flows to these ports, whatever the address; return how many there were.

    The kernel walks the whole of its table for this (10 ms), so it is asked once for all ports.
    """
    flows = [_original(payload) for _, payload in sock.dump(_select(family, protocol))]
    return sum(_delete(sock, family, flow) for flow in flows if _destination_port(flow) in ports)


def _select(family: int, protocol: int) -> Request:
    fields = nested(_CTA_TUPLE_PROTO, u8(_CTA_PROTO_NUM, protocol))
    chosen = u32(_CTA_FILTER_ORIG_FLAGS, _FILTER_PROTO_NUM)
    body = _header(family) + nested(_CTA_TUPLE_ORIG, fields) + nested(_CTA_FILTER, chosen)
    return Request(_CT_GET, 0, body, f"list flows of protocol {protocol}")


def _header(family: int) -> bytes:
    return struct.pack(">BBH", family, 0, 0)


def _original(payload: bytes) -> bytes:
    return decode_attributes(payload, _HEADER_BYTES)[_CTA_TUPLE_ORIG]


def _destination_port(original: bytes) -> int:
    fields = decode_attributes(decode_attributes(original)[_CTA_TUPLE_PROTO])
    return int.from_bytes(fields.get(_CTA_PROTO_DST_PORT, b""), "big")


def _delete(sock: NetlinkSocket, family: int, original: bytes) -> int:
    # the tuple goes back as it came; the flags of what is nested in it are still there
    request = Request(_CT_DELETE, 0, _header(family) + nested(_CTA_TUPLE_ORIG, original), "forget a flow")
    try:
        sock.exchange([request])
    except NetlinkError as error:
        if error.errno != errno.ENOENT:  # it ended meanwhile
            raise
        return 0
    return 1
