# SPDX-License-Identifier: Apache-2.0
"""Sizes, spans of time, tables, ports and other words, with what docker 28.2.2 prints for the same."""

from __future__ import annotations

import pytest

from sampan.cli.filters import parse_filters
from sampan.cli.flags import FlagError
from sampan.cli.published import format_ports
from sampan.cli.table import format_table
from sampan.cli.times import format_nanoseconds, parse_timestamp
from sampan.cli.units import format_binary_size, format_duration, format_size
from sampan.cli.wording import format_labels, quote, short_id, shorten
from sampan.client.images import split_name
from sampan.errors import InvalidArgument

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119.9, "About a minute"),
        (120, "2 minutes"),
        (59 * 60 + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (1.49 * HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_spans_of_time_are_worded_as_docker_words_them(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "digits", "words"),
    [
        (0, 3, "0B"),
        (512, 3, "512B"),
        (999, 3, "999B"),
        (1000, 3, "1kB"),
        (187654321, 3, "188MB"),
        (187654321, 4, "187.7MB"),
        (1234567, 3, "1.23MB"),
        (999999, 3, "1e+03kB"),
        (10**12, 3, "1TB"),
    ],
)
def test_sizes_have_so_many_digits(size: int, digits: int, words: str) -> None:
    assert format_size(size, digits) == words


def test_memory_is_counted_in_powers_of_1024() -> None:
    assert format_binary_size(4999000) == "4.767MiB"


def test_columns_are_padded_by_three_and_never_narrower_than_ten() -> None:
    rows = [("ID", "NAME", "X"), ("a" * 12, "b", "long last cell"), ("", "", "")]
    assert format_table(rows) == [
        "ID             NAME      X",
        "aaaaaaaaaaaa   b         long last cell",
        "                         ",
    ]


def test_a_shorter_row_ends_a_column() -> None:
    assert format_table([("a", "b"), ("c",), ("d" * 20, "e")]) == ["a         b", "c", "d" * 20 + "   e"]
    assert format_table([]) == []
    assert format_table([()]) == [""]


def _port(private: int, kind: str = "tcp", public: int = 0, ip: str = "") -> dict[str, object]:
    port: dict[str, object] = {"PrivatePort": private, "Type": kind}
    return {**port, "IP": ip, "PublicPort": public} if public else port


@pytest.mark.parametrize(
    ("ports", "shown"),
    [
        ([], ""),
        ([_port(80)], "80/tcp"),
        ([_port(80, public=8080, ip="0.0.0.0")], "0.0.0.0:8080->80/tcp"),
        ([_port(80, public=80, ip="0.0.0.0")], "0.0.0.0:80->80/tcp"),
        ([_port(81), _port(80), _port(82), _port(90)], "80-82/tcp, 90/tcp"),
        (
            [
                *(_port(8000 + n, public=8000 + n, ip="0.0.0.0") for n in range(3)),
                _port(8000, public=8000, ip="::"),
                _port(443),
                _port(53, "udp", 5353, "127.0.0.1"),
            ],
            "443/tcp, 0.0.0.0:8000-8002->8000-8002/tcp, [::]:8000->8000/tcp, 127.0.0.1:5353->53/udp",
        ),
        (
            [_port(80, public=80, ip="1.1.1.1"), _port(80, public=80, ip="1.1.1.2")],
            "1.1.1.1:80->80/tcp, 1.1.1.2:80->80/tcp",
        ),
    ],
)
def test_ports_that_follow_each_other_are_ranges(ports: list[dict[str, object]], shown: str) -> None:
    assert format_ports(ports) == shown


def test_filters_are_lists_by_key() -> None:
    assert parse_filters(["label=a=b", " Status = exited ", "", "label=c"]) == {
        "label": ["a=b", "c"],
        "status": ["exited"],
    }


def test_a_filter_without_a_value_is_a_flag_error() -> None:
    with pytest.raises(FlagError, match="bad format of filter"):
        parse_filters(["foo"])


@pytest.mark.parametrize(
    ("word", "sent"),
    [
        ("", ""),
        ("42m", "7480"),
        ("1h30m", "4600"),
        ("1.5s", "9998"),
        ("1136073600", "1136073600"),
        ("1136073600.000000001", "1136073600.000000001"),
        ("2013-01-02T13:23:37Z", "1357133017.000000000"),
        ("2013-01-02T13:23:37.123456789Z", "1357133017.123456789"),
        ("2013-01-02T13:23:37+01:00", "1357129417.000000000"),
        ("0", "0"),
    ],
)
def test_moments_are_sent_as_docker_sends_them(word: str, sent: str) -> None:
    assert parse_timestamp(word, now_s=10_000) == sent


@pytest.mark.parametrize("word", ["yesterday", "10x", "2013-13-01"])
def test_what_is_no_moment_is_refused(word: str) -> None:
    with pytest.raises(InvalidArgument, match="failed to parse value as time or duration"):
        parse_timestamp(word)


def test_moments_are_printed_to_the_nanosecond(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert format_nanoseconds(1_700_000_000_000_000_123) == "2023-11-15T00:13:20.000000123+02:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_words_of_a_row() -> None:
    assert format_labels({"b": "2", "a": "1"}) == "a=1,b=2"
    assert format_labels(None) == ""
    assert short_id("sha256:" + "1" * 64) == "1" * 12
    assert short_id("<missing>") == "<missing>"
    assert shorten("python manage.py runserver", 20) == "python manage.py ru…"
    assert quote('a"b\\c\n\x00é') == '"a\\"b\\\\c\\n\\x00é"'
    assert split_name("reg:5000/a/b:c") == ("reg:5000/a/b", "c")
    assert split_name("reg:5000/a/b") == ("reg:5000/a/b", "")
