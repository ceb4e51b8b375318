# SPDX-License-Identifier: Apache-2.0
"""Path patterns as Go and Docker read them.

`PatternSet` is moby's patternmatcher: the last pattern that matches wins, ``!`` takes back, ``**`` crosses
folders, and what matches a folder matches everything in it. `compile_glob` is Go's ``filepath.Match`` for
one path component, which COPY's wildcards use.
Holds: no pattern takes more than a moment, whatever it is matched with: patterns and names are anybody's.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sampan.build.dockerfile.location import Misuse

_WILDCARDS = frozenset("*?[")
_STAR, _FOLDERS, _ANYTHING = "[^/]*", "(?:.*/)?", ".*"
_VARIABLE = (_STAR, _FOLDERS, _ANYTHING)
_MOST_STEPS = 3_000_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """One cleaned pattern; `is_exception` for those that began with ``!``."""

    text: str
    is_exception: bool
    regex: re.Pattern[str]
    pieces: tuple[str, ...]

    def fits(self, path: str) -> bool:
        """Whether the whole path is as the pattern says."""
        if len(path) ** self.degree <= _MOST_STEPS:
            return self.regex.fullmatch(path) is not None
        return _simulate(self.pieces, path)

    @property
    def degree(self) -> int:
        """How the steps of a regular expression, which tries all ways, grow with the length of a path."""
        return sum(piece in _VARIABLE for piece in self.pieces)

    @property
    def fixed_prefix(self) -> str | None:
        """The pattern itself, less a trailing ``/*`` or ``/**``, when nothing else in it is a wildcard."""
        text = self.text.removesuffix("/**").removesuffix("/*")
        return None if has_wildcards(text) else text


class PatternSet:
    """Patterns in their order, asked about one path after the other from the root downwards."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(pattern for text in patterns if (pattern := _pattern(text)) is not None)
        self._any = re.compile("|".join(f"(?:{p.regex.pattern})" for p in self.patterns), re.DOTALL)
        self._degree = max((pattern.degree for pattern in self.patterns), default=0)
        exceptions = [pattern.fixed_prefix for pattern in self.patterns if pattern.is_exception]
        self._has_exceptions = bool(exceptions)
        self._exception_prefixes = (
            None if None in exceptions else tuple(f"{prefix}/" for prefix in exceptions)
        )

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def match(self, path: str, parent: Match | None = None) -> Match:
        """Whether the path is matched, given what was found for its parent folder (None at the top)."""
        inherited = parent.hits if parent is not None else 0
        if not self.patterns or self._fits_none(path):
            return Match(parent is not None and parent.matched, inherited)
        matched = False
        hits = 0
        for number, pattern in enumerate(self.patterns):
            bit = 1 << number
            # A pattern that could change nothing is not tried, and so not remembered for the children.
            hit = bool(inherited & bit)
            if not hit and pattern.is_exception == matched:
                hit = pattern.fits(path)
            if hit:
                hits |= bit
                matched = not pattern.is_exception
        return Match(matched, hits)

    def _fits_none(self, path: str) -> bool:
        """Found out for all patterns at once, where that is quick."""
        return len(path) ** self._degree <= _MOST_STEPS and self._any.fullmatch(path) is None

    def matches(self, path: str) -> bool:
        """Whether the path or one of its parents is matched, last match winning."""
        found: Match | None = None
        for index, char in enumerate(path + "/"):
            if char == "/":
                found = self.match(path[:index], found)
        return found is not None and found.matched

    def may_except_below(self, folder: str) -> bool:
        """Whether an exception could take back something inside a matched folder."""
        if not self._has_exceptions or self._exception_prefixes is None:
            return self._has_exceptions
        return any(prefix.startswith(folder + "/") for prefix in self._exception_prefixes)


@dataclass(frozen=True, slots=True)
class Match:
    """The verdict on one path, and which patterns (as bits) hit it or a parent."""

    matched: bool
    hits: int


def clean_path(path: str) -> str:
    """Go's ``filepath.Clean``: no doubled or trailing slashes, no ``.``, ``..`` resolved."""
    if not path:
        return "."
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def has_wildcards(text: str) -> bool:
    """Whether a ``*``, ``?`` or ``[`` stands unescaped in the text."""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in _WILDCARDS:
            return True
    return False


def compile_glob(component: str) -> re.Pattern[str]:
    """Go's ``filepath.Match`` for one component: ``*``, ``?``, ``[a-z]``, ``[^a-z]``, backslashes.

    What stands between two stars is looked for once, at its first place: a later one leaves less for the rest.
    """
    out: list[str] = []
    position = 0
    while position < len(component):
        char = component[position]
        position += 1
        if char == "*":
            out.append(_STAR)
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            bracket, position = _bracket(component, position)
            out.append(bracket)
        elif char == "\\":
            if position == len(component):
                raise Misuse(f"syntax error in pattern: {component}")
            out.append(re.escape(component[position]))
            position += 1
        else:
            out.append(re.escape(char))
    return re.compile(_committed(out), re.DOTALL)


def _committed(pieces: list[str]) -> str:
    stars = [index for index, piece in enumerate(pieces) if piece == _STAR]
    if len(stars) < 2:
        return "".join(pieces)
    groups = [pieces[start + 1 : end] for start, end in itertools.pairwise(stars)]
    middle = "".join(f"(?>[^/]*?{''.join(group)})" for group in groups)
    return "".join(pieces[: stars[0]]) + middle + "".join(pieces[stars[-1] :])


def _bracket(component: str, position: int) -> tuple[str, int]:
    negated = component.startswith("^", position)
    position += negated
    ranges: list[str] = []
    while not (component.startswith("]", position) and ranges):
        low, position = _bracket_char(component, position)
        high = low
        if component.startswith("-", position):
            high, position = _bracket_char(component, position + 1)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    body = "".join(ranges)
    if not body:
        return ("[^/]" if negated else "(?!)"), position + 1
    return f"(?!/)[{'^' if negated else ''}{body}]", position + 1


def _bracket_char(component: str, position: int) -> tuple[str, int]:
    if component.startswith("\\", position):
        position += 1
    elif position >= len(component) or component[position] in "-]":
        raise Misuse(f"syntax error in pattern: {component}")
    if position + 1 >= len(component):
        raise Misuse(f"syntax error in pattern: {component}")
    return component[position], position + 1


def _pattern(text: str) -> Pattern | None:
    text = text.strip()
    if not text:
        return None
    cleaned = clean_path(text)
    is_exception = cleaned.startswith("!")
    if is_exception:
        cleaned = cleaned[1:]
        if not cleaned:
            raise Misuse('illegal exclusion pattern: "!"')
    for component in cleaned.split("/"):
        compile_glob(component)
    pieces = tuple(_pieces(cleaned))
    return Pattern(cleaned, is_exception, re.compile("".join(pieces), re.DOTALL), pieces)


def _pieces(pattern: str) -> list[str]:
    """Without wildcards the pattern is literal; ``**/`` stands for any folders, also none."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        if pattern.startswith("**", position):
            piece, position = _double_star(pattern, position)
        elif pattern[position] == "*":
            piece, position = _STAR, position + 1
        elif pattern[position] == "?":
            piece, position = "[^/]", position + 1
        elif pattern[position] == "[":
            piece, position = _bracket(pattern, position + 1)
        else:
            position += pattern[position] == "\\"
            piece, position = re.escape(pattern[position]), position + 1
        if piece != _FOLDERS or out[-1:] != [_FOLDERS]:
            out.append(piece)
    return out


