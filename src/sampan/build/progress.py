# SPDX-License-Identifier: Apache-2.0
"""What a build says while it runs, and its JSON form.

Five kinds of events, each one JSON object a line; ``id`` names a vertex within one build and times are
nanoseconds since the epoch:

- ``{"type": "vertex", "id", "name", "started_ns", "completed_ns", "cached", "error", "marks", "result"}``
  A vertex began, or ended (``completed_ns`` is not null). ``marks`` are the instructions it stands for,
  each ``{"number", "total", "text"}`` as the classic builder counts them; ``result`` is a short id, when it
  ended.
- ``{"type": "log", "id", "stream", "data"}``
  Output of a step in base64; stream 1 is stdout and 2 stderr.
- ``{"type": "status", "id", "name", "current", "total", "completed"}``
  How many bytes of a transfer are done; total 0 when it is not known.
- ``{"type": "warning", "text", "file", "line", "last_line", "detail", "url"}``
  A build check's finding also has the rule's description and page.
- ``{"type": "material", "uri", "digest"}``
  Something from elsewhere that the build is made of: an image, a download, a git commit.

Plain slotted classes, so that whoever only reads events need not load what the builder loads.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    MarkFields: TypeAlias = "dict[str, int | str]"


class VertexEvent:
    """A vertex began or ended."""

    __slots__ = ("cached", "completed_ns", "error", "id", "marks", "name", "result", "started_ns")

    def __init__(
        self,
        vertex_id: str,
        name: str,
        *,
        started_ns: int,
        completed_ns: int | None = None,
        cached: bool = False,
        error: str | None = None,
        marks: Sequence[MarkFields] = (),
        result: str = "",
    ) -> None:
        self.id = vertex_id
        self.name = name
        self.started_ns = started_ns
        self.completed_ns = completed_ns
        self.cached = cached
        self.error = error
        self.marks = list(marks)
        self.result = result

    def to_json(self) -> dict[str, object]:
        """The event as its JSON object."""
        return {"type": "vertex", **{name: getattr(self, name) for name in self.__slots__}}


class LogEvent:
    """Bytes that a step wrote."""

    __slots__ = ("data", "id", "stream")

    def __init__(self, vertex_id: str, stream: int, data: bytes) -> None:
        self.id = vertex_id
        self.stream = stream
        self.data = data

    def to_json(self) -> dict[str, object]:
        """The event as its JSON object."""
        from binascii import b2a_base64

        text = b2a_base64(self.data, newline=False).decode()
        return {"type": "log", "id": self.id, "stream": self.stream, "data": text}


class StatusEvent:
    """How far a transfer inside a vertex is."""

    __slots__ = ("completed", "current", "id", "name", "total")

    def __init__(
        self, vertex_id: str, name: str, *, current: int, total: int = 0, completed: bool = False
    ) -> None:
        self.id = vertex_id
        self.name = name
        self.current = current
        self.total = total
        self.completed = completed

    def to_json(self) -> dict[str, object]:
        """The event as its JSON object."""
        return {"type": "status", **{name: getattr(self, name) for name in self.__slots__}}


class WarningEvent:
    """Something in the Dockerfile that will build, but probably not as meant."""

    __slots__ = ("detail", "file", "last_line", "line", "text", "url")

    def __init__(
        self, text: str, *, file: str, line: int, last_line: int = 0, detail: str = "", url: str = ""
    ) -> None:
        self.text = text
        self.file = file
        self.line = line
        self.last_line = last_line or line
        self.detail = detail
        self.url = url

    def to_json(self) -> dict[str, object]:
        """The event as its JSON object."""
        return {"type": "warning", **{name: getattr(self, name) for name in self.__slots__}}


class MaterialEvent:
    """Something from elsewhere went into the build."""

    __slots__ = ("digest", "uri")

    def __init__(self, uri: str, digest: str) -> None:
        self.uri = uri
        self.digest = digest

    def to_json(self) -> dict[str, object]:
        """The event as its JSON object."""
        return {"type": "material", "uri": self.uri, "digest": self.digest}


if TYPE_CHECKING:
    Progress: TypeAlias = "VertexEvent | LogEvent | StatusEvent | WarningEvent | MaterialEvent"
