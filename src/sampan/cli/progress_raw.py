# SPDX-License-Identifier: Apache-2.0
"""``--progress=rawjson``: a build as JSON lines for programs, in the form in which buildx prints them.

Implements: buildkit client.SolveStatus as JSON: ``vertexes``, ``statuses``, ``logs`` and ``warnings``, each object with
what has just happened. A vertex is known by a digest that means nothing outside of this build.
"""

from __future__ import annotations

import time
from binascii import b2a_base64

from sampan.cli.progress import SilentProgress, format_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.client.jsontext import Json

_SECOND_NS = 1_000_000_000


class RawProgress(SilentProgress):
    """Prints each event at once."""

    def __init__(self, say: Callable[[str], None], clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self._say = say
        self._clock_ns = clock_ns
        self._digests: dict[str, str] = {}
        self._began: dict[tuple[str, str], str] = {}

    def event(self, event: Json) -> None:
        """Print it; what the history alone has a use for is left out."""
        super().event(event)
        told = self._translate(event)
        if told:
            from sampan.client.jsontext import encode_json

            self._say(encode_json(told).decode())

    def _translate(self, event: Json) -> Json:
        kind = event["type"]
        if kind == "vertex":
            return {"vertexes": [self._vertex(event)]}
        if kind == "status":
            return {"statuses": [self._status(event)]}
        if kind == "log":
            log = {"vertex": self._digest(event["id"]), "stream": event["stream"], "data": event["data"]}
            return {"logs": [log | {"timestamp": format_moment(self._clock_ns())}]}
        return {"warnings": [self._warning(event)]} if kind == "warning" else {}

    def _vertex(self, event: Json) -> Json:
        vertex = {"digest": self._digest(event["id"]), "name": event["name"]}
        vertex["started"] = format_moment(event["started_ns"])
        if event.get("completed_ns"):
            vertex["completed"] = format_moment(event["completed_ns"])
        return vertex | {name: event[name] for name in ("cached", "error") if event.get(name)}

    def _status(self, event: Json) -> Json:
        now = format_moment(self._clock_ns())
        began = self._began.setdefault((event["id"], event["name"]), now)
        status = {"id": event["name"], "vertex": self._digest(event["id"]), "name": event["name"]}
        status |= {name: event[name] for name in ("total",) if event.get(name)}
        status |= {"current": event.get("current") or 0, "timestamp": now, "started": began}
        return status | ({"completed": now} if event.get("completed") else {})

    def _warning(self, event: Json) -> Json:
        lines = {"start": {"line": event["line"]}, "end": {"line": event.get("last_line") or event["line"]}}
        warning = {
            "vertex": next(iter(self._digests.values()), ""),
            "level": 1,
            "short": _base64(format_warning(event)),
            "detail": [_base64(event["detail"])] if event.get("detail") else [],
            "url": event.get("url", ""),
            "sourceInfo": {"filename": event["file"], "language": "Dockerfile"},
            "range": [lines],
        }
        return {name: value for name, value in warning.items() if value}

    def _digest(self, vertex_id: str) -> str:
        known = self._digests.get(vertex_id)
        if known is None:
            from hashlib import sha256

            text = f"{self._clock_ns()} {vertex_id}"
            known = self._digests[vertex_id] = f"sha256:{sha256(text.encode()).hexdigest()}"
        return known


def format_moment(moment_ns: int) -> str:
    """RFC 3339 in UTC, as Go writes it."""
    seconds, rest = divmod(moment_ns, _SECOND_NS)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


def _base64(text: str) -> str:
    return b2a_base64(text.encode(errors="replace"), newline=False).decode()
