# SPDX-License-Identifier: Apache-2.0
"""What is in nf_tables: the elements of a set or map of ours, and everybody's base chains.

Implements: include/uapi/linux/netfilter/nf_tables.h, the answers to NFT_MSG_GETSETELEM and NFT_MSG_GETCHAIN.
"""

from __future__ import annotations

import errno
import socket
import struct

from sampan.linux import nftables as nf
from sampan.linux.netlink import (
    NetlinkError,
    NetlinkSocket,
    Request,
    decode_attributes,
    decode_text,
    iter_attributes,
)

_NFT_MSG_GETCHAIN = 4
_NFT_MSG_GETSETELEM = 13
_NFGENMSG_SIZE = 4
_POLICY_DROP = 0


class Chain:
    """A base chain as found in the kernel."""

    __slots__ = ("drops", "family", "hook", "name", "table")

    def __init__(self, family: int, table: str, name: str, *, hook: int, drops: bool) -> None:
        self.family = family
        self.table = table
        self.name = name
        self.hook = hook
        self.drops = drops


def read_elements(
    sock: NetlinkSocket, table: str, name: str, family: int = socket.AF_INET
) -> dict[bytes, bytes] | None:
    """Return a set's or map's elements, None if there is no such set."""
    subject = f"list set {table} {name}"
    asked = nf.make_request(_NFT_MSG_GETSETELEM, 0, nf.element_list(table, name), subject)
    (request,) = nf.of_family(family, [asked])
    elements: dict[bytes, bytes] = {}
    try:
        answers = sock.dump(request)
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    for _, payload in answers:
        listed = decode_attributes(payload, _NFGENMSG_SIZE).get(nf.NFTA_SET_ELEM_LIST_ELEMENTS, b"")
        elements.update(_decode_element(element) for _, element in iter_attributes(listed))
    return elements


def read_base_chains(sock: NetlinkSocket) -> list[Chain]:
    """Return the base chains of all tables of all families."""
    header = struct.pack(">BBH", socket.AF_UNSPEC, 0, 0)
    request = Request(nf.NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETCHAIN, 0, header, "list chains")
    chains = (decode_chain(payload) for _, payload in sock.dump(request))
    return [chain for chain in chains if chain is not None]


def decode_chain(payload: bytes) -> Chain | None:
    """Return the base chain of an NFT_MSG_NEWCHAIN message, None if it is no base chain."""
    attributes = decode_attributes(payload, _NFGENMSG_SIZE)
    hook = decode_attributes(attributes.get(nf.NFTA_CHAIN_HOOK, b"")).get(nf.NFTA_HOOK_HOOKNUM)
    if hook is None:
        return None
    return Chain(
        payload[0],
        decode_text(attributes[nf.NFTA_CHAIN_TABLE]),
        decode_text(attributes[nf.NFTA_CHAIN_NAME]),
        hook=int.from_bytes(hook, "big"),
        drops=int.from_bytes(attributes.get(nf.NFTA_CHAIN_POLICY, b"\1"), "big") == _POLICY_DROP,
    )


def _decode_element(element: bytes) -> tuple[bytes, bytes]:
    attributes = decode_attributes(element)
    key = decode_attributes(attributes[nf.NFTA_SET_ELEM_KEY])[nf.NFTA_DATA_VALUE]
    data = decode_attributes(attributes.get(nf.NFTA_SET_ELEM_DATA, b"")).get(nf.NFTA_DATA_VALUE, b"")
    return key, data
