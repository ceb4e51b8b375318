# SPDX-License-Identifier: Apache-2.0
"""The table of the packet filter that an engine owns, as a list of requests: pure, nothing is sent here.

What holds for a packet, in the order of the hooks:

- *raw*: whatever claims to come from or go to 127.0.0.0/8 and did not come by `lo` is dropped
  (CVE-2020-8558). Loopback ports that lead to containers make bridges route that block; the wire must not.
- *prerouting*, *output*: a packet to an address of this host is looked up in two maps, `published_at` for
  ports of one address and `published_any` for ports of all, and sent to the container found. To publish is to
  add an element. Packets to a container's own address never match: what is not published is out of reach.
- *forward*: into a bridge go answers, what those maps sent there, and what comes from the same bridge. All
  else is dropped: other networks, and neighbours who route to a container's address directly, even to a port
  that is published (as Docker 28 does). Out of an internal bridge goes nothing but answers.
- *postrouting*: containers go out with the host's address, if their network has that. Calls from the host's
  loopback, and from containers to a published port of their own network, get the bridge's: else answers go
  around the host.

Accepting is only for this table: a dropping chain of another table still has its say (coexistence).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sampan.linux import nft_expressions as nft
from sampan.linux import nftables
from sampan.linux.netlink import Request
from sampan.linux.nftables import BaseChain
from sampan.network.bridge import Bridge
from sampan.network.publication import ANY_ADDRESS, PROTOCOLS, Publication

BRIDGES = "bridges"
INTERNAL = "internal"
WITHIN = "within"
PUBLISHED_AT = "published_at"
PUBLISHED_ANY = "published_any"

RAW = "raw_prerouting"
PREROUTING = "nat_prerouting"
OUTPUT = "nat_output"
PUBLISH = "publish"
FORWARD = "filter_forward"
POSTROUTING = "nat_postrouting"

_LOOPBACK = ("127.0.0.0", 8)

_CHAINS = {
    PUBLISH: None,
    RAW: BaseChain("filter", nftables.HOOK_PREROUTING, nftables.PRIORITY_RAW),
    PREROUTING: BaseChain("nat", nftables.HOOK_PREROUTING, nftables.PRIORITY_DNAT),
    OUTPUT: BaseChain("nat", nftables.HOOK_OUTPUT, nftables.PRIORITY_DNAT),
    FORWARD: BaseChain("filter", nftables.HOOK_FORWARD, nftables.PRIORITY_FILTER),
    POSTROUTING: BaseChain("nat", nftables.HOOK_POSTROUTING, nftables.PRIORITY_SNAT),
}

_SETS = {
    BRIDGES: (nftables.TYPE_IFNAME,),
    INTERNAL: (nftables.TYPE_IFNAME,),
    WITHIN: (nftables.TYPE_IFNAME, nftables.TYPE_IFNAME),
}

_MAPS = {
    PUBLISHED_AT: (nftables.TYPE_INET_PROTOCOL, nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_INET_SERVICE),
    PUBLISHED_ANY: (nftables.TYPE_INET_PROTOCOL, nftables.TYPE_INET_SERVICE),
}

_CONTAINER_PORT = (nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_INET_SERVICE)


def plan_table(table: str, bridges: Sequence[Bridge], published: Iterable[Publication]) -> list[Request]:
    """Return the transaction that makes the table exactly this, whatever it was."""
    return [
        nftables.add_table(table),  # so that the next line does not fail
        nftables.delete_table(table),
        nftables.add_table(table),
        *_declarations(table),
        *_fixed_rules(table),
        *_bridge_rules(table, bridges),
        *plan_publish(table, published),
    ]


def plan_bridges(table: str, bridges: Sequence[Bridge]) -> list[Request]:
    """Return the transaction that makes a table that is there serve these bridges; ports stay as they are."""
    return [
        nftables.flush_chain(table, POSTROUTING),
        *(nftables.flush_set(table, name) for name in (BRIDGES, INTERNAL, WITHIN)),
        *_bridge_rules(table, bridges),
    ]


def plan_publish(table: str, published: Iterable[Publication]) -> list[Request]:
    """Return the transaction that publishes ports."""
    return [
        request
        for name, elements in map_elements(published).items()
        for request in nftables.add_elements(table, name, elements)
    ]


def plan_unpublish(table: str, published: Iterable[Publication]) -> list[Request]:
    """Return the transaction that takes published ports back; all must be there."""
    return [
        request
        for name, elements in map_elements(published).items()
        for request in nftables.delete_elements(table, name, elements)
    ]


def map_elements(published: Iterable[Publication]) -> dict[str, list[tuple[bytes, bytes]]]:
    """Return the elements of either map that publish these ports."""
    elements: dict[str, list[tuple[bytes, bytes]]] = {PUBLISHED_AT: [], PUBLISHED_ANY: []}
    for publication in published:
        host = publication.host
        protocol, port = bytes((PROTOCOLS[host.protocol],)), host.port.to_bytes(2, "big")
        target = _target(publication)
        if host.address == ANY_ADDRESS:
            elements[PUBLISHED_ANY].append((nftables.concatenate(protocol, port), target))
        else:
            key = nftables.concatenate(protocol, host.address.packed, port)
            elements[PUBLISHED_AT].append((key, target))
    return elements


def _declarations(table: str) -> list[Request]:
    sets = [nftables.add_set(table, name, number, key) for number, (name, key) in enumerate(_SETS.items(), 1)]
    maps = [
        nftables.add_map(table, name, number, key, _CONTAINER_PORT)
        for number, (name, key) in enumerate(_MAPS.items(), len(_SETS) + 1)
    ]
    chains = [nftables.add_chain(table, name, base) for name, base in _CHAINS.items()]
    return [*sets, *maps, *chains]


def _fixed_rules(table: str) -> list[Request]:
    rules = [
        (RAW, _from_the_wire(nft.IP_DESTINATION)),
        (RAW, _from_the_wire(nft.IP_SOURCE)),
        (PREROUTING, [*nft.match_local_destination(), nft.jump(PUBLISH)]),
        (OUTPUT, [*nft.match_local_destination(), nft.jump(PUBLISH)]),
        (PUBLISH, _to_published_at()),
        (PUBLISH, _to_published_any()),
        *((FORWARD, rule) for rule in _forward_rules()),
    ]
    return [nftables.add_rule(table, chain, rule) for chain, rule in rules]


def _forward_rules() -> list[list[bytes]]:
    into_bridge = nft.match_interface_set(nft.META_OIFNAME, BRIDGES)
    out_of_internal = nft.match_interface_set(nft.META_IIFNAME, INTERNAL)
    return [
        [*nft.match_ct_state(nft.CT_STATE_ESTABLISHED_RELATED), nft.accept()],
        [*nft.match_interface_pair(WITHIN), nft.accept()],
        [*out_of_internal, nft.counter(), nft.drop()],
        [*into_bridge, *nft.match_ct_status(nft.CT_STATUS_DNAT), nft.accept()],
        [*into_bridge, nft.counter(), nft.drop()],
    ]


def _bridge_rules(table: str, bridges: Sequence[Bridge]) -> list[Request]:
    names = [nft.interface_name(bridge.name) for bridge in bridges]
    internal = [nft.interface_name(bridge.name) for bridge in bridges if bridge.internal]
    open_within = [nft.interface_name(bridge.name) for bridge in bridges if bridge.icc]
    rules = [_loopback_masquerade()]
    for bridge in bridges:
        rules.append(_hairpin_masquerade(bridge))
        if bridge.masquerade and not bridge.internal:
            rules.append(_outward_masquerade(bridge))
    return [
        *nftables.add_elements(table, BRIDGES, [(name, b"") for name in names]),
        *nftables.add_elements(table, INTERNAL, [(name, b"") for name in internal]),
        *nftables.add_elements(table, WITHIN, [(name + name, b"") for name in open_within]),
        *(nftables.add_rule(table, POSTROUTING, rule) for rule in rules),
    ]


def _from_the_wire(field: int) -> list[bytes]:
    not_by_loopback = nft.match_interface(nft.META_IIFNAME, "lo", equal=False)
    return [*not_by_loopback, *nft.match_subnet(field, *_LOOPBACK), nft.counter(), nft.drop()]


def _to_published_at() -> list[bytes]:
    return [
        nft.meta(nft.META_L4PROTO, nft.WORD_REGISTER),
        nft.network_payload(nft.IP_DESTINATION, 4, nft.WORD_REGISTER + 1),
        nft.transport_payload(nft.TRANSPORT_DESTINATION_PORT, 2, nft.WORD_REGISTER + 2),
        nft.map_lookup(PUBLISHED_AT),
        nft.destination_nat(),
    ]


def _to_published_any() -> list[bytes]:
    return [
        nft.meta(nft.META_L4PROTO, nft.WORD_REGISTER),
        nft.transport_payload(nft.TRANSPORT_DESTINATION_PORT, 2, nft.WORD_REGISTER + 1),
        nft.map_lookup(PUBLISHED_ANY),
        nft.destination_nat(),
    ]


def _loopback_masquerade() -> list[bytes]:
    into_bridge = nft.match_interface_set(nft.META_OIFNAME, BRIDGES)
    return [*into_bridge, *nft.match_subnet(nft.IP_SOURCE, *_LOOPBACK), nft.masquerade()]


def _hairpin_masquerade(bridge: Bridge) -> list[bytes]:
    return [
        *_match_bridge_subnet(nft.IP_SOURCE, bridge),
        *_match_bridge_subnet(nft.IP_DESTINATION, bridge),
        *nft.match_ct_status(nft.CT_STATUS_DNAT),
        nft.masquerade(),
    ]


def _outward_masquerade(bridge: Bridge) -> list[bytes]:
    elsewhere = nft.match_interface(nft.META_OIFNAME, bridge.name, equal=False)
    return [*_match_bridge_subnet(nft.IP_SOURCE, bridge), *elsewhere, nft.masquerade()]


def _match_bridge_subnet(field: int, bridge: Bridge) -> list[bytes]:
    return nft.match_subnet(field, str(bridge.subnet.network_address), bridge.subnet.prefixlen)


def _target(publication: Publication) -> bytes:
    return nftables.concatenate(publication.address.packed, publication.port.to_bytes(2, "big"))
