# SPDX-License-Identifier: Apache-2.0
"""The tables of the packet filter that an engine owns, as lists of requests: pure, nothing is sent here.

There is one for IPv4, and one of the same name and making for IPv6 once a network has that.

What holds for a packet, in the order of the hooks:

- *raw*: whatever claims to come from or go to 127.0.0.0/8 and did not come by `lo` is dropped
  (CVE-2020-8558). Loopback ports that lead to containers make bridges route that block; the wire must not.
  (The kernel itself sees to that for ::1.)
- *prerouting*, *output*: a packet to an address of this host is looked up in two maps, `published_at` for
  ports of one address and `published_any` for ports of all, and sent to the container found. To publish is to
  add an element. Packets to a container's own address never match: what is not published is out of reach.
  (Calls by ::1, and by IPv6 for a container that has only IPv4, are not translated: the shim relays them.)
- *forward*: into a bridge go answers, what those maps sent there, and what comes from the same bridge. All
  else is dropped: other networks, and neighbours who route to a container's address directly, even to a port
  that is published (as Docker 28 does). Out of an internal bridge goes nothing but answers.
  Into a routed one goes what the set `routed` has: the published ports at the containers' own addresses.
- *postrouting*: containers go out with the host's address, if their network has that. Calls from the host's
  loopback, and from containers to a published port of their own network, get the bridge's: else answers go
  around the host.

Accepting is only for this table: a dropping chain of another table still has its say (coexistence).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sampan.linux import nft_expressions as nft
from sampan.linux import nftables
from sampan.linux.netlink import Request
from sampan.linux.nftables import BaseChain
from sampan.network.address import Subnet
from sampan.network.bridge import NAT, ROUTED, UNPROTECTED, Bridge
from sampan.network.publication import PROTOCOLS, Publication

BRIDGES = "bridges"
INTERNAL = "internal"
WITHIN = "within"
UNGUARDED = "unguarded"
ROUTED_BRIDGES = "routed_bridges"
ROUTED_PORTS = "routed"
PUBLISHED_AT = "published_at"
PUBLISHED_ANY = "published_any"

RAW = "raw_prerouting"
PREROUTING = "nat_prerouting"
OUTPUT = "nat_output"
PUBLISH = "publish"
FORWARD = "filter_forward"
POSTROUTING = "nat_postrouting"

_CHAINS = {
    PUBLISH: None,
    RAW: BaseChain("filter", nftables.HOOK_PREROUTING, nftables.PRIORITY_RAW),
    PREROUTING: BaseChain("nat", nftables.HOOK_PREROUTING, nftables.PRIORITY_DNAT),
    OUTPUT: BaseChain("nat", nftables.HOOK_OUTPUT, nftables.PRIORITY_DNAT),
    FORWARD: BaseChain("filter", nftables.HOOK_FORWARD, nftables.PRIORITY_FILTER),
    POSTROUTING: BaseChain("nat", nftables.HOOK_POSTROUTING, nftables.PRIORITY_SNAT),
}

_BRIDGE_SETS = {
    BRIDGES: (nftables.TYPE_IFNAME,),
    INTERNAL: (nftables.TYPE_IFNAME,),
    WITHIN: (nftables.TYPE_IFNAME, nftables.TYPE_IFNAME),
    UNGUARDED: (nftables.TYPE_IFNAME,),
    ROUTED_BRIDGES: (nftables.TYPE_IFNAME,),
}


@dataclass(frozen=True, slots=True)
class Family:
    """What a table for IPv4 and one for IPv6 differ in."""

    number: int
    version: int
    source: int
    destination: int
    address_type: int
    address_bytes: int
    loopback: tuple[str, int]
    icmp: int

    def subnet_of(self, bridge: Bridge) -> Subnet | None:
        """The bridge's subnet of this family."""
        return bridge.subnet if self.version == 4 else bridge.subnet6

    def mode_of(self, bridge: Bridge) -> str:
        """The bridge's gateway mode for this family."""
        return bridge.mode if self.version == 4 else bridge.mode6


IPV4 = Family(
    number=socket.AF_INET,
    version=4,
    source=nft.IP_SOURCE,
    destination=nft.IP_DESTINATION,
    address_type=nftables.TYPE_IPV4_ADDRESS,
    address_bytes=4,
    loopback=("127.0.0.0", 8),
    icmp=1,
)
IPV6 = Family(
    number=socket.AF_INET6,
    version=6,
    source=nft.IP6_SOURCE,
    destination=nft.IP6_DESTINATION,
    address_type=nftables.TYPE_IPV6_ADDRESS,
    address_bytes=16,
    loopback=("::1", 128),
    icmp=58,
)
FAMILIES = (IPV4, IPV6)


