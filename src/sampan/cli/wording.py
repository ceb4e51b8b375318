# SPDX-License-Identifier: Apache-2.0
"""Words of one row: labels, short ids, shortened text."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SHORT_ID = 12


def format_labels(labels: Mapping[str, str] | None) -> str:
    """``a=1,b=2``, in the order of the keys."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def label_method(labels: Mapping[str, str] | None) -> Callable[[str], str]:
    """What ``{{.Label "key"}}`` calls."""
    return lambda key: (labels or {}).get(key, "")


def short_id(identifier: str) -> str:
    """The first twelve digits, without the algorithm."""
    return identifier.partition(":")[2][:_SHORT_ID] if ":" in identifier else identifier[:_SHORT_ID]


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` columns, with an ellipsis where it was cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def quote(text: str) -> str:
    """A string as Go's strconv.Quote writes it, as far as commands of containers go."""
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f",
    "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip


def split_pairs(words: Iterable[str]) -> dict[str, str]:
    """``key=value`` words as a map; a key alone has the empty value."""
    return {key: value for key, _, value in (word.partition("=") for word in words)}
