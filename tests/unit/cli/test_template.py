# SPDX-License-Identifier: Apache-2.0
"""Templates give what docker gives: the golden file was recorded from `docker inspect --format` 28.2.2."""

from __future__ import annotations

import itertools
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.template import TemplateError, parse_template
from sampan.cli.template_lex import lex

with open(os.path.join(os.path.dirname(__file__), "data", "template_golden.json"), encoding="utf-8") as _file:
    GOLDEN = json.load(_file)


class Row(dict[str, object]):
    go_type = "*formatter.ContainerContext"


def render(text: str, value: object) -> str:
    return parse_template(text).render(value)


@pytest.mark.parametrize(("text", "output", "error"), GOLDEN["cases"])
def test_renders_or_fails_as_docker_does(text: str, output: str, error: str) -> None:
    if error:
        with pytest.raises(TemplateError) as caught:
            render(text, GOLDEN["document"])
        assert caught.value.message == error
    else:
        assert render(text, GOLDEN["document"]) == output


def test_an_unknown_field_of_a_struct_names_its_type() -> None:
    with pytest.raises(TemplateError) as caught:
        render("{{.Nope}}", Row(ID="1"))
    assert caught.value.message == (
        'template: :1:2: executing "" at <.Nope>: '
        "can't evaluate field Nope in type *formatter.ContainerContext"
    )


def test_a_method_takes_arguments() -> None:
    row = Row(Label=lambda name: {"a": "1"}.get(name, ""))
    assert render('{{.Label "a"}}', row) == "1"
    with pytest.raises(TemplateError, match="wrong number of args for Label: got 2"):
        render('{{.Label "a" "b"}}', row)


def test_a_template_that_calls_itself_ends_in_an_error() -> None:
    with pytest.raises(TemplateError, match="exceeded maximum template depth"):
        render('{{define "x"}}{{template "x"}}{{end}}{{template "x"}}', {})


@given(st.text(alphabet=st.characters(exclude_characters="{"), max_size=40))
def test_text_without_actions_stays_as_it_is(text: str) -> None:
    assert render(text, None) == text


@given(st.text(alphabet="{}-/* .$|()abif\"'`:=,\n%!0", max_size=30))
def test_no_input_raises_anything_but_a_template_error(text: str) -> None:
    try:
        render(text, {"a": 1, "b": {"a": [1]}})
    except TemplateError as error:
        assert error.message.startswith("template: ")  # noqa: PT017


@given(st.text(alphabet="{}- .ab|()", max_size=30))
def test_tokens_never_overlap(text: str) -> None:
    tokens = [token for token in lex("{{" + text) if token.kind not in ("error", "eof")]
    places = [(token.pos, token.pos + len(token.text)) for token in tokens]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))


@given(st.integers(), st.text(max_size=10), st.booleans())
def test_values_survive_json(number: int, words: str, switch: bool) -> None:
    value = {"n": number, "w": [words], "s": switch}
    assert json.loads(render("{{json .}}", value)) == value
