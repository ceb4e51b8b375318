# SPDX-License-Identifier: Apache-2.0
"""``sampan events``: what happens, as it happens."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.filters import filter_flag, parse_filters
from sampan.cli.flags import text
from sampan.cli.inspection import show_value
from sampan.cli.listing import INSPECT_FORMAT_FLAG
from sampan.cli.times import format_nanoseconds, parse_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json


class Message(dict[str, object]):
    """An event for templates, which know its fields by Go's names; as JSON it is what the engine sent.

    An event that has no such field, as a network's has no status, has an empty one.
    """

    go_type = "events.Message"

    def __init__(self, event: Json) -> None:
        actor = event.get("Actor") or {}
        attributes = dict(sorted((actor.get("Attributes") or {}).items()))
        super().__init__(event | {"Actor": actor | {"Attributes": attributes}})

    def __contains__(self, name: object) -> bool:
        return name in _WORDS or name in _NUMBERS or super().__contains__(name)

    def __missing__(self, name: str) -> object:
        if name in _NUMBERS:
            return self.get(_NUMBERS[name], 0)
        return self.get(_WORDS[name], "")


# Go's names of what has others in JSON.
_WORDS = {"Status": "status", "ID": "id", "From": "from", "Scope": "scope"}
_NUMBERS = {"Time": "time", "TimeNano": "timeNano"}


def run(context: Context, options: Options, _arguments: list[str]) -> int:
    """One line an event, until the user or --until ends it."""
    answer = context.engine.system.events(
        {
            "since": parse_timestamp(options.text("since")) or None,
            "until": parse_timestamp(options.text("until")) or None,
            "filters": parse_filters(options.several("filter")),
        }
    )
    template = options.text("format")
    for event in answer.iter_json():
        if template:
            show_value(context.out, Message(event), template)
        else:
            context.out.line(format_event(event))
        context.out.flush()
    return 0


def format_event(event: Json) -> str:
    """``2026-… container start ID (image=x, name=y)``."""
    actor = event.get("Actor") or {}
    attributes = ", ".join(f"{key}={value}" for key, value in sorted((actor.get("Attributes") or {}).items()))
    time_ns = event.get("timeNano") or event.get("time", 0) * 1_000_000_000
    words = f"{event.get('Type', '')} {event.get('Action', '')} {actor.get('ID', '')}"
    return f"{format_nanoseconds(time_ns)} {words}" + (f" ({attributes})" if attributes else "")


COMMAND = Command(
    "system events",
    "events",
    run=run,
    summary="Get real time events from the server",
    usage="[OPTIONS]",
    flags=(
        filter_flag(),
        text("format", INSPECT_FORMAT_FLAG.about),
        text("since", "Show all events created since timestamp"),
        text("until", "Stream events until this timestamp"),
    ),
)
