# SPDX-License-Identifier: Apache-2.0
"""The instructions of nf_tables rules, and matches made of them.

Implements: include/uapi/linux/netfilter/nf_tables.h, the expressions a container firewall needs. Bytes and
registers are laid out as the nft command does, so that ``nft list ruleset`` shows a rule as one would write
it.
An instruction is the bytes of an NFTA_LIST_ELEM; a match is a list of them; a rule is matches and a verdict.
Not here: tables, chains and sets (nftables), what is let through (network.firewall).
"""

from __future__ import annotations

import socket
import struct

from sampan.linux.netlink import attribute, be32, nested, text

VERDICT_REGISTER = 0
REGISTER = 1
"""The first 16-byte register, which covers the words from WORD_REGISTER on."""
SECOND_REGISTER = 2
WORD_REGISTER = 8
"""The first 4-byte register: fields of a concatenation follow each other from here."""

NF_DROP = 0
NF_ACCEPT = 1
NFT_JUMP = -3

META_IIFNAME = 6
META_OIFNAME = 7
META_L4PROTO = 16

CT_STATUS_DNAT = 0x20
CT_STATE_ESTABLISHED_RELATED = 0x6

IP_SOURCE = 12
IP_DESTINATION = 16
TRANSPORT_DESTINATION_PORT = 2

_NETWORK_HEADER = 1
_TRANSPORT_HEADER = 2
_CMP_EQ = 0
_CMP_NEQ = 1
_CT_STATE = 0
_CT_STATUS = 2
_FIB_DADDR = 2
_FIB_RESULT_ADDRTYPE = 3
_RTN_LOCAL = 2
_NAT_DNAT = 1
_IFNAMSIZ = 16


def expression(name: str, *attributes: bytes) -> bytes:
    """Return one instruction as an element of a rule's list."""
    return nested(1, text(1, name), nested(2, *attributes))


def value(kind: int, data: bytes) -> bytes:
    """Return a constant for a register."""
    return nested(kind, attribute(1, data))


def interface_name(name: str) -> bytes:
    """Return an interface's name as it is compared: padded to IFNAMSIZ."""
    return name.encode().ljust(_IFNAMSIZ, b"\0")


def meta(key: int, register: int = REGISTER) -> bytes:
    """Load a fact about the packet: its interface's name, its transport protocol."""
    return expression("meta", be32(2, key), be32(1, register))


def network_payload(offset: int, length: int, register: int = REGISTER) -> bytes:
    """Load bytes of the IP header."""
    return _payload(_NETWORK_HEADER, offset, length, register)


def transport_payload(offset: int, length: int, register: int = REGISTER) -> bytes:
    """Load bytes of the TCP, UDP or SCTP header."""
    return _payload(_TRANSPORT_HEADER, offset, length, register)


def compare(data: bytes, *, equal: bool = True) -> bytes:
    """Go on only if the register holds `data` (or anything else)."""
    return expression("cmp", be32(1, REGISTER), be32(2, _CMP_EQ if equal else _CMP_NEQ), value(3, data))


def mask(bits: bytes) -> bytes:
    """Keep only these bits of the register."""
    return expression(
        "bitwise",
        be32(1, REGISTER),
        be32(2, REGISTER),
        be32(3, len(bits)),
        value(4, bits),
        value(5, bytes(len(bits))),
    )


def lookup(name: str, *, negated: bool = False) -> bytes:
    """Go on only if the set `name` has what the registers hold."""
    inverse = [be32(5, 1)] if negated else []
    return expression("lookup", text(1, name), be32(2, REGISTER), *inverse)


def map_lookup(name: str) -> bytes:
    """Put what the map `name` has for the registers into them; go to the next rule if it has nothing."""
    return expression("lookup", text(1, name), be32(2, REGISTER), be32(3, REGISTER))


def counter() -> bytes:
    """Count packets and bytes."""
    return expression("counter")


def destination_nat() -> bytes:
    """Rewrite the destination to the address and port in the first two words."""
    return expression(
        "nat",
        be32(1, _NAT_DNAT),
        be32(2, socket.AF_INET),
        be32(3, REGISTER),
        be32(5, WORD_REGISTER + 1),
    )


def masquerade() -> bytes:
    """Rewrite the source to the address of the interface the packet leaves by."""
    return expression("masq")


def accept() -> bytes:
    """End this base chain, letting the packet through."""
    return _verdict(be32(1, NF_ACCEPT))


def drop() -> bytes:
    """End the packet."""
    return _verdict(be32(1, NF_DROP))


def jump(chain: str) -> bytes:
    """Go through `chain` and come back."""
    return _verdict(attribute(1, struct.pack(">i", NFT_JUMP)), text(2, chain))


def match_interface(key: int, name: str, *, equal: bool = True) -> list[bytes]:
    """Match packets that came in (META_IIFNAME) or go out (META_OIFNAME) by one interface."""
    return [meta(key), compare(interface_name(name), equal=equal)]


def match_interface_set(key: int, name: str, *, negated: bool = False) -> list[bytes]:
    """Match packets whose interface is in a set of names."""
    return [meta(key), lookup(name, negated=negated)]


def match_interface_pair(name: str) -> list[bytes]:
    """Match packets whose (incoming, outgoing) interfaces are in a set of pairs of names."""
    return [meta(META_IIFNAME), meta(META_OIFNAME, SECOND_REGISTER), lookup(name)]


def match_subnet(offset: int, address: str, prefix_length: int) -> list[bytes]:
    """Match packets whose source (IP_SOURCE) or destination (IP_DESTINATION) lies in a subnet."""
    whole, rest = divmod(prefix_length, 8)
    network = socket.inet_aton(address)
    if not rest:
        return [network_payload(offset, whole), compare(network[:whole])]
    bits = (0xFFFFFFFF << (32 - prefix_length) & 0xFFFFFFFF).to_bytes(4, "big")
    return [network_payload(offset, 4), mask(bits), compare(network)]


def match_ct_state(bits: int) -> list[bytes]:
    """Match packets of connections in one of these states."""
    return _match_ct(_CT_STATE, bits)


def match_ct_status(bits: int) -> list[bytes]:
    """Match packets of connections that one of these things was done to."""
    return _match_ct(_CT_STATUS, bits)


def match_local_destination() -> list[bytes]:
    """Match packets to an address of this host."""
    fib = expression("fib", be32(3, _FIB_DADDR), be32(2, _FIB_RESULT_ADDRTYPE), be32(1, REGISTER))
    return [fib, compare(struct.pack("=I", _RTN_LOCAL))]


def _payload(base: int, offset: int, length: int, register: int) -> bytes:
    return expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def _match_ct(key: int, bits: int) -> list[bytes]:
    load = expression("ct", be32(2, key), be32(1, REGISTER))
    return [load, mask(struct.pack("=I", bits)), compare(bytes(4), equal=False)]


def _verdict(*attributes: bytes) -> bytes:
    return expression("immediate", be32(1, VERDICT_REGISTER), nested(2, nested(2, *attributes)))