def plan_table(
    table: str, bridges: Sequence[Bridge], published: Iterable[Publication], family: Family = IPV4
) -> list[Request]:
    """Return the transaction that makes a family's table exactly this, whatever it was."""
    requests = [
        nftables.add_table(table),
        *_declarations(table, family),
        *_fixed_rules(table, family),
        *_bridge_rules(table, bridges, family),
    ]
    return [
        *plan_removal(table, family),
        *nftables.of_family(family.number, requests),
        *plan_publish(table, published, family),
    ]


def plan_removal(table: str, family: Family = IPV4) -> list[Request]:
    """Return the transaction after which there is no such table, whether there was one or not."""
    requests = [nftables.add_table(table), nftables.delete_table(table)]
    return nftables.of_family(family.number, requests)


def plan_bridges(table: str, bridges: Sequence[Bridge], family: Family = IPV4) -> list[Request]:
    """Return the transaction that makes a table that is there serve these bridges; ports stay as they are."""
    requests = [
        nftables.flush_chain(table, POSTROUTING),
        *(nftables.flush_set(table, name) for name in _BRIDGE_SETS),
        *_bridge_rules(table, bridges, family),
    ]
    return nftables.of_family(family.number, requests)


def plan_publish(table: str, published: Iterable[Publication], family: Family = IPV4) -> list[Request]:
    """Return the transaction that publishes ports."""
    requests = [
        request
        for name, elements in map_elements(published).items()
        for request in nftables.add_elements(table, name, elements)
    ]
    return nftables.of_family(family.number, requests)


def plan_unpublish(table: str, published: Iterable[Publication], family: Family = IPV4) -> list[Request]:
    """Return the transaction that takes published ports back; all must be there."""
    requests = [
        request
        for name, elements in map_elements(published).items()
        for request in nftables.delete_elements(table, name, elements)
    ]
    return nftables.of_family(family.number, requests)


def map_elements(published: Iterable[Publication]) -> dict[str, list[tuple[bytes, bytes]]]:
    """Return the elements of either map, and of the set of routed ports, that publish these ports."""
    elements: dict[str, list[tuple[bytes, bytes]]] = {PUBLISHED_AT: [], PUBLISHED_ANY: [], ROUTED_PORTS: []}
    for publication in published:
        host = publication.host
        protocol, port = bytes((PROTOCOLS[host.protocol],)), host.port.to_bytes(2, "big")
        own_address, own_port = publication.address.packed, publication.port.to_bytes(2, "big")
        target = nftables.concatenate(own_address, own_port)
        if publication.is_routed:
            elements[ROUTED_PORTS].append((nftables.concatenate(protocol, own_address, own_port), b""))
        elif host.is_any:
            elements[PUBLISHED_ANY].append((nftables.concatenate(protocol, port), target))
        else:
            key = nftables.concatenate(protocol, host.address.packed, port)
            elements[PUBLISHED_AT].append((key, target))
    return elements


def _declarations(table: str, family: Family) -> list[Request]:
    place = (nftables.TYPE_INET_PROTOCOL, family.address_type, nftables.TYPE_INET_SERVICE)
    any_place = (nftables.TYPE_INET_PROTOCOL, nftables.TYPE_INET_SERVICE)
    target = (family.address_type, nftables.TYPE_INET_SERVICE)
    sets = {**_BRIDGE_SETS, ROUTED_PORTS: place}
    maps = {PUBLISHED_AT: place, PUBLISHED_ANY: any_place}
    return [
        *(nftables.add_set(table, name, number, key) for number, (name, key) in enumerate(sets.items(), 1)),
        *(
            nftables.add_map(table, name, number, key, target)
            for number, (name, key) in enumerate(maps.items(), len(sets) + 1)
        ),
        *(nftables.add_chain(table, name, base) for name, base in _CHAINS.items()),
    ]


def _fixed_rules(table: str, family: Family) -> list[Request]:
    to_host = nft.match_local_destination()
    rules = [
        (PREROUTING, [*to_host, nft.jump(PUBLISH)]),
        (OUTPUT, [*to_host, *_not_to_loopback(family), nft.jump(PUBLISH)]),
        (PUBLISH, _to_published_at(family)),
        (PUBLISH, _to_published_any(family)),
        *((FORWARD, rule) for rule in _forward_rules(family)),
    ]
    if family is IPV4:
        rules += [(RAW, _from_the_wire(family, field)) for field in (family.destination, family.source)]
    return [nftables.add_rule(table, chain, rule) for chain, rule in rules]


def _not_to_loopback(family: Family) -> list[bytes]:
    """IPv6 has no route_localnet: what the host says to itself by ::1 cannot leave by another interface."""
    if family is IPV4:
        return []
    return [nft.network_payload(family.destination, 16), nft.compare(bytes(15) + b"\1", equal=False)]


