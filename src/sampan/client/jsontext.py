# SPDX-License-Identifier: Apache-2.0
"""JSON without `re`: the C scanner and encoder that the standard `json` module is a front of.

Importing `json` loads `re` and `enum`, a third of what `sampan version` costs altogether. The C parts are
the same code; where an interpreter lacks them, the standard module takes over.
Holds: numbers, strings and escapes exactly as `json.loads`; output compact and UTF-8.
"""

from __future__ import annotations

from sampan.errors import DataCorrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    Json: TypeAlias = dict[str, Any]

_SPACE = " \t\r\n"


class _Scanning:
    """What the C scanner asks of its decoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner wants the attribute, and clears it itself

    @staticmethod
    def parse_constant(name: str) -> float:
        return float(name.replace("Infinity", "inf"))


def _open_scanner() -> Callable[[str, int], tuple[Any, int]]:
    try:
        from _json import make_scanner
    except ImportError:
        from json import JSONDecoder

        return JSONDecoder().raw_decode
    scanner: Callable[[str, int], tuple[Any, int]] = make_scanner(_Scanning)  # type: ignore[arg-type]
    return scanner


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _open_encoder() -> Callable[[object, int], tuple[str, ...]]:
    try:
        from _json import encode_basestring, make_encoder
    except ImportError:
        from json import JSONEncoder

        plain = JSONEncoder(ensure_ascii=False, separators=(",", ":"))
        return lambda value, _indent: (plain.encode(value),)
    encoder: Callable[[object, int], tuple[str, ...]] = make_encoder(
        None, _refuse, encode_basestring, None, ":", ",", False, False, True
    )
    return encoder


_scan = _open_scanner()
_encode = _open_encoder()


def decode_json(data: bytes | str) -> Any:
    """The value of a JSON text; DataCorrupt when it is not one."""
    try:
        text = data if isinstance(data, str) else str(data, "utf-8")
        start = len(text) - len(text.lstrip(_SPACE))
        value, end = _scan(text, start)
    except (StopIteration, ValueError) as error:
        raise DataCorrupt("JSON text is malformed") from error
    if text[end:].strip(_SPACE):
        raise DataCorrupt("JSON text is followed by something else")
    return value


def encode_json(value: object) -> bytes:
    """`value` as compact UTF-8 JSON."""
    return "".join(_encode(value, 0)).encode()
