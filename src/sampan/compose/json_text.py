# SPDX-License-Identifier: Apache-2.0
"""JSON as Go's encoding/json writes it: ``<``, ``>`` and ``&`` escaped, and numbers without a needless point."""

from __future__ import annotations

import json
from typing import Any

from sampan.compose.float_text import format_plain


def format_json(value: Any, *, indent: str = "") -> str:
    """Compact, or with each level on lines of its own."""
    return _format(value, indent, "\n" if indent else "")


def _format(value: Any, indent: str, line: str) -> str:
    if isinstance(value, dict):
        if not value:
            return "{}"
        inner = line + indent
        colon = ": " if indent else ":"
        items = [f"{_text(str(key))}{colon}{_format(value[key], indent, inner)}" for key in value]
        return "{" + inner + f",{inner}".join(items) + line + "}"
    if isinstance(value, list | tuple):
        if not value:
            return "[]"
        inner = line + indent
        return "[" + inner + f",{inner}".join(_format(item, indent, inner) for item in value) + line + "]"
    if isinstance(value, str):
        return _text(value)
    return format_plain(value) if isinstance(value, float) else json.dumps(value)


def _text(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        quoted = quoted.replace(character, f"\\u{ord(character):04x}")
    return quoted
