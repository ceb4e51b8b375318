# SPDX-License-Identifier: Apache-2.0
"""The caches that a client wants read and written: ``--cache-from`` and ``--cache-to`` of ``docker buildx build``.

Implements: BuildKit's cache options, types inline, registry and local; the last is a folder of the client's, which it
reads and writes for us. A cache that cannot be read is none; one that cannot be written is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sampan.build.caches.places import CachePlace, plan_export, plan_import
from sampan.buildkit.messages.control import CacheEntry, SolveRequest
from sampan.buildkit.session import Session
from sampan.buildkit.stores import ClientFolder
from sampan.errors import InvalidArgument, SampanError, Unsupported
from sampan.oci.descriptor import encode_descriptor

_IMPORTS = "cache-imports"
_MANIFEST = "cache.manifest"
_EXPORTED = ("inline", "local", "registry")


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

    def describe(self) -> dict[str, str]:
        """What the client is told of caches that were written into its folders, which it is to name."""
        folders = [place.own for place in self.exports if isinstance(place.own, ClientFolder)]
        written = [folder.written for folder in folders if folder.written is not None]
        return {_MANIFEST: json.dumps(encode_descriptor(written[-1]))} if written else {}


def check_exports(request: SolveRequest) -> None:
    """Unsupported names what cannot be written."""
    for entry in _exports(request):
        if entry.type not in _EXPORTED:
            raise Unsupported(
                f"--cache-to type={entry.type} is not supported", hint=f"one of {', '.join(_EXPORTED)} is"
            )


def plan_exports(request: SolveRequest, session: Session) -> tuple[CachePlace, ...]:
    """What a request wants written."""
    return tuple(_plan_export(entry, session) for entry in _exports(request))


def plan_imports(attributes: Mapping[str, str], session: Session) -> tuple[CachePlace, ...]:
    """What the frontend's options want read."""
    return tuple(_iter_imports(attributes, session))


def _exports(request: SolveRequest) -> list[CacheEntry]:
    return request.cache.exports if request.cache is not None else []


def _plan_export(entry: CacheEntry, session: Session) -> CachePlace:
    if entry.type != "local":
        return plan_export(entry.type, entry.attrs)
    path = entry.attrs.get("dest", "")
    # The path is the client's and means nothing here; the other attributes are as everywhere.
    place = plan_export("local", {**entry.attrs, "dest": "/"})
    return replace(place, location=None, own=ClientFolder(session, path))


def _iter_imports(attributes: Mapping[str, str], session: Session) -> Iterator[CachePlace]:
    for kind, options in _entries(attributes.get(_IMPORTS, "")):
        if kind == "registry":
            yield plan_import(kind, options)
        elif kind == "local":
            try:
                folder = ClientFolder(session, options.get("src", ""), options.get("digest", ""))
            except SampanError:
                continue
            yield CachePlace(kind, own=folder)


def _entries(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    if not text:
        return
    try:
        entries = [{name.lower(): value for name, value in entry.items()} for entry in json.loads(text)]
        for fields in entries:
            options = fields.get("attrs") or {}
            yield str(fields.get("type", "")), {str(name): str(value) for name, value in options.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InvalidArgument(f"{_IMPORTS}: {error}") from None
