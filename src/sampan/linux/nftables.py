# SPDX-License-Identifier: Apache-2.0
"""nf_tables over netlink: tables, chains, rules, sets and maps, changed in transactions.

Implements: include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h (batches), for the family ``ip``.
Holds: what is sent with `commit` happens wholly or not at all.
Not here: the instructions of a rule (nft_expressions), what the rules are for (network.firewall).
"""

from __future__ import annotations

import errno
import socket
import struct

from sampan.linux.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NetlinkError,
    NetlinkSocket,
    Request,
    attribute,
    be32,
    decode_attributes,
    decode_text,
    iter_attributes,
    nested,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES = 10
_BATCH_BEGIN = 0x10
_BATCH_END = 0x11

NFT_MSG_NEWTABLE = 0
NFT_MSG_DELTABLE = 2
NFT_MSG_NEWCHAIN = 3
NFT_MSG_GETCHAIN = 4
NFT_MSG_NEWRULE = 6
NFT_MSG_DELRULE = 8
NFT_MSG_NEWSET = 9
NFT_MSG_NEWSETELEM = 12
NFT_MSG_GETSETELEM = 13
NFT_MSG_DELSETELEM = 14

HOOK_PREROUTING = 0
HOOK_FORWARD = 2
HOOK_OUTPUT = 3
HOOK_POSTROUTING = 4

PRIORITY_RAW = -300
PRIORITY_DNAT = -100
PRIORITY_FILTER = 0
PRIORITY_SNAT = 100

_SET_IS_MAP = 0x8
_POLICY_DROP = 0
_ELEMENTS_PER_MESSAGE = 400  # an attribute holds at most 64 KiB

# The nft command's numbers of data types: only ``nft list`` reads them.
TYPE_IPV4_ADDRESS = 7
TYPE_INET_PROTOCOL = 12
TYPE_INET_SERVICE = 13
TYPE_IFNAME = 41
_TYPE_BYTES = {TYPE_IPV4_ADDRESS: 4, TYPE_INET_PROTOCOL: 1, TYPE_INET_SERVICE: 2, TYPE_IFNAME: 16}
_TYPE_BITS = 6
_KEY_IN_HOST_ORDER = struct.pack("=BBI", 0, 4, 1)  # for ``nft list`` too, which else reads names backwards


class BaseChain:
    """Where a chain is entered: `kind` is filter or nat."""

    __slots__ = ("hook", "kind", "priority")

    def __init__(self, kind: str, hook: int, priority: int) -> None:
        self.kind = kind
        self.hook = hook
        self.priority = priority


class Chain:
    """A base chain as found in the kernel."""

    __slots__ = ("drops", "family", "hook", "name", "table")

    def __init__(self, family: int, table: str, name: str, *, hook: int, drops: bool) -> None:
        self.family = family
        self.table = table
        self.name = name
        self.hook = hook
        self.drops = drops


def open_netfilter_socket() -> NetlinkSocket:
    """Return a socket to this network namespace's packet filter."""
    return NetlinkSocket(NETLINK_NETFILTER)


def commit(sock: NetlinkSocket, requests: Sequence[Request]) -> None:
    """Carry out all requests in one transaction."""
    if not requests:
        return
    marker = struct.pack(">BBH", socket.AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)
    subject = "open a transaction of the packet filter"
    begin = Request(_BATCH_BEGIN, 0, marker, subject)
    end = Request(_BATCH_END, 0, marker, subject)
    sock.exchange([begin, *requests, end], awaited=-2)


def add_table(table: str) -> Request:
    """Create a table; one that is there already stays."""
    return _request(NFT_MSG_NEWTABLE, NLM_F_CREATE, text(1, table), f"add table {table}")


def delete_table(table: str) -> Request:
    """Delete a table with everything in it."""
    return _request(NFT_MSG_DELTABLE, 0, text(1, table), f"delete table {table}")


def add_chain(table: str, chain: str, base: BaseChain | None = None) -> Request:
    """Create a chain, entered by packets at `base` or only by jumps; packets that reach its end go on."""
    body = text(1, table) + text(3, chain)
    if base is not None:
        hook = nested(4, be32(1, base.hook), attribute(2, struct.pack(">i", base.priority)))
        body += hook + text(7, base.kind) + be32(5, 1)
    return _request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, body, f"add chain {table} {chain}")


def flush_chain(table: str, chain: str) -> Request:
    """Delete the rules of a chain."""
    body = text(1, table) + text(2, chain)
    return _request(NFT_MSG_DELRULE, 0, body, f"flush chain {table} {chain}")


def add_rule(table: str, chain: str, expressions: Iterable[bytes]) -> Request:
    """Append a rule."""
    body = text(1, table) + text(2, chain) + nested(4, *expressions)
    return _request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, body, f"add rule to {table} {chain}")


def add_set(table: str, name: str, identity: int, key: Sequence[int]) -> Request:
    """Create a set; `key` is the types of its key's fields, `identity` a number unique in the transaction."""
    return _request(
        NFT_MSG_NEWSET, NLM_F_CREATE, _set(table, name, identity, 0, key), f"add set {table} {name}"
    )


