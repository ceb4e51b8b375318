# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.compose.durations import format_duration, parse_duration
from sampan.compose.float_text import Single, format_general, format_plain
from sampan.compose.port_spec import parse_ports
from sampan.compose.shellwords import split_words
from sampan.compose.volume_spec import parse_volume
from sampan.errors import InvalidArgument


@pytest.mark.parametrize(
    ("value", "general", "plain"),
    [
        (0.5, "0.5", "0.5"),
        (1.0, "1", "1"),
        (100000.0, "100000", "100000"),
        (1000000.0, "1e+06", "1000000"),
        (123456789.5, "1.234567895e+08", "123456789.5"),
        (1e20, "1e+20", "100000000000000000000"),
        (1e21, "1e+21", "1e+21"),
        (0.0001, "0.0001", "0.0001"),
        (1e-7, "1e-07", "1e-7"),
        (-2.5, "-2.5", "-2.5"),
        (0.0, "0", "0"),
        (Single(0.1), "0.1", "0.1"),
        (Single(16777216.0), "1.6777216e+07", "16777216"),
    ],
)
def test_numbers_are_written_as_go_writes_them(value: float, general: str, plain: str) -> None:
    assert (format_general(value), format_plain(value)) == (general, plain)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_back(value: float) -> None:
    assert float(format_general(value)) == float(format_plain(value)) == value


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("90s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1.5s", "1.5s"),
        ("500ms", "500ms"),
        ("1d2h", "26h0m0s"),
        ("1w", "168h0m0s"),
        ("0", "0s"),
        ("1us", "1µs"),
        ("-5s", "-5s"),
    ],
)
def test_durations(text: str, printed: str) -> None:
    assert format_duration(parse_duration(text)) == printed


@given(st.integers(0, 2**62))
def test_durations_are_read_back(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1.2.3s", "99999999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", ["a", "b"]),
        ("a  'b c'\t\"d e\"", ["a", "b c", "d e"]),
        ('a\\ b "c\\"d" \'\'', ["a b", 'c"d', ""]),
        ("echo a | cat", ["echo", "a"]),
        ("", []),
    ],
)
def test_commands_are_split_as_compose_splits_them(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("text", ["'a", 'a"', "a\\"])
def test_a_command_must_be_closed(text: str) -> None:
    with pytest.raises(InvalidArgument):
        split_words(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("::1:80:80", "invalid IP address: ::1: an IPv6 address stands in brackets"),
        ("a:80:80", "invalid IP address: a"),
        ("80:x", "invalid containerPort: x"),
        ("80-82:80-81", "invalid ranges specified for container and host Ports: 80-81 and 80-82"),
        ("80/icmp", "invalid proto: icmp"),
        ("80:", "no port specified: 80:<empty>"),
        ("82-80", "invalid containerPort: 82-80"),
    ],
)
def test_what_is_no_port_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_ports(text)
    assert caught.value.message == message


@given(st.text(alphabet="0123456789-:/[]tcpudp.", max_size=14))
def test_any_port_is_read_or_refused(text: str) -> None:
    try:
        ports = parse_ports(text)
    except InvalidArgument:
        return
    assert all(0 <= port["target"] <= 65535 for port in ports)


@given(st.text(alphabet="ab/.:~,rowzC\\${}", max_size=14))
def test_any_volume_is_read_or_refused(text: str) -> None:
    try:
        volume = parse_volume(text)
    except InvalidArgument:
        return
    assert volume["type"] in ("bind", "volume")
    assert volume["target"]
