# SPDX-License-Identifier: Apache-2.0
"""Who is called what, and for whom."""

from __future__ import annotations

from sampan.network.nameserver.zones import Member, Place, Zones, decode_member


def member(name: str, *places: Place) -> Member:
    return Member(name, places, None)


def place(network: str, address: str, *names: str, links: dict[str, str] | None = None) -> Place:
    return Place(network, f"{network}-net", tuple(address.split()), names, links or {})


WEB = member("1", place("sea", "10.0.0.2", "web", "www"))
API = member("2", place("sea", "10.0.0.3", "api", "www"), place("bay", "10.1.0.3", "api"))
LONE = member("3", place("bay", "10.1.0.4", "lone"))


def zones(*members: Member) -> Zones:
    made = Zones()
    for each in members:
        made.put(each)
    return made


def test_names_are_known_on_ones_own_networks_only() -> None:
    known = zones(WEB, API, LONE)
    assert known.lookup(API, "web") == ["10.0.0.2"]
    assert known.lookup(LONE, "web") == []
    assert known.lookup(LONE, "api") == ["10.1.0.3"]


def test_the_first_network_that_knows_a_name_answers() -> None:
    known = zones(API, member("9", place("sea", "10.0.0.9", "x"), place("bay", "10.1.0.9", "x")))
    assert known.lookup(API, "x") == ["10.0.0.9"]


def test_a_shared_alias_has_every_address() -> None:
    assert zones(WEB, API).lookup(WEB, "www") == ["10.0.0.2", "10.0.0.3"]


def test_a_name_may_be_followed_by_its_network() -> None:
    known = zones(WEB, API, LONE)
    assert known.lookup(API, "api.bay-net") == ["10.1.0.3"]
    assert known.lookup(API, "api.sea-net") == ["10.0.0.3"]
    assert known.lookup(API, "lone.sea-net") == []


def test_a_link_is_known_to_its_owner() -> None:
    linked = member("4", place("sea", "10.0.0.4", "linked", links={"db": "web"}))
    known = zones(WEB, API, linked)
    assert known.lookup(linked, "db") == ["10.0.0.2"]
    assert known.lookup(API, "db") == []


def test_an_address_has_the_containers_name() -> None:
    known = zones(WEB, API, LONE)
    assert known.reverse(API, "2.0.0.10.in-addr.arpa") == "web.sea-net"
    assert known.reverse(LONE, "2.0.0.10.in-addr.arpa") is None
    assert known.reverse(API, "web") is None


def test_what_is_put_again_takes_the_place_of_the_old() -> None:
    known = zones(WEB, API)
    known.put(member("1", place("sea", "10.0.0.7", "site")))
    assert known.lookup(API, "web") == []
    assert known.lookup(API, "www") == ["10.0.0.3"]
    assert known.lookup(API, "site") == ["10.0.0.7"]
    known.remove("1")
    known.remove("1")
    assert known.lookup(API, "site") == []
    assert known.ids() == {"2"}


def test_a_member_is_read_from_the_engines_message() -> None:
    message = {
        "id": "1",
        "places": [
            {
                "network": "n",
                "name": "Sea",
                "address": "10.0.0.2",
                "names": ["Web"],
                "links": ["Db:Store", "other"],
            }
        ],
        "servers": ["10.0.0.1"],
    }
    assert decode_member(message) == Member(
        "1", (Place("n", "Sea", ("10.0.0.2",), ("web",), {"store": "db", "other": "other"}),), ("10.0.0.1",)
    )


def test_ipv6_addresses_are_known_both_ways() -> None:
    dual = member("6", place("sea", "10.0.0.6 fd00::6", "dual"))
    known = zones(WEB, dual)
    assert known.lookup(WEB, "dual") == ["10.0.0.6", "fd00::6"]
    assert known.reverse(WEB, "6." + "0." * 27 + "0.0.d.f.ip6.arpa") == "dual.sea-net"
    assert known.reverse(WEB, "6.0.0.10.in-addr.arpa") == "dual.sea-net"
    for nonsense in ("6.ip6.arpa", "6." * 31 + "x.ip6.arpa", "66." * 32 + "ip6.arpa"):
        assert known.reverse(WEB, nonsense) is None
    known.remove("6")
    assert known.lookup(WEB, "dual") == []