def _double_star(pattern: str, position: int) -> tuple[str, int]:
    """``**`` at the start is any beginning, at the end anything, between any folders."""
    following = position + 2
    if position == 0 and not _special_after(pattern, following):
        # moby compares the rest as a suffix: "**foo" also matches "xfoo", "**/foo" also matches "foo".
        if pattern.startswith("/", following):
            return _FOLDERS, following + 1
        return _ANYTHING, following
    if pattern.startswith("/", following):
        following += 1
    return (_ANYTHING if following >= len(pattern) else _FOLDERS), following


def _simulate(pieces: tuple[str, ...], path: str) -> bool:
    """All ways at once, character by character; ``~n`` is a place inside of the folders that piece n stands for."""
    characters = {piece: re.compile(piece, re.DOTALL) for piece in pieces if piece not in _VARIABLE}
    places = _with_empty({0}, pieces)
    for char in path:
        following: set[int] = set()
        for place in places:
            if place < 0:
                following.update((place, ~place + 1) if char == "/" else (place,))
            elif place < len(pieces) and pieces[place] in characters:
                if characters[pieces[place]].fullmatch(char):
                    following.add(place + 1)
            elif place < len(pieces) and (
                pieces[place] == _ANYTHING or (pieces[place] == _STAR and char != "/")
            ):
                following.add(place)
        places = _with_empty(following, pieces)
    return len(pieces) in places


def _with_empty(places: set[int], pieces: tuple[str, ...]) -> set[int]:
    """The places that are reached without another character, too."""
    found = set(places)
    for place in places:
        while 0 <= place < len(pieces) and pieces[place] in _VARIABLE:
            if pieces[place] == _FOLDERS:
                found.add(~place)
            place += 1
            found.add(place)
    return found


def _special_after(pattern: str, position: int) -> bool:
    return any(char in "*?[]\\" for char in pattern[position:])
