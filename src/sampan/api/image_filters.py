# SPDX-License-Identifier: Apache-2.0
"""The filters of `images` and `image prune` (pure).

Source: Engine API v1.51, ImageList.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sampan.api.container_filters import has_label, until_ns
from sampan.errors import InvalidArgument
from sampan.image.store import Image
from sampan.oci.reference import parse_reference

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

Test = Callable[[Image], bool]

ALLOWED_FILTERS = frozenset({"before", "dangling", "label", "reference", "since", "until"})


def plan_filter(wanted: Mapping[str, Sequence[str]], engine: Engine) -> Test:
    """One test that an image passes when every filter holds."""
    tests = [_plan_one(name, values, engine) for name, values in wanted.items() if values]
    return lambda image: all(test(image) for test in tests)


def _plan_one(name: str, values: Sequence[str], engine: Engine) -> Test:
    match name:
        case "dangling":
            if values[0] not in ("true", "false", "1", "0"):
                raise InvalidArgument(f"invalid filter 'dangling=[{values[0]}]'")
            dangling = values[0] in ("true", "1")
            return lambda image: dangling == image.is_dangling
        case "label":
            return lambda image: all(has_label(_labels(image), value) for value in values)
        case "label!":
            return lambda image: not any(has_label(_labels(image), value) for value in values)
        case "reference":
            return lambda image: any(_refers(image, value) for value in values)
        case "until":
            limit = until_ns(values[0])
            return lambda image: image.created_ns < limit
        case _:
            pivot = engine.images.resolve(values[0]).created_ns
            return (
                (lambda image: image.created_ns < pivot)
                if name == "before"
                else (lambda image: image.created_ns > pivot)
            )


def _labels(image: Image) -> Mapping[str, str]:
    return image.run_config.get("Labels") or {}


def keep_names(summary: dict[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """An image that was asked for by name shows the names that were meant, not its others."""
    if not patterns:
        return summary
    kept = {
        field: [name for name in summary[field] if any(_matches(name, pattern) for pattern in patterns)]
        for field in ("RepoTags", "RepoDigests")
    }
    return summary | kept


def _refers(image: Image, pattern: str) -> bool:
    return any(_matches(parse_reference(reference).familiar(), pattern) for reference in image.references)


def _matches(familiar: str, pattern: str) -> bool:
    """Docker matches the familiar form, with or without its tag or digest."""
    return any(fnmatch.fnmatchcase(name, pattern) for name in (familiar, _bare_name(familiar)))


def _bare_name(familiar: str) -> str:
    name = familiar.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name
