# SPDX-License-Identifier: Apache-2.0
"""YAML as compose prints it (go-yaml v3): lists set in, text of several lines as blocks, no line folded.

Quotes stand where text would be read as something else by YAML 1.2 or by 1.1. The order of keys is the
caller's.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.emitter import Emitter

from sampan.compose.float_text import format_general
from sampan.compose.scalars import needs_quotes

_UNBOUNDED = 1 << 30


def format_yaml(value: Any) -> str:
    """A document."""
    stream = io.StringIO()
    emitter = _Emitter(stream, width=_UNBOUNDED, allow_unicode=True)
    emitter.emit(yaml.StreamStartEvent())
    emitter.emit(yaml.DocumentStartEvent(explicit=False))
    for event in _iter_events(value):
        emitter.emit(event)
    emitter.emit(yaml.DocumentEndEvent(explicit=False))
    emitter.emit(yaml.StreamEndEvent())
    return stream.getvalue().removesuffix("...\n")


class _Emitter(Emitter):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Set lists in below their key."""
        super().increase_indent(flow, False)


def _iter_events(value: Any) -> Iterator[yaml.Event]:
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, True, flow_style=not value)
        for key, item in value.items():
            yield _scalar(str(key), _style(str(key)))
            yield from _iter_events(item)
        yield yaml.MappingEndEvent()
    elif isinstance(value, list | tuple):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=not value)
        for item in value:
            yield from _iter_events(item)
        yield yaml.SequenceEndEvent()
    elif isinstance(value, str):
        yield _scalar(value, _style(value))
    elif value is None:
        yield _scalar("null", None)
    elif isinstance(value, bool):
        yield _scalar("true" if value else "false", None)
    else:
        yield _scalar(format_general(value) if isinstance(value, float) else str(value), None)


def _scalar(text: str, style: str | None) -> yaml.Event:
    return yaml.ScalarEvent(None, None, (True, True), text, style=style)


def _style(text: str) -> str | None:
    if needs_quotes(text) or any(character > "\uffff" for character in text):
        return '"'
    return "|" if "\n" in text else None
