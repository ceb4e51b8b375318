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

REGISTER = 1
"""The first 16-byte register, which covers the words from WORD_REGISTER on."""
SECOND_REGISTER = 2
WORD_REGISTER = 8
"""The first 4-byte register: fields of a concatenation follow each other from here."""

META_IIFNAME = 6
META_OIFNAME = 7
META_L4PROTO = 16

CT_STATUS_DNAT = 0x20
CT_STATE_ESTABLISHED_RELATED = 0x6

IP_SOURCE = 12
IP_DESTINATION = 16
IP6_SOURCE = 8
IP6_DESTINATION = 24
TRANSPORT_DESTINATION_PORT = 2

_FIELDS = {
    "bitwise": {"sreg": 1, "dreg": 2, "len": 3, "mask": 4, "xor": 5},
    "cmp": {"sreg": 1, "op": 2, "data": 3},
    "counter": {},
    "ct": {"dreg": 1, "key": 2},
    "fib": {"dreg": 1, "result": 2, "flags": 3},
    "immediate": {"dreg": 1, "data": 2},
    "lookup": {"set": 1, "sreg": 2, "dreg": 3},
    "masq": {},
    "meta": {"dreg": 1, "key": 2},
    "nat": {"type": 1, "family": 2, "reg_addr_min": 3, "reg_proto_min": 5},
    "payload": {"dreg": 1, "base": 2, "offset": 3, "len": 4},
}
"""Each instruction's attributes: NFTA_META_DREG is 1 …"""

_NFTA_LIST_ELEM = 1
_NFTA_EXPR_NAME = 1
_NFTA_EXPR_DATA = 2
_NFTA_DATA_VALUE = 1
_NFTA_DATA_VERDICT = 2
_NFTA_VERDICT_CODE = 1
_NFTA_VERDICT_CHAIN = 2

_VERDICT_REGISTER = 0
_NF_DROP = 0
_NF_ACCEPT = 1
_NFT_JUMP = -3
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


def expression(name: str, **fields: int | str | bytes) -> bytes:
    """Return one instruction as an element of a rule's list; bytes are a constant to compare or calculate with."""
    numbers = _FIELDS[name]
    return _element(name, *(_field(numbers[field], value) for field, value in fields.items()))


def interface_name(name: str) -> bytes:
    """Return an interface's name as it is compared: padded to IFNAMSIZ."""
    return name.encode().ljust(_IFNAMSIZ, b"\0")


def meta(key: int, register: int = REGISTER) -> bytes:
    """Load a fact about the packet: its interface's name, its transport protocol."""
    return expression("meta", key=key, dreg=register)


def network_payload(offset: int, length: int, register: int = REGISTER) -> bytes:
    """Load bytes of the IP header."""
    return expression("payload", dreg=register, base=_NETWORK_HEADER, offset=offset, len=length)


def transport_payload(offset: int, length: int, register: int = REGISTER) -> bytes:
    """Load bytes of the TCP, UDP or SCTP header."""
    return expression("payload", dreg=register, base=_TRANSPORT_HEADER, offset=offset, len=length)


def compare(data: bytes, *, equal: bool = True) -> bytes:
    """Go on only if the register holds `data` (or anything else)."""
    return expression("cmp", sreg=REGISTER, op=_CMP_EQ if equal else _CMP_NEQ, data=data)


def load(data: bytes, register: int = REGISTER) -> bytes:
    """Put a constant into a register."""
    return expression("immediate", dreg=register, data=data)


def mask(bits: bytes) -> bytes:
    """Keep only these bits of the register."""
    return expression("bitwise", sreg=REGISTER, dreg=REGISTER, len=len(bits), mask=bits, xor=bytes(len(bits)))


def lookup(name: str) -> bytes:
    """Go on only if the set `name` has what the registers hold."""
    return expression("lookup", set=name, sreg=REGISTER)


def map_lookup(name: str) -> bytes:
    """Put what the map `name` has for the registers into them; go to the next rule if it has nothing."""
    return expression("lookup", set=name, sreg=REGISTER, dreg=REGISTER)


