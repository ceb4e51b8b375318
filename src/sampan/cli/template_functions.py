# SPDX-License-Identifier: Apache-2.0
"""The functions of a template: Go's own and those that docker adds.

Implements: text/template "Functions"; docker/cli templates/templates.go (json, split, join, title, lower,
upper, pad, truncate). `and` and `or` are not here: they stop at the first argument that decides.
A function raises `FunctionError` with the words that Go's would return.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.template_format import NO_VALUE, format_value, go_type, print_values
from sampan.cli.template_printf import printf
from sampan.cli.template_types import NilMap, NilSlice


class FunctionError(Exception):
    """What a function returns as its error; execution adds where."""


def is_true(value: object) -> bool:
    """Go's truth: the zero value of any kind is false."""
    return not (value is None or value is NO_VALUE or value is False or value in (0, "", [], {}, ()))


def index(item: object, *keys: object) -> object:
    """``index x 1 "a"``: x[1]["a"]; a key that a map does not have gives the zero value."""
    if item is None or item is NO_VALUE:
        raise FunctionError("index of untyped nil")
    for key in keys:
        if isinstance(item, dict):
            item = item.get(_map_key(key), getattr(item, "zero", NO_VALUE))
        elif isinstance(item, list | tuple):
            item = item[_position(key, len(item) - 1)]
        elif isinstance(item, str):
            item = item.encode()[_position(key, len(item.encode()) - 1)]
        elif item is None or item is NO_VALUE:
            raise FunctionError("index of nil pointer")
        else:
            raise FunctionError(f"can't index item of type {go_type(item)}")
    return item


def _map_key(key: object) -> object:
    if key is None:
        raise FunctionError("value is nil; should be of type string")
    if not isinstance(key, str):
        raise FunctionError(f"value has type {go_type(key)}; should be string")
    return key


def _position(key: object, last: int) -> int:
    if key is None:
        raise FunctionError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise FunctionError(f"cannot index slice/array with type {go_type(key)}")
    if not 0 <= key <= last:
        raise FunctionError(f"index out of range: {key}")
    return key


def slice_(item: object, *bounds: object) -> object:
    """``slice x 1 2``: x[1:2]."""
    if item is None or item is NO_VALUE:
        raise FunctionError("slice of untyped nil")
    if len(bounds) > 3:
        raise FunctionError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(item, str | list | tuple):
        raise FunctionError(f"can't slice item of type {go_type(item)}")
    if isinstance(item, str) and len(bounds) == 3:
        raise FunctionError("cannot 3-index slice a string")
    sequence = item.encode() if isinstance(item, str) else item
    places = [_position(bound, len(sequence)) for bound in bounds]
    start = places[0] if places else 0
    end = places[1] if len(places) > 1 else len(sequence)
    if start > end:
        raise FunctionError(f"invalid slice index: {start} > {end}")
    part = sequence[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def length(item: object) -> int:
    """``len``: of a string in bytes."""
    if item is None or item is NO_VALUE:
        raise FunctionError("len of nil pointer")
    if isinstance(item, str):
        return len(item.encode())
    if isinstance(item, list | tuple | dict):
        return len(item)
    raise FunctionError(f"len of type {go_type(item)}")


def equal(first: object, *others: object) -> bool:
    """``eq``: true if the first equals any of the others."""
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(left: object, right: object) -> bool:
    if left is None or right is None or left is NO_VALUE or right is NO_VALUE:
        return (
            not is_true(left) and not is_true(right) and (left in _NILS or right in _NILS) and left is right
        )
    if _kind(left) != _kind(right):
        raise FunctionError("incompatible types for comparison")
    if _kind(left) == "":
        raise FunctionError(f"non-comparable type {format_value(left)}: {go_type(left)}")
    return left == right


_NILS = (None, NO_VALUE)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else ""


def not_equal(left: object, right: object) -> bool:
    """``ne``."""
    return not _same(left, right)


def less(left: object, right: object) -> bool:
    """``lt``."""
    if _kind(left) in ("", "bool") or _kind(right) in ("", "bool"):
        raise FunctionError("invalid type for comparison")
    if _kind(left) != _kind(right):
        raise FunctionError("incompatible types for comparison")
    return bool(left < right)  # type: ignore[operator]


def less_equal(left: object, right: object) -> bool:
    """``le``."""
    return less(left, right) or equal(left, right)


def greater(left: object, right: object) -> bool:
    """``gt``."""
    return not less_equal(left, right)


def greater_equal(left: object, right: object) -> bool:
    """``ge``."""
    return not less(left, right)


def call(function: object, *args: object) -> object:
    """``call``: a value that is a function."""
    if function is None or function is NO_VALUE:
        raise FunctionError("call of nil")
    if not callable(function):
        raise FunctionError(f"non-function {format_value(function)} of type {go_type(function)}")
    return function(*args)


def html(*values: object) -> str:
    """Go's HTMLEscaper."""
    return _translate(_joined(values), _HTML)


def js(*values: object) -> str:
    """Go's JSEscaper."""
    return _translate(_joined(values), _JS)


def urlquery(*values: object) -> str:
    """Go's URLQueryEscaper."""
    from urllib.parse import quote_plus

    return quote_plus(_joined(values), safe="")


def _joined(values: tuple[object, ...]) -> str:
    return print_values(values)


def _translate(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)


_HTML = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
} | {chr(code): f"\\u{code:04X}" for code in [*range(0x20), 0x7F]}


