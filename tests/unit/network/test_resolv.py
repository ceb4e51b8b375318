# SPDX-License-Identifier: Apache-2.0
"""resolv.conf and hosts of a container."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument
from sampan.network.resolv import (
    FALLBACK_NAMESERVERS,
    RESOLV_CONF,
    SYSTEMD_RESOLV_CONF,
    ResolvConf,
    format_hosts,
    parse_extra_host,
    parse_resolv_conf,
    plan_resolv_conf,
    read_host_resolv_conf,
)

GATEWAY = IPv4Address("172.17.0.1")
HOST = ResolvConf(("10.0.0.53", "fd00::53", "127.0.0.1"), ("example.com",), ("ndots:2",))
STUB = "# by systemd-resolved\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n"

words = st.text(alphabet="abcdefghijklmnop.-:0123456789", min_size=1)


@given(st.lists(words), st.lists(words), st.lists(words))
def test_settings_come_back_as_they_were_written(
    servers: list[str], search: list[str], options: list[str]
) -> None:
    conf = ResolvConf(tuple(servers), tuple(search), tuple(options))
    assert parse_resolv_conf(conf.format()) == conf


@given(st.text())
def test_any_text_is_parsed(text: str) -> None:
    parse_resolv_conf(text)


def test_the_last_search_or_domain_counts_and_comments_do_not() -> None:
    text = "domain one.test\n; nameserver 9.9.9.9\n search two.test three.test \noptions a\noptions b # c\n"
    assert parse_resolv_conf(text) == ResolvConf((), ("two.test", "three.test"), ("a", "b", "#", "c"))


def test_the_hosts_settings_are_taken_but_for_what_is_out_of_reach() -> None:
    conf, warnings = plan_resolv_conf(HOST)
    assert conf.format() == "nameserver 10.0.0.53\nsearch example.com\noptions ndots:2\n"
    assert warnings == []


def test_on_the_hosts_network_everything_is_in_reach() -> None:
    assert plan_resolv_conf(HOST, shares_host=True) == (HOST, [])


def test_what_the_user_gives_takes_the_hosts_place_each_by_itself() -> None:
    assert plan_resolv_conf(HOST, nameservers=["9.9.9.9"])[0] == ResolvConf(
        ("9.9.9.9",), HOST.search, HOST.options
    )
    assert plan_resolv_conf(HOST, search=["a.test"])[0].search == ("a.test",)
    assert plan_resolv_conf(HOST, search=["."])[0].search == ()
    assert plan_resolv_conf(HOST, options=["rotate"])[0].options == ("rotate",)


def test_a_name_server_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"invalid IP address: dns\.test"):
        plan_resolv_conf(HOST, nameservers=["dns.test"])


def test_only_loopback_servers_are_replaced_with_a_warning() -> None:
    conf, (warning,) = plan_resolv_conf(ResolvConf(("127.0.0.1", "::1")))
    assert conf.nameservers == FALLBACK_NAMESERVERS
    assert "127.0.0.1, ::1" in warning
    assert "--dns" in warning


def test_behind_systemds_stub_the_real_servers_are_found() -> None:
    files = {RESOLV_CONF: STUB, SYSTEMD_RESOLV_CONF: "nameserver 192.168.1.1\nsearch lan\n"}
    assert read_host_resolv_conf(files.__getitem__) == ResolvConf(("192.168.1.1",), ("lan",))


def test_a_stub_with_nothing_behind_is_kept() -> None:
    files = {RESOLV_CONF: STUB, SYSTEMD_RESOLV_CONF: ""}
    assert read_host_resolv_conf(files.__getitem__).nameservers == ("127.0.0.53",)


def test_a_server_of_its_own_beside_the_stub_is_enough() -> None:
    files = {RESOLV_CONF: STUB + "nameserver 9.9.9.9\n"}
    assert read_host_resolv_conf(files.__getitem__).nameservers == ("127.0.0.53", "9.9.9.9")


def test_hosts_has_loopback_the_extra_hosts_and_the_container() -> None:
    text = format_hosts(
        addresses=["172.17.0.2"],
        hostname="web",
        domain="example.com",
        extra_hosts=["db:10.0.0.5", "up:host-gateway", "six:::1"],
        host_gateway=GATEWAY,
    )
    assert text == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "10.0.0.5\tdb\n"
        "172.17.0.1\tup\n"
        "::1\tsix\n"
        "172.17.0.2\tweb.example.com web\n"
    )


def test_hosts_without_a_network_has_no_own_line() -> None:
    assert "web" not in format_hosts(hostname="web")


def test_hosts_on_the_hosts_network_begins_with_the_hosts_own() -> None:
    assert format_hosts(base="127.0.0.1 localhost vm", extra_hosts=["db:10.0.0.5"]) == (
        "127.0.0.1 localhost vm\n10.0.0.5\tdb\n"
    )


@pytest.mark.parametrize("entry", ["db=[fd00::5]", "db:fd00::5", "db:[fd00::5]"])
def test_extra_hosts_may_be_ipv6(entry: str) -> None:
    assert parse_extra_host(entry, None) == ("fd00::5", "db")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("db", 'bad format for add-host: "db"'),
        (":10.0.0.1", 'bad format for add-host: ":10.0.0.1"'),
        ("db:", 'bad format for add-host: "db:"'),
        ("db:ten", 'invalid IP address in add-host: "ten"'),
        ("db:host-gateway", "unable to derive the IP value for host-gateway"),
    ],
)
def test_bad_extra_hosts_are_refused(entry: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        parse_extra_host(entry, None)
