# SPDX-License-Identifier: Apache-2.0
"""Who is called what on which network (pure).

Holds: a container learns only names of networks that it is on itself. A name may be several containers' (an
alias): all their addresses are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

_REVERSE = ".in-addr.arpa"
_REVERSE_6 = ".ip6.arpa"


@dataclass(frozen=True, slots=True)
class Place:
    """A container's place on one network; the first of `names` is its own. `links`: alias → name."""

    network: str
    network_name: str
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    links: dict[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A container, and whom to ask for what is not known: None is the host's name servers."""

    id: str
    places: tuple[Place, ...]
    servers: tuple[str, ...] | None


def decode_member(value: dict[str, Any]) -> Member:
    """The member of a message of the engine's."""
    servers = value["servers"]
    return Member(
        value["id"],
        tuple(_decode_place(place) for place in value["places"]),
        None if servers is None else tuple(servers),
    )


def _decode_place(value: dict[str, Any]) -> Place:
    links = dict(_decode_link(link) for link in value.get("links", ()))
    names = tuple(name.lower() for name in value["names"])
    addresses = tuple(value.get("addresses") or [value["address"]])
    return Place(value["network"], value["name"], addresses, names, links)


def _decode_link(text: str) -> tuple[str, str]:
    """`container:alias`, or only a container."""
    target, _, alias = text.partition(":")
    return (alias or target).lower(), target.lower()


class Zones:
    """All members, found by network and name or address."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._by_name: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}  # network, name → member
        self._by_address: dict[tuple[str, str], str] = {}  # network, address → name

    def put(self, member: Member) -> None:
        """Note a member, in the place of what was known of it."""
        self.remove(member.id)
        self._members[member.id] = member
        for place in member.places:
            for name in place.names:
                self._by_name.setdefault((place.network, name), {})[member.id] = place.addresses
            for address in place.addresses:
                self._by_address[place.network, address] = place.names[0]

    def remove(self, member_id: str) -> None:
        """Forget a member."""
        member = self._members.pop(member_id, None)
        for place in member.places if member else ():
            for name in place.names:
                owners = self._by_name.get((place.network, name), {})
                owners.pop(member_id, None)
                if not owners:
                    self._by_name.pop((place.network, name), None)
            for address in place.addresses:
                self._by_address.pop((place.network, address), None)

    def get(self, member_id: str) -> Member | None:
        """The member with this id."""
        return self._members.get(member_id)

    def ids(self) -> set[str]:
        """Who is known."""
        return set(self._members)

    def lookup(self, member: Member, name: str) -> list[str]:
        """The addresses that `name` has for this member: of the first of its networks that knows it."""
        for place in member.places:
            if found := self._lookup_on(place, name):
                return found
        return []

    def _lookup_on(self, place: Place, name: str) -> list[str]:
        suffix = "." + place.network_name.lower()
        for candidate in (name, name.removesuffix(suffix)):
            known = self._by_name.get((place.network, place.links.get(candidate, candidate)))
            if known:
                return [address for addresses in known.values() for address in addresses]
        return []

    def reverse(self, member: Member, name: str) -> str | None:
        """The name, `container.network`, of an address written as `d.c.b.a.in-addr.arpa` or nibbles in `ip6.arpa`."""
        address = _decode_reverse(name)
        if address is None:
            return None
        for place in member.places:
            if found := self._by_address.get((place.network, address)):
                return f"{found}.{place.network_name}"
        return None


def _decode_reverse(name: str) -> str | None:
    """The address of a name for reverse look-up (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    if name.endswith(_REVERSE):
        return ".".join(reversed(name.removesuffix(_REVERSE).split(".")))
    nibbles = name.removesuffix(_REVERSE_6).split(".")
    if not name.endswith(_REVERSE_6) or len(nibbles) != 32 or any(len(nibble) != 1 for nibble in nibbles):
        return None
    digits = "".join(reversed(nibbles))
    try:
        return str(ip_address(bytes.fromhex(digits)))
    except ValueError:
        return None
