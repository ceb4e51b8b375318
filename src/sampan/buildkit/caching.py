# SPDX-License-Identifier: Apache-2.0
"""The caches that a client wants read and written: ``--cache-from`` and ``--cache-to`` of ``docker buildx build``.

Implements: BuildKit's cache options, types inline and registry. What lies in a folder of the client's (type=local)
would have to come through its session, and is refused by name where it is to be written, left out where it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sampan.build.caches.places import CachePlace, plan_export, plan_import
from sampan.buildkit.messages.control import SolveRequest
from sampan.errors import InvalidArgument, Unsupported

_IMPORTS = "cache-imports"
_EXPORTED = ("inline", "registry")


@dataclass(frozen=True, slots=True)
class CachePlan:
    """Where caches go and come from."""

    exports: tuple[CachePlace, ...] = ()
    imports: tuple[CachePlace, ...] = ()

    @property
    def registries(self) -> set[str]:
        """The registries that are asked."""
        places = (*self.exports, *self.imports)
        return {place.location.reference.registry for place in places if place.location is not None}


def plan_exports(request: SolveRequest) -> tuple[CachePlace, ...]:
    """What a request wants written; Unsupported names what cannot be."""
    entries = request.cache.exports if request.cache is not None else []
    for entry in entries:
        if entry.type not in _EXPORTED:
            raise Unsupported(
                f"--cache-to type={entry.type}: only {' and '.join(_EXPORTED)} are supported here",
                hint="`sampan build` has type=local, too",
            )
    return tuple(plan_export(entry.type, entry.attrs) for entry in entries)


def plan_imports(attributes: Mapping[str, str]) -> tuple[CachePlace, ...]:
    """What the frontend's options want read; a cache that cannot be is none, as for BuildKit."""
    return tuple(_iter_imports(attributes))


def _iter_imports(attributes: Mapping[str, str]) -> Iterator[CachePlace]:
    for kind, options in _entries(attributes.get(_IMPORTS, "")):
        if kind == "registry":
            yield plan_import(kind, options)


def _entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    if not text:
        return
    try:
        entries = json.loads(text)
        for entry in entries:
            fields = {name.lower(): value for name, value in entry.items()}
            yield (
                str(fields.get("type", "")),
                {str(k): str(v) for k, v in (fields.get("attrs") or {}).items()},
            )
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InvalidArgument(f"{_IMPORTS}: {error}") from None
