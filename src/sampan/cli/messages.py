# SPDX-License-Identifier: Apache-2.0
"""The JSON lines that load, import, pull and push answer with.

An error inside a stream that began with status 200 ends the command, with the engine's words and code.
"""

from __future__ import annotations

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.cli.output import Output
    from sampan.client.jsontext import Json


def show_messages(out: Output, messages: Iterable[Json]) -> None:
    """Print every message that is more than a bar of progress."""
    for message in messages:
        raise_error(message)
        if "stream" in message:
            out.text(message["stream"])
        elif message.get("status") and not message.get("progressDetail"):
            prefix = f"{message['id']}: " if message.get("id") else ""
            out.line(prefix + message["status"])
        out.flush()


def raise_error(message: Json) -> None:
    """Exit when the message is an error."""
    detail = message.get("errorDetail")
    if detail or message.get("error"):
        detail = detail or {}
        raise Exit(detail.get("code") or 1, detail.get("message") or message["error"])
