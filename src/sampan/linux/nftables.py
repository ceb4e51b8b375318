# SPDX-License-Identifier: Apache-2.0
"""nf_tables over netlink: tables, chains, rules, sets and maps, changed in transactions.

Implements: include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h (batches), for the family ``ip``; `of_family`
makes requests about another family of them.
Holds: what is sent with `commit` happens wholly or not at all.
Not here: the instructions of a rule (nft_expressions), reading back (nftables_dump), what the rules are for
(network.ruleset).
"""

from __future__ import annotations

import socket
import struct

from sampan.linux.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    NetlinkSocket,
    Request,
    attribute,
    be32,
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
NFT_MSG_NEWRULE = 6
NFT_MSG_DELRULE = 8
NFT_MSG_NEWSET = 9
NFT_MSG_NEWSETELEM = 12
NFT_MSG_DELSETELEM = 14

HOOK_PREROUTING = 0
HOOK_FORWARD = 2
HOOK_OUTPUT = 3
HOOK_POSTROUTING = 4

PRIORITY_RAW = -300
PRIORITY_DNAT = -100
PRIORITY_FILTER = 0
PRIORITY_SNAT = 100

_NFTA_TABLE_NAME = 1
NFTA_CHAIN_TABLE = 1
NFTA_CHAIN_NAME = 3
NFTA_CHAIN_HOOK = 4
NFTA_CHAIN_POLICY = 5
_NFTA_CHAIN_TYPE = 7
NFTA_HOOK_HOOKNUM = 1
_NFTA_HOOK_PRIORITY = 2
_NFTA_RULE_TABLE = 1
_NFTA_RULE_CHAIN = 2
_NFTA_RULE_EXPRESSIONS = 4
_NFTA_SET_TABLE = 1
_NFTA_SET_NAME = 2
_NFTA_SET_FLAGS = 3
_NFTA_SET_KEY_TYPE = 4
_NFTA_SET_KEY_LEN = 5
_NFTA_SET_DATA_TYPE = 6
_NFTA_SET_DATA_LEN = 7
_NFTA_SET_ID = 10
_NFTA_SET_USERDATA = 13
_NFTA_SET_ELEM_LIST_TABLE = 1
_NFTA_SET_ELEM_LIST_SET = 2
NFTA_SET_ELEM_LIST_ELEMENTS = 3
_NFTA_LIST_ELEM = 1
NFTA_SET_ELEM_KEY = 1
NFTA_SET_ELEM_DATA = 2
NFTA_DATA_VALUE = 1

_SET_IS_MAP = 0x8
_POLICY_ACCEPT = 1
_ELEMENTS_PER_MESSAGE = 400  # an attribute holds at most 64 KiB

# The nft command's numbers of data types: only ``nft list`` reads them.
TYPE_IPV4_ADDRESS = 7
TYPE_IPV6_ADDRESS = 8
TYPE_INET_PROTOCOL = 12
TYPE_INET_SERVICE = 13
TYPE_IFNAME = 41
_TYPE_BYTES = {
    TYPE_IPV4_ADDRESS: 4,
    TYPE_IPV6_ADDRESS: 16,
    TYPE_INET_PROTOCOL: 1,
    TYPE_INET_SERVICE: 2,
    TYPE_IFNAME: 16,
}
_TYPE_BITS = 6
_KEY_IN_HOST_ORDER = struct.pack("=BBI", 0, 4, 1)  # for ``nft list`` too, which else reads names backwards


class BaseChain:
    """Where a chain is entered: `kind` is filter or nat."""

    __slots__ = ("hook", "kind", "priority")

    def __init__(self, kind: str, hook: int, priority: int) -> None:
        self.kind = kind
        self.hook = hook
        self.priority = priority


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
    return make_request(NFT_MSG_NEWTABLE, NLM_F_CREATE, text(_NFTA_TABLE_NAME, table), f"add table {table}")


def delete_table(table: str) -> Request:
    """Delete a table with everything in it."""
    return make_request(NFT_MSG_DELTABLE, 0, text(_NFTA_TABLE_NAME, table), f"delete table {table}")


def add_chain(table: str, chain: str, base: BaseChain | None = None) -> Request:
    """Create a chain, entered by packets at `base` or only by jumps; packets that reach its end go on."""
    body = text(NFTA_CHAIN_TABLE, table) + text(NFTA_CHAIN_NAME, chain)
    if base is not None:
        priority = attribute(_NFTA_HOOK_PRIORITY, struct.pack(">i", base.priority))
        body += nested(NFTA_CHAIN_HOOK, be32(NFTA_HOOK_HOOKNUM, base.hook), priority)
        body += text(_NFTA_CHAIN_TYPE, base.kind) + be32(NFTA_CHAIN_POLICY, _POLICY_ACCEPT)
    return make_request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, body, f"add chain {table} {chain}")