def add_map(table: str, name: str, identity: int, key: Sequence[int], data: Sequence[int]) -> Request:
    """Create a map from the fields of `key` to those of `data`."""
    body = _set(table, name, identity, _SET_IS_MAP, key)
    body += be32(6, _concatenated_type(data)) + be32(7, _concatenated_length(data))
    return _request(NFT_MSG_NEWSET, NLM_F_CREATE, body, f"add map {table} {name}")


def add_elements(table: str, name: str, elements: Sequence[tuple[bytes, bytes]]) -> list[Request]:
    """Add (key, data) pairs to a map, or (key, b"") to a set; an element that is there already stays."""
    return [
        _request(NFT_MSG_NEWSETELEM, NLM_F_CREATE, body, f"add elements to {table} {name}")
        for body in _elements(table, name, elements)
    ]


def delete_elements(table: str, name: str, elements: Sequence[tuple[bytes, bytes]]) -> list[Request]:
    """Delete elements by their keys; all must be there."""
    keys = [(key, b"") for key, _ in elements]
    return [
        _request(NFT_MSG_DELSETELEM, 0, body, f"delete elements of {table} {name}")
        for body in _elements(table, name, keys)
    ]


def flush_set(table: str, name: str) -> Request:
    """Delete all elements of a set or map."""
    return _request(NFT_MSG_DELSETELEM, 0, text(1, table) + text(2, name), f"flush set {table} {name}")


def concatenate(*fields: bytes) -> bytes:
    """Return a key or value of several fields: each begins at a 4-byte boundary."""
    return b"".join(field + bytes(-len(field) % 4) for field in fields)


def read_elements(sock: NetlinkSocket, table: str, name: str) -> dict[bytes, bytes] | None:
    """Return a set's or map's elements, None if there is no such set."""
    body = text(1, table) + text(2, name)
    elements: dict[bytes, bytes] = {}
    try:
        answers = sock.dump(_request(NFT_MSG_GETSETELEM, 0, body, f"list set {table} {name}"))
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    for _, payload in answers:
        listed = decode_attributes(payload, 4).get(3, b"")
        elements.update(_decode_element(element) for _, element in iter_attributes(listed))
    return elements


def read_base_chains(sock: NetlinkSocket) -> list[Chain]:
    """Return the base chains of all tables of all families."""
    header = struct.pack(">BBH", socket.AF_UNSPEC, 0, 0)
    request = Request(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0, header, "list chains")
    chains = (decode_chain(payload) for _, payload in sock.dump(request))
    return [chain for chain in chains if chain is not None]


def decode_chain(payload: bytes) -> Chain | None:
    """Return the base chain of an NFT_MSG_NEWCHAIN message, None if it is no base chain."""
    attributes = decode_attributes(payload, 4)
    hook = decode_attributes(attributes.get(4, b"")).get(1)
    if hook is None:
        return None
    return Chain(
        payload[0],
        decode_text(attributes[1]),
        decode_text(attributes[3]),
        hook=int.from_bytes(hook, "big"),
        drops=int.from_bytes(attributes.get(5, b"\1"), "big") == _POLICY_DROP,
    )


def _request(kind: int, flags: int, body: bytes, subject: str) -> Request:
    header = struct.pack(">BBH", socket.AF_INET, 0, 0)
    return Request(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, header + body, subject)


def _set(table: str, name: str, identity: int, flags: int, key: Sequence[int]) -> bytes:
    body = (
        text(1, table)
        + text(2, name)
        + be32(3, flags)
        + be32(4, _concatenated_type(key))
        + be32(5, _concatenated_length(key))
        + be32(10, identity)
    )
    return body + attribute(13, _KEY_IN_HOST_ORDER) if key == (TYPE_IFNAME,) else body


def _concatenated_type(types: Sequence[int]) -> int:
    number = 0
    for kind in types:
        number = number << _TYPE_BITS | kind
    return number


def _concatenated_length(types: Sequence[int]) -> int:
    if len(types) == 1:
        return _TYPE_BYTES[types[0]]
    return sum(_TYPE_BYTES[kind] + -_TYPE_BYTES[kind] % 4 for kind in types)


def _elements(table: str, name: str, elements: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for start in range(0, len(elements), _ELEMENTS_PER_MESSAGE):
        chunk = elements[start : start + _ELEMENTS_PER_MESSAGE]
        encoded = (_encode_element(key, data) for key, data in chunk)
        yield text(1, table) + text(2, name) + nested(3, *encoded)


def _encode_element(key: bytes, data: bytes) -> bytes:
    body = nested(1, attribute(1, key))
    if data:
        body += nested(2, attribute(1, data))
    return nested(1, body)


def _decode_element(element: bytes) -> tuple[bytes, bytes]:
    attributes = decode_attributes(element)
    key = decode_attributes(attributes[1])[1]
    data = decode_attributes(attributes.get(2, b"")).get(1, b"")
    return key, data
