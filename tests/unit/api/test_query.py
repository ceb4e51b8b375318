# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.api import query
from sampan.api.errors import http_status
from sampan.api.versions import check_version
from sampan.errors import Conflict, InvalidArgument, NotFound, NotModified, SampanError
from sampan.schema.times import format_fixed_time, format_time

ALLOWED = frozenset({"name", "label"})


@pytest.mark.parametrize(
    ("value", "on"), [("1", True), ("true", True), ("yes", True), ("0", False), ("False", False), ("", False)]
)
def test_flags(value, on):
    assert query.flag({"a": value}, "a") is on


def test_an_absent_flag_is_its_default():
    assert query.flag({}, "a", default=True)


def test_both_forms_of_filters_are_read():
    assert query.filters({"filters": '{"name":["a"],"label":{"x":true,"y":false}}'}, ALLOWED) == {
        "name": ["a"],
        "label": ["x", "y"],
    }


def test_null_is_no_filter():
    assert query.filters({"filters": "null"}, ALLOWED) == {}


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({}, 'invalid resize height "": invalid syntax'),
        ({"h": "10", "w": "x"}, 'invalid resize width "x": invalid syntax'),
        ({"h": "65536", "w": "1"}, 'invalid resize height "65536": value out of range'),
    ],
)
def test_a_terminal_needs_both_lengths(size, message):
    with pytest.raises(InvalidArgument) as caught:
        query.console_size(size)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["nonsense", '{"bad":["x"]}', '{"name":3}'])
def test_bad_filters_are_refused(text):
    with pytest.raises(InvalidArgument, match="invalid filter"):
        query.filters({"filters": text}, ALLOWED)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("12", 12_000_000_000),
        ("12.5", 12_500_000_000),
        ("1.000000001", 1_000_000_001),
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000_000),
    ],
)
def test_moments(text, ns):
    assert query.timestamp_ns(text) == ns


def test_what_is_no_moment_is_refused():
    with pytest.raises(InvalidArgument):
        query.timestamp_ns("yesterday")


@pytest.mark.parametrize("version", ["1.24", "1.43", "1.51"])
def test_versions_in_range(version):
    check_version(version)


@pytest.mark.parametrize(
    ("version", "words"), [("1.99", "too new. Maximum supported API version is 1.51"), ("1.23", "too old")]
)
def test_versions_out_of_range_are_refused_in_dockers_words(version, words):
    with pytest.raises(InvalidArgument, match=words):
        check_version(version)


def test_kinds_become_statuses():
    assert [
        http_status(kind("x")) for kind in (InvalidArgument, NotFound, Conflict, NotModified, SampanError)
    ] == [
        400,
        404,
        409,
        304,
        500,
    ]


def test_times_are_gos():
    assert format_time(0) == "0001-01-01T00:00:00Z"
    assert format_time(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert format_fixed_time(1) == "1970-01-01T00:00:00.000000001Z"
