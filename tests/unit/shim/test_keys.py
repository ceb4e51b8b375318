# SPDX-License-Identifier: Apache-2.0
"""Detach keys: Docker's notation and the search for them in typed input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidArgument
from sampan.shim.keys import DEFAULT_KEYS, DetachScanner, parse_detach_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DEFAULT_KEYS, b"\x10\x11"),
        ("ctrl-a,a", b"\x01a"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x00\x1b\x1c\x1d\x1e\x1f"),
        ("DEL", b"\x7f"),
        ("x,y,z", b"xyz"),
        ("", b""),
    ],
)
def test_every_form_of_docker_is_understood(text: str, keys: bytes) -> None:
    assert parse_detach_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-aa", "shift-a", "a,,b", "é"])
def test_an_unknown_key_is_named(text: str) -> None:
    with pytest.raises(InvalidArgument, match="unknown character"):
        parse_detach_keys(text)


@given(st.binary(max_size=20), st.lists(st.integers(1, 5)))
def test_the_sequence_is_found_however_it_is_cut(before: bytes, cuts: list[int]) -> None:
    before = before.replace(b"\x10", b"")
    data, passed, found = before + b"\x10\x11after", b"", False
    scanner = DetachScanner(b"\x10\x11")
    for cut in [*cuts, len(data)]:
        part, found = scanner.feed(data[:cut])
        data, passed = data[cut:], passed + part
        if found or not data:
            break
    assert found
    assert passed == before


def test_keys_that_begin_the_sequence_are_passed_on_when_it_breaks() -> None:
    scanner = DetachScanner(b"aab")
    assert scanner.feed(b"a") == (b"", False)
    assert scanner.feed(b"a") == (b"", False)
    assert scanner.feed(b"a") == (b"a", False)
    assert scanner.feed(b"b") == (b"", True)


def test_no_keys_never_detach() -> None:
    assert DetachScanner(b"").feed(b"\x10\x11") == (b"\x10\x11", False)
