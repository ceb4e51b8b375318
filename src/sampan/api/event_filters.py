# SPDX-License-Identifier: Apache-2.0
"""The filters of `events` (pure).

Source: Engine API v1.51, SystemEvents; moby `daemon/events/filter.go`: values of one filter are alternatives, different
filters must all hold. Objects are named by the beginning of their id or name; an image also by what containers
were made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.api.container_filters import has_label

ACTORS = frozenset(
    ["config", "container", "daemon", "network", "node", "plugin", "secret", "service", "volume"]
)
EVENT_FILTERS = ACTORS | {"event", "image", "label", "scope", "type"}
WITH_DETAIL = frozenset({"health_status", "exec_create", "exec_start"})

Event = Mapping[str, Any]


def matches(event: Event, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether every filter holds for an event."""
    return all(_holds(event, name, values) for name, values in wanted.items() if values)


def _holds(event: Event, name: str, values: Sequence[str]) -> bool:
    attributes = event["Actor"]["Attributes"]
    match name:
        case "type":
            return event["Type"] in values
        case "event":
            return _is_action(event["Action"], values)
        case "label":
            return all(has_label(attributes, value) for value in values)
        case "scope":
            return event["scope"] in values
        case "image":
            return _is_of_image(event, values)
        case _:
            return event["Type"] == name and _begins(
                (event["Actor"]["ID"], attributes.get("name", "")), values
            )


def _is_action(action: str, values: Sequence[str]) -> bool:
    """Exactly; where one of the values has details behind a colon in its events, by its beginning."""
    if WITH_DETAIL.isdisjoint(values):
        return action in values
    return _begins((action,), values)


def _is_of_image(event: Event, values: Sequence[str]) -> bool:
    if event["Type"] not in ("image", "container"):
        return False
    field = "name" if event["Type"] == "image" else "image"
    name = event["Actor"]["Attributes"].get(field, "")
    names = (event["Actor"]["ID"], name, _without_tag(name))
    return any(value in names for value in values)


def _without_tag(name: str) -> str:
    head, colon, tail = name.partition("@")[0].rpartition(":")
    return head if colon and "/" not in tail else name


def _begins(names: Sequence[str], values: Sequence[str]) -> bool:
    return any(name.startswith(value) for name in names for value in values)
