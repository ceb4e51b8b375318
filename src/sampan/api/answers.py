# SPDX-License-Identifier: Apache-2.0
"""Answers: JSON bodies, and streams whose head goes out before their first line."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from aiohttp import web

from sampan.api.history import Kind, as_of
from sampan.errors import SampanError


def encode(value: Any) -> bytes:
    """JSON; what of a file's name is no UTF-8 becomes a question mark."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False).encode(errors="replace")


def json_response(value: Any, status: int = 200) -> web.Response:
    """A body of JSON, ended by a newline as Go's encoder does."""
    return web.Response(status=status, body=encode(value) + b"\n", content_type="application/json")


def described(request: web.Request, kind: Kind, value: dict[str, Any], status: int = 200) -> web.Response:
    """An object as the client's version of the API knows it."""
    return json_response(as_of(request["version"], kind, value), status)


def no_content() -> web.Response:
    """204: done, nothing to say."""
    return web.Response(status=204)


async def open_stream(request: web.Request, content_type: str = "application/json") -> web.StreamResponse:
    """Send the head now; the body follows in chunks as things happen."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.enable_chunked_encoding() if request.version >= (1, 1) else None
    await response.prepare(request)
    return response


class JsonLines:
    """A stream of JSON objects, one a line, as build, pull, load and events give them."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response

    @classmethod
    async def open(cls, request: web.Request) -> JsonLines:
        """Send the head."""
        return cls(await open_stream(request))

    async def write(self, value: Any) -> None:
        """Send one object at once."""
        await self._response.write(encode(value) + b"\r\n")

    async def close(self) -> web.StreamResponse:
        """End the body."""
        await self._response.write_eof()
        return self._response


def error_line(error: SampanError, code: int | None = None) -> dict[str, Any]:
    """An error inside a stream whose status was 200 long ago."""
    detail: dict[str, Any] = {"message": error.message}
    if code is not None:
        detail["code"] = code
    if error.hint:
        detail["hint"] = error.hint
    excerpt = getattr(error, "excerpt", "")
    if excerpt:
        detail["excerpt"] = excerpt
    return {"errorDetail": detail, "error": error.message}