def flush_chain(table: str, chain: str) -> Request:
    """Delete the rules of a chain."""
    body = text(_NFTA_RULE_TABLE, table) + text(_NFTA_RULE_CHAIN, chain)
    return make_request(NFT_MSG_DELRULE, 0, body, f"flush chain {table} {chain}")


def add_rule(table: str, chain: str, expressions: Iterable[bytes]) -> Request:
    """Append a rule."""
    body = text(_NFTA_RULE_TABLE, table) + text(_NFTA_RULE_CHAIN, chain)
    body += nested(_NFTA_RULE_EXPRESSIONS, *expressions)
    return make_request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, body, f"add rule to {table} {chain}")


def add_set(table: str, name: str, identity: int, key: Sequence[int]) -> Request:
    """Create a set; `key` is the types of its key's fields, `identity` a number unique in the transaction."""
    return make_request(
        NFT_MSG_NEWSET, NLM_F_CREATE, _set(table, name, identity, 0, key), f"add set {table} {name}"
    )


def add_map(table: str, name: str, identity: int, key: Sequence[int], data: Sequence[int]) -> Request:
    """Create a map from the fields of `key` to those of `data`."""
    body = _set(table, name, identity, _SET_IS_MAP, key)
    body += be32(_NFTA_SET_DATA_TYPE, _concatenated_type(data))
    body += be32(_NFTA_SET_DATA_LEN, _concatenated_length(data))
    return make_request(NFT_MSG_NEWSET, NLM_F_CREATE, body, f"add map {table} {name}")


def add_elements(table: str, name: str, elements: Sequence[tuple[bytes, bytes]]) -> list[Request]:
    """Add (key, data) pairs to a map, or (key, b"") to a set; an element that is there already stays."""
    return [
        make_request(NFT_MSG_NEWSETELEM, NLM_F_CREATE, body, f"add elements to {table} {name}")
        for body in _elements(table, name, elements)
    ]


def delete_elements(table: str, name: str, elements: Sequence[tuple[bytes, bytes]]) -> list[Request]:
    """Delete elements by their keys; all must be there."""
    keys = [(key, b"") for key, _ in elements]
    return [
        make_request(NFT_MSG_DELSETELEM, 0, body, f"delete elements of {table} {name}")
        for body in _elements(table, name, keys)
    ]


def flush_set(table: str, name: str) -> Request:
    """Delete all elements of a set or map."""
    return make_request(NFT_MSG_DELSETELEM, 0, element_list(table, name), f"flush set {table} {name}")


def concatenate(*fields: bytes) -> bytes:
    """Return a key or value of several fields: each begins at a 4-byte boundary."""
    return b"".join(field + bytes(-len(field) % 4) for field in fields)


def element_list(table: str, name: str) -> bytes:
    """Return what names a set or map in requests about its elements."""
    return text(_NFTA_SET_ELEM_LIST_TABLE, table) + text(_NFTA_SET_ELEM_LIST_SET, name)


def make_request(kind: int, flags: int, body: bytes, subject: str) -> Request:
    """Return a request about objects of the family ``ip``."""
    header = struct.pack(">BBH", socket.AF_INET, 0, 0)
    return Request(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, header + body, subject)


def of_family(family: int, requests: Iterable[Request]) -> list[Request]:
    """Return the same requests about objects of another family, AF_INET6: the header alone says which."""
    return [
        Request(each.kind, each.flags, bytes((family,)) + each.payload[1:], each.subject) for each in requests
    ]


def _set(table: str, name: str, identity: int, flags: int, key: Sequence[int]) -> bytes:
    body = (
        text(_NFTA_SET_TABLE, table)
        + text(_NFTA_SET_NAME, name)
        + be32(_NFTA_SET_FLAGS, flags)
        + be32(_NFTA_SET_KEY_TYPE, _concatenated_type(key))
        + be32(_NFTA_SET_KEY_LEN, _concatenated_length(key))
        + be32(_NFTA_SET_ID, identity)
    )
    return body + attribute(_NFTA_SET_USERDATA, _KEY_IN_HOST_ORDER) if key == (TYPE_IFNAME,) else body


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
        yield element_list(table, name) + nested(NFTA_SET_ELEM_LIST_ELEMENTS, *encoded)


def _encode_element(key: bytes, data: bytes) -> bytes:
    body = nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, key))
    if data:
        body += nested(NFTA_SET_ELEM_DATA, attribute(NFTA_DATA_VALUE, data))
    return nested(_NFTA_LIST_ELEM, body)
