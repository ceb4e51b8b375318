# SPDX-License-Identifier: Apache-2.0
"""Messages of nf_tables, compared with what the nft command sends for the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sampan.linux import nft_expressions as nft
from sampan.linux import nftables
from sampan.linux.netlink import decode_attributes, decode_text, iter_attributes
from sampan.linux.nftables_dump import decode_chain

SET_KEY_TYPE, SET_KEY_LENGTH, SET_DATA_TYPE, SET_DATA_LENGTH = 4, 5, 6, 7


def names(expressions: list[bytes]) -> list[str]:
    """The instructions' names, in order."""
    elements = [value for expression in expressions for _, value in iter_attributes(expression)]
    return [decode_text(decode_attributes(element)[1]) for element in elements]


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def test_a_map_has_the_types_that_nft_shows() -> None:
    request = nftables.add_map(
        "t",
        "m",
        1,
        (nftables.TYPE_INET_PROTOCOL, nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_INET_SERVICE),
        (nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_INET_SERVICE),
    )
    attributes = decode_attributes(request.payload, 4)
    # inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service
    assert number(attributes[SET_KEY_TYPE]) == 12 << 12 | 7 << 6 | 13
    assert number(attributes[SET_KEY_LENGTH]) == 12
    assert number(attributes[SET_DATA_TYPE]) == 7 << 6 | 13
    assert number(attributes[SET_DATA_LENGTH]) == 8


def test_a_set_of_one_field_is_not_padded() -> None:
    request = nftables.add_set("t", "s", 1, (nftables.TYPE_INET_SERVICE,))
    assert number(decode_attributes(request.payload, 4)[SET_KEY_LENGTH]) == 2


@given(st.lists(st.binary(min_size=1, max_size=16), min_size=1, max_size=4))
def test_fields_of_a_concatenation_begin_at_words(fields: list[bytes]) -> None:
    joined = nftables.concatenate(*fields)
    assert len(joined) % 4 == 0
    offset = 0
    for field in fields:
        assert joined[offset : offset + len(field)] == field
        offset += -(-len(field) // 4) * 4


def test_many_elements_are_several_messages() -> None:
    elements = [(port.to_bytes(2, "big"), b"x" * 8) for port in range(1000)]
    requests = nftables.add_elements("t", "m", elements)
    listed = [
        element
        for request in requests
        for _, element in iter_attributes(decode_attributes(request.payload, 4)[3])
    ]
    assert len(requests) == 3
    assert len(listed) == 1000
    assert all(len(request.payload) < 65536 for request in requests)


def test_no_elements_are_no_message() -> None:
    assert nftables.add_elements("t", "m", []) == []


def test_a_subnet_of_whole_bytes_needs_no_mask() -> None:
    assert names(nft.match_subnet(nft.IP_SOURCE, "172.17.0.0", 16)) == ["payload", "cmp"]
    assert names(nft.match_subnet(nft.IP_SOURCE, "192.168.16.0", 20)) == ["payload", "bitwise", "cmp"]


def test_destination_nat_reads_what_the_map_found() -> None:
    (element,) = (value for _, value in iter_attributes(nft.destination_nat()))
    registers = decode_attributes(decode_attributes(element)[2])
    assert (number(registers[3]), number(registers[5])) == (nft.REGISTER, nft.WORD_REGISTER + 1)


def test_a_chain_that_is_no_base_chain_is_left_out() -> None:
    request = nftables.add_chain("t", "c")
    assert decode_chain(request.payload) is None


def test_a_base_chain_is_read_from_its_message() -> None:
    base = nftables.BaseChain("filter", nftables.HOOK_FORWARD, nftables.PRIORITY_FILTER)
    chain = decode_chain(nftables.add_chain("t", "c", base).payload)
    assert chain is not None
    assert (chain.table, chain.name, chain.hook, chain.drops) == ("t", "c", nftables.HOOK_FORWARD, False)


def test_interface_names_are_compared_whole() -> None:
    assert nft.interface_name("lo") == b"lo" + bytes(14)
