# SPDX-License-Identifier: Apache-2.0
"""Sizes as people write them, by docker's grammar (go-units, RAMInBytes)."""

from __future__ import annotations

from sampan.errors import InvalidArgument

_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int:
    """Bytes from ``512m``, ``1.5GiB``, ``100``: units are powers of 1024."""
    end = len(text)
    while end and text[end - 1] not in "0123456789. ":
        end -= 1
    if not end:
        raise InvalidArgument(f"invalid size: '{text}'")
    number, suffix = text[:end], text[end:]
    number = number.removesuffix(" ")
    try:
        size = float(number) if number == number.strip() else float("")
    except ValueError:
        raise InvalidArgument(f'strconv.ParseFloat: parsing "{number}": invalid syntax') from None
    if size < 0:
        raise InvalidArgument(f"invalid size: '{text}'")
    return int(size * _size_factor(suffix))


def _size_factor(suffix: str) -> int:
    unit = suffix.lower()
    if unit in ("", "b"):
        return 1
    if unit[0] in _UNITS and unit[1:] in ("", "b", "ib"):
        return int(1024 ** _UNITS[unit[0]])
    raise InvalidArgument(f"invalid suffix: '{suffix}'")
