# SPDX-License-Identifier: Apache-2.0
"""Read a value of a tree as its kind: numbers, sizes, durations, commands, maps that may be written as lists.

A ValueError or InvalidArgument says what cannot be read; where is added by `decode`.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.client.sizes import parse_size
from sampan.compose.durations import parse_duration
from sampan.compose.interpolation import read_boolean, read_real, read_whole
from sampan.compose.merging import format_scalar
from sampan.compose.shellwords import split_words
from sampan.compose.tree import Series, Table, Value
from sampan.errors import InvalidArgument


def _text(value: Value) -> str:
    return format_scalar(value)


def _whole(value: Value) -> int:
    if isinstance(value, str):
        return int(_named(read_whole, value, "a whole number"))
    if isinstance(value, float) and not value.is_integer():
        raise InvalidArgument(f"{value} is not a whole number")
    return int(value)


def _real(value: Value) -> float:
    return float(_named(read_real, value, "a number") if isinstance(value, str) else value)


def _flag(value: Value) -> bool:
    if isinstance(value, str):
        return bool(_named(read_boolean, value, "a boolean: use true or false"))
    return bool(value)


def _named(read: Callable[[str], Value], text: str, kind: str) -> Value:
    try:
        return read(text)
    except ValueError:
        raise InvalidArgument(f'"{text}" is not {kind}') from None


def _size(value: Value) -> int:
    if not isinstance(value, str):
        return int(value)
    return -1 if value == "-1" else parse_size(value)


def _duration(value: Value) -> int:
    return parse_duration(format_scalar(value))


def _file_mode(value: Value) -> int:
    if not isinstance(value, str):
        return int(value)
    try:
        return int(value, 8)
    except ValueError:
        raise InvalidArgument(f'"{value}" is not a mode: it has octal digits, for example "0440"') from None


def _command(value: Value) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (
        tuple(split_words(value)) if isinstance(value, str) else tuple(format_scalar(word) for word in value)
    )


def _health_test(value: Value) -> tuple[str, ...]:
    return ("CMD-SHELL", value) if isinstance(value, str) else tuple(format_scalar(word) for word in value)


def _texts(value: Value) -> tuple[str, ...]:
    if isinstance(value, Series):
        return tuple(format_scalar(item) for item in value)
    return () if value is None else (format_scalar(value),)


def _map(value: Value) -> dict[str, str]:
    return {key: item or "" for key, item in _environment(value).items()}


def _environment(value: Value) -> dict[str, str | None]:
    if isinstance(value, Table):
        return {key: None if value[key] is None else format_scalar(value[key]) for key in sorted(value)}
    pairs: dict[str, str | None] = {}
    for item in value or ():
        name, equals, rest = format_scalar(item).partition("=")
        if name and name[-1].isspace():
            raise InvalidArgument(f'environment variable "{name}" is declared with a trailing space')
        pairs[name] = rest if equals else None
    return dict(sorted(pairs.items()))


def _hosts(value: Value) -> dict[str, tuple[str, ...]]:
    hosts: dict[str, list[str]] = {}
    if isinstance(value, Table):
        for name, item in value.items():
            hosts[name] = [format_scalar(one) for one in (item if isinstance(item, Series) else [item])]
    else:
        for item in value or ():
            text = format_scalar(item)
            name, separator, addresses = text.partition("=") if "=" in text else text.partition(":")
            if not separator:
                raise InvalidArgument(f"invalid additional host, missing IP: {text}")
            hosts.setdefault(name, []).extend(addresses.split(","))
    for name in hosts:
        if not name or ":" in name or "=" in name:
            raise InvalidArgument(f"bad host name '{name}'")
    return {name: tuple(_without_brackets(text) for text in hosts[name]) for name in sorted(hosts)}


def _without_brackets(address: str) -> str:
    return address[1:-1] if len(address) > 2 and address[0] == "[" and address[-1] == "]" else address


def _ssh(value: Value) -> dict[str, str]:
    return {name: format_scalar(value[name]) for name in sorted(value or ())}


def _count(value: Value) -> int:
    if isinstance(value, str):
        if value.lower() == "all":
            return -1
        try:
            return int(value)
        except ValueError:
            raise InvalidArgument(
                f"invalid value \"{value}\", the only value allowed is 'all' or a number"
            ) from None
    return int(value)


def _maybe(read: Callable[[Value], object]) -> Callable[[Value], object]:
    return lambda value: None if value is None else read(value)


READERS: dict[str, Callable[[Value], object]] = {
    "text": _text,
    "whole": _whole,
    "whole?": _maybe(_whole),
    "real": _real,
    "flag": _flag,
    "flag?": _maybe(_flag),
    "size": _size,
    "duration": _duration,
    "duration?": _maybe(_duration),
    "mode": _maybe(_file_mode),
    "command": _command,
    "test": _health_test,
    "texts": _texts,
    "map": _map,
    "environment": _environment,
    "hosts": _hosts,
    "ssh": _ssh,
    "count": _count,
}
