# SPDX-License-Identifier: Apache-2.0
"""Paths and query strings of the Engine API: RFC 3986 percent-encoding, and filters as JSON."""

from __future__ import annotations

from sampan.client.jsontext import encode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Parameter: TypeAlias = "str | int | bool | Sequence[str] | Mapping[str, Sequence[str]] | None"

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PLAIN_IN_PATH = _PLAIN | frozenset(b"/:@")


def quote(text: str) -> str:
    """`text` for use as a query value."""
    return _percent(text, _PLAIN)


def quote_path(text: str) -> str:
    """`text` as part of a path; slashes and colons (image names have them) stay."""
    return _percent(text, _PLAIN_IN_PATH)


def _percent(text: str, plain: frozenset[int]) -> str:
    data = text.encode(errors="surrogateescape")
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in data)


def format_query(parameters: Mapping[str, Parameter]) -> str:
    """``?a=1&b=…``, or nothing: None, False, empty lists maps are left out; True is 1, a map JSON."""
    pairs = [f"{name}={quote(word)}" for name, value in parameters.items() for word in _words(value)]
    return "?" + "&".join(pairs) if pairs else ""


def _words(value: Parameter) -> Sequence[str]:
    if value is None or value is False:
        return ()
    if value is True:
        return ("1",)
    if isinstance(value, (str, int)):
        return (str(value),)
    if isinstance(value, dict):
        return (encode_json(value).decode(),) if value else ()
    return tuple(value)