def to_json(value: object) -> str:
    """Docker's ``json``: compact, without escapes for HTML, the keys in the order they came."""
    import json

    if value is NO_VALUE or isinstance(value, NilSlice | NilMap):
        return "null"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def join(elements: list[object], separator: str) -> str:
    """Docker's ``join``."""
    return separator.join(format_value(element) for element in elements)


def split(text: str, separator: str) -> list[str]:
    """Docker's ``split``: strings.Split."""
    return text.split(separator) if separator else list(text)


def title(text: str) -> str:
    """Docker's ``title``: the first letter of each word upper, the others as they are."""
    previous = " "
    letters = []
    for letter in text:
        letters.append(letter if previous.isalnum() or previous in "_'" else letter.upper())
        previous = letter
    return "".join(letters)


def pad(text: str, before: int, after: int) -> str:
    """Docker's ``pad``: blanks around a text that is not empty."""
    return " " * before + text + " " * after if text else text


def truncate(text: str, limit: int) -> str:
    """Docker's ``truncate``."""
    return text[:limit] if limit <= len(text) else text


def negate(value: object) -> bool:
    """``not``."""
    return not is_true(value)


class Function:
    """A function with the number of arguments it takes (`most` None: any) and the types docker's demands."""

    __slots__ = ("apply", "least", "most", "types")

    def __init__(
        self, apply: Callable[..., object], least: int, most: int | None, types: tuple[type, ...] = ()
    ) -> None:
        self.apply = apply
        self.least = least
        self.most = most
        self.types = types


FUNCTIONS: dict[str, Function] = {
    "and": Function(lambda *values: values[-1], 1, None),
    "or": Function(lambda *values: values[-1], 1, None),
    "not": Function(negate, 1, 1),
    "eq": Function(equal, 1, None),
    "ne": Function(not_equal, 2, 2),
    "lt": Function(less, 2, 2),
    "le": Function(less_equal, 2, 2),
    "gt": Function(greater, 2, 2),
    "ge": Function(greater_equal, 2, 2),
    "len": Function(length, 1, 1),
    "index": Function(index, 1, None),
    "slice": Function(slice_, 1, None),
    "call": Function(call, 1, None),
    "html": Function(html, 0, None),
    "js": Function(js, 0, None),
    "urlquery": Function(urlquery, 0, None),
    "print": Function(lambda *values: print_values(values), 0, None),
    "println": Function(lambda *values: " ".join(map(format_value, values)) + "\n", 0, None),
    "printf": Function(lambda template, *values: printf(template, values), 1, None, (str,)),
    "json": Function(to_json, 1, 1),
    "join": Function(join, 2, 2, (list, str)),
    "split": Function(split, 2, 2, (str, str)),
    "title": Function(title, 1, 1, (str,)),
    "lower": Function(lambda text: text.lower(), 1, 1, (str,)),
    "upper": Function(lambda text: text.upper(), 1, 1, (str,)),
    "pad": Function(pad, 3, 3, (str, int, int)),
    "truncate": Function(truncate, 2, 2, (str, int)),
}