def counter() -> bytes:
    """Count packets and bytes."""
    return expression("counter")


def destination_nat(family: int = socket.AF_INET) -> bytes:
    """Rewrite the destination to the address in the first words and the port in the one behind it."""
    port = WORD_REGISTER + (1 if family == socket.AF_INET else 4)
    return expression("nat", type=_NAT_DNAT, family=family, reg_addr_min=REGISTER, reg_proto_min=port)


def masquerade() -> bytes:
    """Rewrite the source to the address of the interface the packet leaves by."""
    return expression("masq")


def accept() -> bytes:
    """End this base chain, letting the packet through."""
    return _verdict(be32(_NFTA_VERDICT_CODE, _NF_ACCEPT))


def drop() -> bytes:
    """End the packet."""
    return _verdict(be32(_NFTA_VERDICT_CODE, _NF_DROP))


def jump(chain: str) -> bytes:
    """Go through `chain` and come back."""
    code = attribute(_NFTA_VERDICT_CODE, struct.pack(">i", _NFT_JUMP))
    return _verdict(code, text(_NFTA_VERDICT_CHAIN, chain))


def match_interface(key: int, name: str, *, equal: bool = True) -> list[bytes]:
    """Match packets that came in (META_IIFNAME) or go out (META_OIFNAME) by one interface."""
    return [meta(key), compare(interface_name(name), equal=equal)]


def match_interface_set(key: int, name: str) -> list[bytes]:
    """Match packets whose interface is in a set of names."""
    return [meta(key), lookup(name)]


def match_interface_pair(name: str) -> list[bytes]:
    """Match packets whose (incoming, outgoing) interfaces are in a set of pairs of names."""
    return [meta(META_IIFNAME), meta(META_OIFNAME, SECOND_REGISTER), lookup(name)]


def match_subnet(offset: int, address: str, prefix_length: int) -> list[bytes]:
    """Match packets whose source (IP_SOURCE, IP6_SOURCE) or destination (IP_DESTINATION …) lies in a subnet."""
    whole, rest = divmod(prefix_length, 8)
    network = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    if not rest:
        return [network_payload(offset, whole), compare(network[:whole])]
    size = len(network)
    bits = ((1 << prefix_length) - 1 << (8 * size - prefix_length)).to_bytes(size, "big")
    return [network_payload(offset, size), mask(bits), compare(network)]


def match_ct_state(bits: int) -> list[bytes]:
    """Match packets of connections in one of these states."""
    return _match_ct(_CT_STATE, bits)


def match_ct_status(bits: int) -> list[bytes]:
    """Match packets of connections that one of these things was done to."""
    return _match_ct(_CT_STATUS, bits)


def match_local_destination() -> list[bytes]:
    """Match packets to an address of this host."""
    address_type = expression("fib", flags=_FIB_DADDR, result=_FIB_RESULT_ADDRTYPE, dreg=REGISTER)
    return [address_type, compare(struct.pack("=I", _RTN_LOCAL))]


def _match_ct(key: int, bits: int) -> list[bytes]:
    load = expression("ct", key=key, dreg=REGISTER)
    return [load, mask(struct.pack("=I", bits)), compare(bytes(4), equal=False)]


def _verdict(*attributes: bytes) -> bytes:
    numbers = _FIELDS["immediate"]
    data = nested(numbers["data"], nested(_NFTA_DATA_VERDICT, *attributes))
    return _element("immediate", be32(numbers["dreg"], _VERDICT_REGISTER), data)


def _element(name: str, *attributes: bytes) -> bytes:
    return nested(_NFTA_LIST_ELEM, text(_NFTA_EXPR_NAME, name), nested(_NFTA_EXPR_DATA, *attributes))


def _field(number: int, value: int | str | bytes) -> bytes:
    match value:
        case int():
            return be32(number, value)
        case str():
            return text(number, value)
        case bytes():
            return nested(number, attribute(_NFTA_DATA_VALUE, value))
