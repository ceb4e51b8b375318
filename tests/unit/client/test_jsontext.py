# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client.jsontext import decode_json, encode_json
from sampan.errors import DataCorrupt

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_decodes_what_the_standard_module_encodes(value: object) -> None:
    assert decode_json(json.dumps(value)) == value
    assert decode_json(json.dumps(value, indent=2).encode()) == value


@given(VALUES)
def test_the_standard_module_decodes_what_is_encoded(value: object) -> None:
    assert json.loads(encode_json(value)) == value


def test_blanks_around_are_allowed() -> None:
    assert decode_json(b' \n{"a": 1}\r\n') == {"a": 1}


def test_constants_of_javascript_are_numbers() -> None:
    assert decode_json("-Infinity") == -math.inf
    assert math.isnan(decode_json("NaN"))


@pytest.mark.parametrize("text", ["", "{", '{"a": }', "[1,]", "{} x", '"a', b"\xff", "nul", '"\n"'])
def test_malformed_text_is_refused(text: str | bytes) -> None:
    with pytest.raises(DataCorrupt):
        decode_json(text)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes has no JSON form"):
        encode_json({"a": b"x"})
