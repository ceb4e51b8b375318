# SPDX-License-Identifier: Apache-2.0
"""``--chmod``: an octal mode, or changes as ``chmod(1)`` writes them (``u=rwX,go=rX``)."""

from __future__ import annotations

import re
from collections.abc import Callable

from sampan.build.dockerfile.location import Misuse

_OCTAL = re.compile(r"[0-7]+")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}

ModeChange = Callable[[int, bool], int]
"""From a file's mode, and whether it is a folder, to its new mode."""


def parse_mode_change(text: str) -> ModeChange:
    """The change that the text means; Misuse when it means none."""
    if text[:1].isdigit():
        if not _OCTAL.fullmatch(text) or int(text, 8) > 0o7777:
            raise Misuse(
                f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            )
        fixed = int(text, 8)
        return lambda _mode, _is_folder: fixed
    clauses = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    parsed = [(clause[1] or "a", clause[2]) for clause in clauses if clause is not None]
    if len(parsed) != len(clauses):
        raise Misuse(f"invalid syntax of --chmod: '{text}'")
    return lambda mode, is_folder: _apply(parsed, mode, is_folder)


def made_folder_mode(text: str) -> int:
    """The mode of the folders that a COPY makes on the way: an octal one's, but its set-ID bits, else 0755."""
    return int(text, 8) & 0o777 if _OCTAL.fullmatch(text) else 0o755


def _apply(clauses: list[tuple[str, str]], mode: int, is_folder: bool) -> int:
    for who, actions in clauses:
        whom = "ugo" if "a" in who else who
        for action in _ACTION.finditer(actions):
            mode = _change(mode, whom, action[1], action[2], is_folder=is_folder)
    return mode


def _change(mode: int, whom: str, operator: str, what: str, *, is_folder: bool) -> int:
    mask = sum(7 << _SHIFTS[one] for one in whom)
    special = (0o4000 if "u" in whom else 0) | (0o2000 if "g" in whom else 0)
    bits = _bits(mode, whom, what, is_folder=is_folder)
    if operator == "+":
        return mode | bits
    if operator == "-":
        return mode & ~bits
    # chmod(1) leaves a folder's setuid and setgid alone unless they are named.
    cleared = mask if is_folder else mask | special
    return mode & ~cleared | bits


def _bits(mode: int, whom: str, what: str, *, is_folder: bool) -> int:
    if what in _SHIFTS:
        permission = mode >> _SHIFTS[what] & 7
    else:
        permission = sum(_BITS[letter] for letter in set(what) & set(_BITS))
        if "X" in what and (is_folder or mode & 0o111):
            permission |= 1
    bits = sum(permission << _SHIFTS[one] for one in whom)
    if "s" in what:
        bits |= (0o4000 if "u" in whom else 0) | (0o2000 if "g" in whom else 0)
    return bits | (0o1000 if "t" in what else 0)
