# SPDX-License-Identifier: Apache-2.0
"""Which builds of the history are asked for (pure): buildx's filters, and what it makes of them for BuildKit.

``ref``, ``repository`` and ``status`` are compared with ``=`` (``==`` and ``~=`` in BuildKit's form) or ``!=``;
``startedAt``, ``completedAt`` and ``duration`` with ``<``, ``<=``, ``>`` and ``>=``. A time is one of RFC 3339, or a
duration: that long ago.
"""

from __future__ import annotations

import csv
import operator
from collections.abc import Callable, Iterable, Sequence

from sampan.build.dockerfile.duration import parse_duration_ns
from sampan.build.dockerfile.location import Misuse
from sampan.build.history.entry import Entry
from sampan.errors import InvalidArgument
from sampan.oci.timestamp import parse_timestamp

Matcher = Callable[[Entry], bool]

_WORDS = ("ref", "repository", "status")
_TIMES = ("startedAt", "completedAt", "duration")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_SEPARATORS = ("!=", "==", "~=", "<=", ">=", "=", "<", ">")


def parse_filters(words: Iterable[str], *, now_ns: int) -> Matcher:
    """What passes all of them."""
    matchers = [_parse(word, now_ns) for word in words]
    return lambda entry: all(matcher(entry) for matcher in matchers)


def parse_alternatives(lists: Sequence[str], *, now_ns: int) -> Matcher:
    """BuildKit's form: what passes one of the lists, each as CSV."""
    alternatives = [parse_filters(row, now_ns=now_ns) for row in csv.reader(lists)]
    return lambda entry: not alternatives or any(matcher(entry) for matcher in alternatives)


def _parse(word: str, now_ns: int) -> Matcher:
    found = [(word.find(sign), -len(sign), sign) for sign in _SEPARATORS if sign in word]
    if not found:
        raise InvalidArgument(f'invalid filter "{word}"')
    sign = min(found)[2]
    key, _, value = word.partition(sign)
    if key in _WORDS:
        if sign in _COMPARISONS:
            raise InvalidArgument(f'invalid separator for "{word}", expected = or !=')
        return _word_matcher(key, sign, value)
    if key in _TIMES:
        if sign not in _COMPARISONS:
            raise InvalidArgument(f'invalid separator for "{word}", expected <=, <, >= or >')
        return _time_matcher(key, sign, value, now_ns)
    raise InvalidArgument(f'unsupported filter "{word}"')


def _word_matcher(key: str, sign: str, value: str) -> Matcher:
    def matches(entry: Entry) -> bool:
        actual = {"ref": entry.ref, "repository": _repository(entry), "status": entry.status}[key]
        if sign == "!=":
            return actual != value
        return actual == value if key == "status" or sign == "==" else value in actual

    return matches


def _repository(entry: Entry) -> str:
    context = entry.attributes.get("context", "")
    return entry.attributes.get("vcs:source") or ("" if context.startswith("/") else context)


def _time_matcher(key: str, sign: str, value: str, now_ns: int) -> Matcher:
    limit = _duration(value) if key == "duration" else _moment(value, now_ns)
    compare = _COMPARISONS[sign]

    def matches(entry: Entry) -> bool:
        if key == "startedAt":
            return compare(entry.created_ns, limit)
        if key == "completedAt":
            return compare(entry.completed_ns, limit)
        return compare(entry.completed_ns - entry.created_ns if entry.completed_ns else 0, limit)

    return matches


def _duration(text: str) -> int:
    try:
        return parse_duration_ns(text)
    except Misuse:
        raise InvalidArgument(f"invalid duration {text}") from None


def _moment(text: str, now_ns: int) -> int:
    try:
        return now_ns - parse_duration_ns(text)
    except Misuse:
        pass
    try:
        return parse_timestamp(text)
    except (ValueError, InvalidArgument):
        raise InvalidArgument(f"invalid time {text}") from None
