# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.cli.commands.events import Message
from sampan.cli.template import TemplateError, parse_template

EVENT = {
    "status": "die",
    "id": "a1",
    "from": "busybox",
    "Type": "container",
    "Action": "die",
    "Actor": {"ID": "a1", "Attributes": {"name": "web", "exitCode": "0"}},
    "scope": "local",
    "time": 5,
    "timeNano": 5_000_000_001,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "{{.ID}} {{.Status}} {{.From}} {{.Scope}} {{.Time}} {{.TimeNano}}",
            "a1 die busybox local 5 5000000001",
        ),
        ("{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}", "container die a1 web"),
        ("{{json .Actor.Attributes}}", '{"exitCode":"0","name":"web"}'),
        ("{{json .ID}}", '"a1"'),
    ],
)
def test_fields_have_gos_names(template: str, text: str) -> None:
    assert parse_template(template).render(Message(EVENT)) == text


def test_as_json_it_is_what_the_engine_sent() -> None:
    assert dict(Message(EVENT)) == EVENT
    assert set(Message(EVENT)) == set(EVENT)


def test_what_an_event_lacks_is_empty() -> None:
    assert parse_template("<{{.ID}}{{.Status}}>").render(Message({"Type": "network"})) == "<>"


def test_unknown_fields_are_refused_by_name() -> None:
    with pytest.raises(TemplateError, match=r"can't evaluate field Nothing in type events\.Message"):
        parse_template("{{.Nothing}}").render(Message(EVENT))
