# SPDX-License-Identifier: Apache-2.0
"""One answer of the engine: its head, its body as it comes, and errors as the kinds of `sampan.errors`."""

from __future__ import annotations

from sampan.client.failures import name_failure
from sampan.client.jsontext import decode_json
from sampan.errors import (
    Cancelled,
    Conflict,
    DataCorrupt,
    Internal,
    InvalidArgument,
    NotFound,
    NotModified,
    PermissionDenied,
    SampanError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from sampan.client.wire import Head, Wire

_LONGEST_ERROR = 1 << 20
_NO_BODY = frozenset((101, 204, 304))

_KINDS: dict[int, type[SampanError]] = {
    304: NotModified,
    400: InvalidArgument,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    499: Cancelled,
    501: Unsupported,
    503: Unavailable,
}


class Answer:
    """Reads one body from its connection; `finish` gives the connection back once the body is wholly read."""

    __slots__ = ("_body", "_finish", "_wire", "fields", "status")

    def __init__(self, wire: Wire, head: Head, *, bodiless: bool, finish: Callable[[bool], None]) -> None:
        self.status = head.status
        self.fields = head.fields
        self._wire = wire
        self._finish: Callable[[bool], None] | None = finish
        self._body = self._open_body(wire, head, bodiless or head.status in _NO_BODY)

    def _open_body(self, wire: Wire, head: Head, bodiless: bool) -> Iterator[bytes]:
        keep = head.fields.get("connection", "").lower() != "close"
        length = head.fields.get("content-length", "")
        if bodiless:
            return self._ending(iter(()), keep)
        if head.fields.get("transfer-encoding", "").lower() == "chunked":
            return self._ending(wire.iter_chunks(), keep)
        if length.isdecimal():
            return self._ending(wire.iter_length(int(length)), keep)
        return self._ending(wire.iter_rest(), keep=False)

    def comes_within(self, timeout_s: float) -> bool:
        """Wait for more of the body, or its end, but no longer; only before the body is first read."""
        return self._finish is None or self._wire.comes_within(timeout_s)

    def _ending(self, body: Iterator[bytes], keep: bool) -> Iterator[bytes]:
        try:
            yield from body
        except BaseException:
            self._release(False)
            raise
        self._release(keep)

    def _release(self, keep: bool) -> None:
        finish, self._finish = self._finish, None
        if finish is not None:
            finish(keep)

    def __iter__(self) -> Iterator[bytes]:
        """The body in the pieces in which it arrives."""
        return self._body

    def iter_lines(self) -> Iterator[bytes]:
        """The body's lines as each is complete, without line ends; the last may lack one."""
        held = b""
        for data in self._body:
            *lines, held = (held + data).split(b"\n")
            yield from lines
        if held:
            yield held

    def iter_json(self) -> Iterator[Any]:
        """The values of a body that is one JSON value a line."""
        for line in self.iter_lines():
            if line.strip():
                yield decode_json(line)

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self._body)

    def json(self) -> Any:
        """The whole body as JSON; None when it is empty."""
        data = self.read()
        return decode_json(data) if data.strip() else None

    def close(self) -> None:
        """Drop what is left of the body, and the connection with it."""
        self._release(False)

    def raise_for_status(self) -> Answer:
        """Itself when the engine agreed; else the error that it names, of the kind of its status."""
        if self.status < 300 or self.status == 304:
            return self
        raise self._decode_error()

    def _decode_error(self) -> SampanError:
        kind = _KINDS.get(self.status, Internal)
        text = self._read_some()
        try:
            said = decode_json(text)
            return name_failure(kind, str(said["message"]), hint=_hint(said))
        except (DataCorrupt, KeyError, TypeError):
            words = text.decode(errors="replace").strip() or f"status {self.status}"
            return kind(f"engine answered: {words}")

    def _read_some(self) -> bytes:
        held = b""
        for data in self._body:
            held += data
            if len(held) > _LONGEST_ERROR:
                self.close()
                break
        return held


def _hint(said: dict[str, Any]) -> str | None:
    """The next step, which only our engine names."""
    hint = said.get("hint")
    return hint if isinstance(hint, str) and hint else None
