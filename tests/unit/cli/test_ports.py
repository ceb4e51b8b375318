# SPDX-License-Identifier: Apache-2.0
"""Published ports: what the golden file of `run_options` does not reach."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.ports import parse_expose, parse_publish, plan_ports
from sampan.errors import InvalidArgument

ports = st.integers(1, 65000)


@given(
    host=ports, container=ports, width=st.integers(0, 50), protocol=st.sampled_from(["tcp", "udp", "sctp"])
)
def test_ranges_of_equal_width_are_paired(host: int, container: int, width: int, protocol: str) -> None:
    text = f"{host}-{host + width}:{container}-{container + width}/{protocol}"
    pairs = [(port.container_port, port.host_port, port.protocol) for port in parse_publish(text)]
    assert pairs == [(container + n, str(host + n), protocol) for n in range(width + 1)]


@given(st.text(alphabet="0123456789:-/[].tcpudp=, ", max_size=25))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        published = parse_publish(text)
    except InvalidArgument:
        return
    assert all(0 <= port.container_port <= 65535 for port in published)


def test_an_address_keeps_its_ipv6_form_without_brackets() -> None:
    (port,) = parse_publish("[2001:db8::1]:8080:80/tcp")
    assert (port.host_ip, port.host_port, port.key) == ("2001:db8::1", "8080", "80/tcp")


def test_one_container_port_may_be_published_twice() -> None:
    exposed, bindings = plan_ports(["8080:80", "127.0.0.1:8081:80"], ["9000/udp"])
    assert exposed == {"80/tcp": {}, "9000/udp": {}}
    assert bindings == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "8081"}]
    }


def test_a_range_is_exposed_port_by_port() -> None:
    assert parse_expose("8000-8002/udp") == ["8000/udp", "8001/udp", "8002/udp"]


@pytest.mark.parametrize("text", ["", "5-", "-5", "7-6", "70000", "a"])
def test_refuses_what_is_no_range(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid range format for --expose"):
        parse_expose(text)
