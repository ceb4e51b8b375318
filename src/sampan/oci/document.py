# SPDX-License-Identifier: Apache-2.0
"""JSON documents from outside: bytes in, checked shapes out.

Every accessor names the field it was looking at, so that a broken image says where it is broken. Sizes are
bounded before parsing: a manifest or a config is a few kilobytes, and nobody may make us read a gigabyte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from sampan.errors import DataCorrupt

MAX_DOCUMENT_BYTES = 16 << 20

JSONObject = dict[str, Any]


class InvalidDocument(DataCorrupt):
    """A manifest, index or config does not have the shape that its specification gives it."""


def decode_object(raw: bytes, what: str) -> JSONObject:
    """Parse a JSON object; `what` names the document in errors."""
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise InvalidDocument(f"{what} is larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"{what} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidDocument(f"{what} is not a JSON object")
    return value


def encode_object(value: Mapping[str, object]) -> bytes:
    """Compact JSON in the order of the keys given: the form that our own documents are hashed in."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def get_string(source: Mapping[str, object], key: str, what: str, default: str = "") -> str:
    """A string field; null and absent give the default."""
    value = source.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidDocument(f"{what}: field {key} is not a string")
    return value


def get_integer(source: Mapping[str, object], key: str, what: str, default: int | None = None) -> int:
    """An integer field; null and absent give the default, or are an error without one."""
    value = source.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidDocument(f"{what}: field {key} is not a number")
    return value


def get_object(source: Mapping[str, object], key: str, what: str) -> JSONObject:
    """An object field; null and absent give an empty one."""
    value = source.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidDocument(f"{what}: field {key} is not an object")
    return value


def get_list(source: Mapping[str, object], key: str, what: str) -> list[object]:
    """A list field; null and absent give an empty one."""
    value = source.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidDocument(f"{what}: field {key} is not a list")
    return value


def get_strings(source: Mapping[str, object], key: str, what: str) -> tuple[str, ...]:
    """A list of strings; null and absent give an empty one."""
    values = get_list(source, key, what)
    if not all(isinstance(value, str) for value in values):
        raise InvalidDocument(f"{what}: field {key} is not a list of strings")
    return tuple(cast("list[str]", values))


def get_string_map(source: Mapping[str, object], key: str, what: str) -> dict[str, str]:
    """An object whose values are strings; null and absent give an empty one."""
    values = get_object(source, key, what)
    if not all(isinstance(value, str) for value in values.values()):
        raise InvalidDocument(f"{what}: field {key} is not a map of strings")
    return values
