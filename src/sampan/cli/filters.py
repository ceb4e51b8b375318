# SPDX-License-Identifier: Apache-2.0
"""``--filter key=value`` as the Engine API takes it: lists of values by key."""

from __future__ import annotations

from sampan.cli.flags import Flag, FlagError, several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def filter_flag(about: str = "Filter output based on conditions provided", *, short: str = "f") -> Flag:
    """The flag as the listings have it."""
    return several("filter", about, short=short, shows="filter")


def parse_filters(words: Iterable[str], *, label: str = "-f, --filter") -> dict[str, list[str]]:
    """Docker's reading: the key in lower case, blanks around both sides dropped, empty words ignored."""
    filters: dict[str, list[str]] = {}
    for word in words:
        if not word:
            continue
        key, equals, value = word.partition("=")
        if not equals:
            reason = "bad format of filter (expected name=value)"
            raise FlagError(f'invalid argument "{word}" for "{label}" flag: {reason}')
        filters.setdefault(key.strip().lower(), []).append(value.strip())
    return filters
