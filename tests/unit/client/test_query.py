# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from urllib.parse import parse_qs, unquote

from hypothesis import given
from hypothesis import strategies as st

from sampan.client.query import format_query, quote, quote_path


@given(st.text())
def test_quoted_text_survives(text: str) -> None:
    assume_encodable = text.encode(errors="replace").decode()
    assert unquote(quote(assume_encodable)) == assume_encodable
    assert unquote(quote_path(assume_encodable)) == assume_encodable


def test_names_of_images_stay_readable_in_paths() -> None:
    assert quote_path("reg:5000/a/b:tag@sha256:ab") == "reg:5000/a/b:tag@sha256:ab"
    assert quote_path("a b?c#d%") == "a%20b%3Fc%23d%25"


def test_empty_parameters_are_left_out() -> None:
    assert format_query({"a": None, "b": False, "c": [], "d": {}}) == ""


def test_every_kind_of_parameter() -> None:
    query = format_query(
        {"all": True, "limit": 0, "names": ["a:1", "b"], "filters": {"label": ["x=y"]}, "t": ""}
    )
    assert parse_qs(query[1:], keep_blank_values=True) == {
        "all": ["1"],
        "limit": ["0"],
        "names": ["a:1", "b"],
        "filters": ['{"label":["x=y"]}'],
        "t": [""],
    }
