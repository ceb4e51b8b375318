# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.api.event_filters import matches
from sampan.engine.events import make_event

ID = "a1" * 32


def container(action: str = "start") -> dict[str, object]:
    attributes = {"name": "web", "image": "127.0.0.1:5000/app:2", "role": "front"}
    return make_event("container", action, ID, attributes, now_ns=1)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"type": ["image", "container"]},
        {"event": ["start"]},
        {"container": ["we"]},
        {"container": [ID[:5]]},
        {"image": ["127.0.0.1:5000/app"]},
        {"image": ["127.0.0.1:5000/app:2"]},
        {"label": ["role=front", "role"]},
        {"scope": ["local"]},
    ],
)
def test_filters_that_let_a_containers_start_through(wanted: dict[str, list[str]]) -> None:
    assert matches(container(), wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": ["network"]},
        {"event": ["sta"]},
        {"container": ["eb"]},
        {"container": ["web"], "volume": ["web"]},
        {"image": ["app"]},
        {"label": ["role=front", "other"]},
        {"scope": ["swarm"]},
        {"daemon": ["web"]},
    ],
)
def test_filters_that_do_not(wanted: dict[str, list[str]]) -> None:
    assert not matches(container(), wanted)


def test_actions_with_details_are_found_by_their_beginning() -> None:
    event = container("exec_start: sh -c true")
    assert matches(event, {"event": ["exec_start"]})
    assert matches(container("health_status: healthy"), {"event": ["health_status: healthy"]})
    assert not matches(container("health_status: healthy"), {"event": ["health_status: unhealthy"]})
