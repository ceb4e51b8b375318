# SPDX-License-Identifier: Apache-2.0
"""Paths of the API: which resource, of which repository, which one of them. Pure.

A repository's name may contain the words that paths are made of (``a/blobs/b``), so the last possible reading counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Resource = Literal[
    "base",
    "catalog",
    "tags",
    "manifest",
    "blob",
    "uploads",
    "upload",
    "referrers",
    "token",
    "metrics",
    "page",
]

_PATH = re.compile(
    r"/v2/(?P<name>.+)/(?:"
    r"(?P<tags>tags/list)|manifests/(?P<manifest>[^/]+)|(?P<uploads>blobs/uploads/?)"
    r"|blobs/uploads/(?P<upload>[^/]+)|blobs/(?P<blob>[^/]+)|referrers/(?P<referrers>[^/]+))"
)
_RESOURCES: tuple[Resource, ...] = ("tags", "manifest", "uploads", "upload", "blob", "referrers")
_FIXED: dict[str, Resource] = {
    "/v2": "base",
    "/v2/": "base",
    "/v2/_catalog": "catalog",
    "/token": "token",
    "/metrics": "metrics",
}
_MAX_PATH = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """What a path means; `name` and `argument` are as they came and yet to be checked."""

    resource: Resource
    name: str = ""
    argument: str = ""


def parse_route(path: str) -> Route | None:
    """Read a decoded path; None if it is none of ours."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return Route(fixed)
    if not path.startswith("/v2/"):
        return Route("page", argument=path)
    match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
    if match is None:
        return None
    resource = next(kind for kind in _RESOURCES if match[kind] is not None)
    return Route(resource, match["name"], match[resource])
