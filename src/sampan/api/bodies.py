# SPDX-License-Identifier: Apache-2.0
"""Reading the JSON body of a request as Go's decoder does: null anywhere means that nothing was said."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from aiohttp import web

from sampan.errors import InvalidArgument

T = TypeVar("T")


async def read_body(request: web.Request, shape: type[T]) -> T:
    """Decode a body that has to be there."""
    body = await request.read()
    if not body.strip():
        raise InvalidArgument("invalid JSON: got EOF while reading request body")
    return msgspec.convert(drop_nulls(msgspec.json.decode(body)), shape)


def drop_nulls(value: Any) -> Any:
    """The value without the members of objects that are null."""
    if isinstance(value, dict):
        return {name: drop_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [drop_nulls(item) for item in value]
    return value
