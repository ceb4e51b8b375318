# SPDX-License-Identifier: Apache-2.0
"""Events of a build, and what they are as JSON."""

from __future__ import annotations

import asyncio
import json

import pytest

from sampan.build.progress import LogEvent, StatusEvent, VertexEvent, WarningEvent
from sampan.build.reporter import Reporter
from sampan.build.steps import Mark
from sampan.errors import Conflict


def test_events_are_json_objects() -> None:
    events = [
        VertexEvent("v1", "[1/2] FROM x", started_ns=1, marks=[{"number": 1, "total": 2, "text": "FROM x"}]),
        LogEvent("v1", 2, b"\xff\n"),
        StatusEvent("v1", "downloading f", current=1, total=2),
        WarningEvent("text", file="Dockerfile", line=3),
    ]
    shapes = [json.loads(json.dumps(event.to_json())) for event in events]
    assert [shape["type"] for shape in shapes] == ["vertex", "log", "status", "warning"]
    assert shapes[0]["completed_ns"] is None
    assert shapes[1] == {"type": "log", "id": "v1", "stream": 2, "data": "/wo="}


def test_a_vertex_begins_and_ends() -> None:
    told: list[object] = []
    with Reporter(told.append).vertex("name", [Mark(1, 2, "RUN x")]) as vertex:
        vertex.cached = True
        vertex.result = "abc"
    first, last = told
    assert isinstance(first, VertexEvent)
    assert isinstance(last, VertexEvent)
    assert (first.completed_ns, last.cached, last.result, last.error) == (None, True, "abc", None)
    assert last.marks == [{"number": 1, "total": 2, "text": "RUN x"}]


@pytest.mark.parametrize(
    ("error", "text"), [(Conflict("taken"), "taken"), (asyncio.CancelledError(), "cancelled")]
)
def test_an_error_that_leaves_a_vertex_is_its_error(error: BaseException, text: str) -> None:
    told: list[object] = []
    with pytest.raises(type(error)), Reporter(told.append).vertex("name"):
        raise error
    assert isinstance(told[-1], VertexEvent)
    assert told[-1].error == text
