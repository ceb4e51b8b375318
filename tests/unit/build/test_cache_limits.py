# SPDX-License-Identifier: Apache-2.0
"""Amounts that a person sets, and what they make of a disk."""

from __future__ import annotations

import pytest

from sampan.build.caches.places import parse_export, parse_import, parse_place
from sampan.build.limits import CacheLimits, parse_amount
from sampan.errors import InvalidArgument, Unsupported
from sampan.transport.location import Kind


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("10%", 100), ("2k", 2048), ("1.5KB", 1536), ("3GiB", 3 << 30), (" 7 ", 7)],
)
def test_an_amount_is_a_size_or_a_share(text: str, expected: int) -> None:
    assert parse_amount(text, 1000) == expected


@pytest.mark.parametrize("text", ["", "much", "101%", "-1", "%", "1e999"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid amount"):
        parse_amount(text, 1000)


def test_a_sweep_takes_only_what_no_image_needs() -> None:
    choice = CacheLimits(reserved="1k", max_used="50%", min_free="0").choice(10000)
    assert choice.shared is False
    assert (choice.reserved_bytes, choice.max_used_bytes, choice.min_free_bytes) == (1024, 5000, 0)


def test_places_of_caches() -> None:
    local = parse_export("type=local,dest=/a/b,mode=min").location
    assert local is not None
    assert (local.kind, local.path, local.name) == (Kind.LAYOUT, "/a/b", "latest")
    named = parse_import("user/app:cache").location
    assert named is not None
    assert named.name == "docker.io/user/app:cache"
    archive = parse_place("/x/cache.tar").location
    assert archive is not None
    assert archive.kind is Kind.LAYOUT_ARCHIVE
    with pytest.raises(InvalidArgument, match="absolute"):
        parse_export("type=local,dest=b")
    with pytest.raises(Unsupported, match="type=s3"):
        parse_export("type=s3,bucket=x")
