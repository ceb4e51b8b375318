# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.compose.template import (
    InvalidTemplateError,
    RequiredVariableError,
    iter_variables,
    substitute,
)
from sampan.errors import InvalidArgument

VALUES = {"SET": "value", "EMPTY": "", "OTHER": "o"}


def fill(text: str, unset: list[str] | None = None) -> str:
    heard: list[str] = [] if unset is None else unset
    return substitute(text, VALUES.get, unset=heard.append)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$SET-c", "avaluebvalue-c"),
        ("${SET:-d}", "value"),
        ("${EMPTY:-d}", "d"),
        ("${GONE:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${GONE-d}", "d"),
        ("${SET:+r}", "r"),
        ("${EMPTY:+r}", ""),
        ("${EMPTY+r}", "r"),
        ("${GONE+r}", ""),
        ("${SET:?no}", "value"),
        ("${EMPTY?no}", ""),
        ("$$SET", "$SET"),
        ("$$$SET", "$value"),
        ("$${SET}", "${SET}"),
        ("${GONE:-${EMPTY:-${SET}}}", "value"),
        ("${GONE:-a$SET}b", "avalueb"),
        ('${GONE:-{"a":"b"}}', '{"a":"b"}'),
        ("${GONE:-a:-b}", "a:-b"),
        ("${GONE-}", ""),
        ("${SET:+${OTHER}x}", "ox"),
    ],
)
def test_every_form(text: str, filled: str) -> None:
    assert fill(text) == filled


@pytest.mark.parametrize(
    "text", ["$", "a$ b", "${", "${}", "${SET", "${1}", "$1", "${SET!x}", "${a b}", "${ }"]
)
def test_what_is_no_variable_is_refused(text: str) -> None:
    with pytest.raises(InvalidTemplateError):
        fill(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${GONE:?}", "required variable GONE is missing a value"),
        ("${EMPTY:?say $SET}", "required variable EMPTY is missing a value: say value"),
        ("${GONE?why}", "required variable GONE is missing a value: why"),
    ],
)
def test_a_required_variable_says_why(text: str, message: str) -> None:
    with pytest.raises(RequiredVariableError) as caught:
        fill(text)
    assert caught.value.message == message


def test_only_plain_uses_of_unset_variables_are_told() -> None:
    unset: list[str] = []
    fill("$GONE ${GONE2} ${GONE3:-x} ${GONE4+y}", unset)
    assert unset == ["GONE", "GONE2"]


def test_variables_are_found_in_the_words_of_others() -> None:
    assert [variable.name for variable in iter_variables("$A ${B:-${C:-$D}} $$E")] == ["A", "B", "C", "D"]


NAMES = st.sampled_from(["SET", "EMPTY", "GONE", "OTHER"])
OPERATORS = st.sampled_from([":-", "-", ":+", "+"])
LITERAL = st.text(alphabet="abc :/.-", max_size=4)


@st.composite
def templates(draw: st.DrawFn, depth: int = 2) -> tuple[str, str]:
    """A template and what it comes to, worked out beside it."""
    pieces = []
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["text", "dollar", "plain", "operator" if depth else "plain"]))
        if kind == "text":
            text = draw(LITERAL)
            pieces.append((text, text))
        elif kind == "dollar":
            pieces.append(("$$", "$"))
        elif kind == "plain":
            name = draw(NAMES)
            pieces.append((f"${{{name}}}", VALUES.get(name, "")))
        else:
            pieces.append(draw(conditionals(depth)))
    return "".join(piece for piece, _ in pieces), "".join(value for _, value in pieces)


@st.composite
def conditionals(draw: st.DrawFn, depth: int) -> tuple[str, str]:
    name, operator = draw(NAMES), draw(OPERATORS)
    word, meaning = draw(templates(depth=depth - 1))
    value = VALUES.get(name)
    there = value not in (None, "") if operator.startswith(":") else value is not None
    wanted = there if operator.endswith("+") else not there
    return f"${{{name}{operator}{word}}}", meaning if wanted else value or ""


@given(templates())
def test_templates_mean_what_their_parts_mean(pair: tuple[str, str]) -> None:
    assert fill(pair[0]) == pair[1]


@given(st.text(alphabet="${}:-?+AB \\'\"", max_size=30))
def test_any_text_is_filled_or_refused(text: str) -> None:
    try:
        fill(text)
        list(iter_variables(text))
    except InvalidArgument:
        pass


@given(st.text(max_size=20))
def test_an_escaped_text_stays_itself(text: str) -> None:
    assert fill(text.replace("$", "$$")) == text
