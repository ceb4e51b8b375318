# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.build.seams import StepLimits
from sampan.build.ulimits import format_ulimits, parse_ulimits
from sampan.errors import InvalidArgument

NAMES = st.sampled_from(["nofile", "nproc", "core"])
VALUES = st.integers(-1, 1 << 62)


@given(st.lists(st.tuples(NAMES, VALUES, VALUES)))
def test_what_is_written_is_read_again(ulimits: list[tuple[str, int, int]]) -> None:
    assert parse_ulimits(format_ulimits(StepLimits(tuple(ulimits)))) == tuple(ulimits)


def test_one_value_is_both() -> None:
    assert parse_ulimits("nofile=5") == (("nofile", 5, 5),)


@pytest.mark.parametrize("text", ["nofile", "nofile=", "nofile=a", "nofile=1:b"])
def test_what_is_no_limit_is_named(text: str) -> None:
    with pytest.raises(InvalidArgument, match=f"ulimit: {text}"):
        parse_ulimits(text)
