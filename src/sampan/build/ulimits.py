# SPDX-License-Identifier: Apache-2.0
"""Ulimits of a build as BuildKit's frontend has them (pure): ``NAME=SOFT:HARD,…``."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.build.seams import StepLimits
from sampan.errors import InvalidArgument


def parse_ulimits(text: str) -> tuple[tuple[str, int, int], ...]:
    """The limits of an attribute, which may be empty."""
    return tuple(_each(text))


def _each(text: str) -> Iterator[tuple[str, int, int]]:
    for word in filter(None, text.split(",")):
        name, _, values = word.partition("=")
        soft, colon, hard = values.partition(":")
        try:
            yield name, int(soft), int(hard if colon else soft)
        except ValueError:
            raise InvalidArgument(f"ulimit: {word}: expected NAME=SOFT[:HARD]") from None


def format_ulimits(limits: StepLimits) -> str:
    """The attribute for these limits."""
    return ",".join(f"{name}={soft}:{hard}" for name, soft, hard in limits.ulimits)
