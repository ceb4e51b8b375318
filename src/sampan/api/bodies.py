# SPDX-License-Identifier: Apache-2.0
"""Reading the JSON body of a request as Go's decoder does: null anywhere means that nothing was said.

A NUL character is refused wherever it stands: no argument, path or name of the kernel can hold one.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from sampan.errors import InvalidArgument

T = TypeVar("T")

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Maps whose keys say something by themselves, whatever stands behind them.
_SPEAKING_KEYS = frozenset({"EndpointsConfig", "ExposedPorts", "PortBindings", "Volumes"})


async def read_body(request: web.Request, shape: type[T]) -> T:
    """Decode a body that has to be there."""
    return decode_body(await request.read(), shape)


def decode_body(body: bytes, shape: type[T]) -> T:
    """The body as a value of this shape; raises what becomes a 400."""
    if not body.strip():
        raise InvalidArgument("invalid JSON: got EOF while reading request body")
    if _NUL.search(body):
        raise InvalidArgument("invalid request: a NUL character in its body")
    return msgspec.convert(drop_nulls(msgspec.json.decode(body)), shape)


def drop_nulls(value: Any) -> Any:
    """The value without the members of objects that are null."""
    if isinstance(value, dict):
        return {
            name: member if name in _SPEAKING_KEYS else drop_nulls(member)
            for name, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [drop_nulls(item) for item in value]
    return value
