# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.compose.dotenv import parse_dotenv, parse_raw_env
from sampan.compose.errors import ComposeError

OUTSIDE = {"HOME": "/root", "WINS": "outside"}


def read(text: str) -> dict[str, str]:
    return parse_dotenv(text, OUTSIDE.get, file="t.env")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1", {"A": "1"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# c\n\n  A = 1  \n", {"A": "1"}),
        ("export A=1\nexport\tB=2", {"A": "1", "B": "2"}),
        ("A: 1", {"A": "1"}),
        ("A=a b # c", {"A": "a b"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=", {"A": ""}),
        ("A='x $HOME \\n'", {"A": "x $HOME \\n"}),
        ('A="x $HOME\\ty"', {"A": "x /root\ty"}),
        ('A="q\\"q" # c', {"A": 'q"q'}),
        ('A="l1\nl2"\nB=2', {"A": "l1\nl2", "B": "2"}),
        ("A=1\nB=$A\nC=${B}2", {"A": "1", "B": "1", "C": "12"}),
        ("WINS=inside\nA=$WINS", {"WINS": "inside", "A": "outside"}),
        ("HOME\nGONE\nA=1", {"HOME": "/root", "A": "1"}),
        ("A=${GONE:-d}", {"A": "d"}),
        ('A="\\$HOME $$HOME"', {"A": "$HOME $HOME"}),
        ("A.B-C[0]=1", {"A.B-C[0]": "1"}),
        ('A="\\0101"', {"A": "A"}),
    ],
)
def test_lines_are_read_as_compose_reads_them(text: str, values: dict[str, str]) -> None:
    assert read(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nB%=2", 't.env:2: unexpected character "%" in variable name "B%=2"'),
        ("A=1\n\nB='x", "t.env:3: unterminated quoted value 'x"),
        ("A B=1", "t.env:1: key cannot contain a space"),
        ("A=${}", "t.env:1: invalid interpolation format: '${}'"),
        ("A=${B:?gone}", "t.env:1: required variable B is missing a value: gone"),
    ],
)
def test_what_cannot_be_read_names_its_line(text: str, message: str) -> None:
    with pytest.raises(ComposeError) as caught:
        read(text)
    assert caught.value.message == message


def test_raw_files_are_taken_as_they_are() -> None:
    text = "A='x' # y\n# c\nB=$HOME\nHOME\nGONE\n"
    assert parse_raw_env(text, OUTSIDE.get, file="r") == {"A": "'x' # y", "B": "$HOME", "HOME": "/root"}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ComposeError):
        read(text)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text(alphabet="ab $\"\\#=\n\t'")
    )
)
def test_quoted_values_come_back(values: dict[str, str]) -> None:
    def quote(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        return f'"{escaped}"'

    text = "".join(f"{name}={quote(value)}\n" for name, value in values.items())
    assert parse_dotenv(text, lambda _name: None, file="t") == values