def _forward_rules(family: Family) -> list[list[bytes]]:
    into_bridge = nft.match_interface_set(nft.META_OIFNAME, BRIDGES)
    into_routed = nft.match_interface_set(nft.META_OIFNAME, ROUTED_BRIDGES)
    into_unguarded = nft.match_interface_set(nft.META_OIFNAME, UNGUARDED)
    out_of_internal = nft.match_interface_set(nft.META_IIFNAME, INTERNAL)
    is_icmp = [nft.meta(nft.META_L4PROTO), nft.compare(bytes((family.icmp,)))]
    return [
        [*nft.match_ct_state(nft.CT_STATE_ESTABLISHED_RELATED), nft.accept()],
        [*nft.match_interface_pair(WITHIN), nft.accept()],
        [*out_of_internal, nft.counter(), nft.drop()],
        [*into_bridge, *nft.match_ct_status(nft.CT_STATUS_DNAT), nft.accept()],
        [*into_unguarded, nft.accept()],
        [*into_routed, *is_icmp, nft.accept()],
        [*into_routed, *_load_place(family), nft.lookup(ROUTED_PORTS), nft.accept()],
        [*into_bridge, nft.counter(), nft.drop()],
    ]


def _bridge_rules(table: str, bridges: Sequence[Bridge], family: Family) -> list[Request]:
    rules = [_loopback_masquerade(family)]
    for bridge in bridges:
        subnet = family.subnet_of(bridge)
        if subnet is None:
            continue
        rules.append(_hairpin_masquerade(family, subnet))
        if bridge.masquerade and not bridge.internal and family.mode_of(bridge) in (NAT, UNPROTECTED):
            rules.append(_outward_masquerade(family, subnet, bridge.name))
    return [
        *(
            request
            for name, keys in _bridge_sets(bridges, family).items()
            for request in nftables.add_elements(table, name, [(key, b"") for key in keys])
        ),
        *(nftables.add_rule(table, POSTROUTING, rule) for rule in rules),
    ]


def _bridge_sets(bridges: Sequence[Bridge], family: Family) -> dict[str, list[bytes]]:
    """Every bridge is in both families' tables: what it has no subnet for must not be forwarded to it."""
    names = [nft.interface_name(bridge.name) for bridge in bridges]
    within = [name + name for bridge, name in zip(bridges, names, strict=True) if bridge.icc]
    within += [
        nft.interface_name(trusted) + name
        for bridge, name in zip(bridges, names, strict=True)
        for trusted in bridge.trusted
    ]

    def chosen(mode: str) -> list[bytes]:
        return [nft.interface_name(bridge.name) for bridge in bridges if family.mode_of(bridge) == mode]

    return {
        BRIDGES: names,
        INTERNAL: [nft.interface_name(bridge.name) for bridge in bridges if bridge.internal],
        WITHIN: within,
        UNGUARDED: chosen(UNPROTECTED),
        ROUTED_BRIDGES: chosen(ROUTED),
    }


def _from_the_wire(family: Family, field: int) -> list[bytes]:
    not_by_loopback = nft.match_interface(nft.META_IIFNAME, "lo", equal=False)
    return [*not_by_loopback, *nft.match_subnet(field, *family.loopback), nft.counter(), nft.drop()]


def _load_place(family: Family) -> list[bytes]:
    """Load protocol, destination and its port, as the keys of `published_at` and `routed` have them."""
    behind_address = nft.WORD_REGISTER + 1 + family.address_bytes // 4
    return [
        nft.meta(nft.META_L4PROTO, nft.WORD_REGISTER),
        nft.network_payload(family.destination, family.address_bytes, nft.WORD_REGISTER + 1),
        nft.transport_payload(nft.TRANSPORT_DESTINATION_PORT, 2, behind_address),
    ]


def _to_published_at(family: Family) -> list[bytes]:
    return [*_load_place(family), nft.map_lookup(PUBLISHED_AT), nft.destination_nat(family.number)]


def _to_published_any(family: Family) -> list[bytes]:
    return [
        nft.meta(nft.META_L4PROTO, nft.WORD_REGISTER),
        nft.transport_payload(nft.TRANSPORT_DESTINATION_PORT, 2, nft.WORD_REGISTER + 1),
        nft.map_lookup(PUBLISHED_ANY),
        nft.destination_nat(family.number),
    ]


def _loopback_masquerade(family: Family) -> list[bytes]:
    into_bridge = nft.match_interface_set(nft.META_OIFNAME, BRIDGES)
    return [*into_bridge, *nft.match_subnet(family.source, *family.loopback), nft.masquerade()]


def _hairpin_masquerade(family: Family, subnet: Subnet) -> list[bytes]:
    return [
        *_match_subnet(family.source, subnet),
        *_match_subnet(family.destination, subnet),
        *nft.match_ct_status(nft.CT_STATUS_DNAT),
        nft.masquerade(),
    ]


def _outward_masquerade(family: Family, subnet: Subnet, bridge: str) -> list[bytes]:
    elsewhere = nft.match_interface(nft.META_OIFNAME, bridge, equal=False)
    return [*_match_subnet(family.source, subnet), *elsewhere, nft.masquerade()]


def _match_subnet(field: int, subnet: Subnet) -> list[bytes]:
    return nft.match_subnet(field, str(subnet.network_address), subnet.prefixlen)
