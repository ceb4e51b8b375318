# SPDX-License-Identifier: Apache-2.0
"""Many images to one place, for machines without a network: a folder that is an OCI image layout, or a registry.

In a folder an image has its full name; on a registry it is below a prefix, with its own registry as the first part
(``HOST/PREFIX/docker.io/library/python``), so that images of different registries keep apart and one rule for each
leads there.
Pure, but for `list_images`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.settings import Limits
from sampan.transport.files import Files
from sampan.transport.layout import read_index
from sampan.transport.location import Kind, Location


@dataclass(frozen=True, slots=True)
class Place:
    """`path` of a folder (or of a bundle's file), or `registry`: HOST[:PORT][/PREFIX]."""

    path: str = ""
    registry: str = ""
    is_store: bool = False
    """The engine's."""

    def location(self, reference: Reference) -> Location:
        """Where an image is in this place."""
        if self.is_store:
            return Location(Kind.STORE, name=str(reference))
        if self.path:
            kind = (
                Kind.LAYOUT
                if os.path.isdir(self.path) or not os.path.exists(self.path)
                else Kind.LAYOUT_ARCHIVE
            )
            return Location(kind, self.path, str(reference))
        suffix = str(reference)[len(reference.name) :]
        return Location(
            Kind.REGISTRY, name=f"{self.registry}/{_host_part(reference)}/{reference.repository}{suffix}"
        )


def parse_place(text: str) -> Place:
    """A folder if it looks like a path or is one, a registry if its first part looks like a host."""
    if text.startswith("oci:"):
        return Place(path=text.removeprefix("oci:"))
    if text.startswith("docker://"):
        return Place(registry=text.removeprefix("docker://").rstrip("/"))
    host = text.partition("/")[0]
    if text.startswith(("/", "./", "../")) or os.path.exists(text):
        return Place(path=text)
    if "." in host or ":" in host or host == "localhost":
        parse_reference(f"{text.rstrip('/')}/x")
        return Place(registry=text.rstrip("/"))
    if not text:
        raise InvalidArgument("no place to mirror to", hint="--to FOLDER or --to HOST[:PORT]/PREFIX")
    return Place(path=text)


def parse_list(lines: Iterable[str]) -> list[Reference]:
    """Images, one a line; ``#`` begins a comment."""
    words = (line.partition("#")[0].strip() for line in lines)
    return [parse_reference(word.removeprefix("docker://")) for word in words if word]


def list_images(files: Files, limits: Limits) -> list[Reference]:
    """All images of a folder by their names."""
    found = []
    for entry in read_index(files, limits):
        name = entry.annotations.get(IMAGE_NAME) or entry.annotations.get(REFERENCE_NAME, "")
        if "/" in name and not entry.artifact_type:
            found.append(parse_reference(name))
    return list(dict.fromkeys(found))


def format_rules(place: Place, references: Iterable[Reference], insecure: Collection[str] = ()) -> str:
    """What to put into the configuration of machines that are to find the images there."""
    host = place.registry.partition("/")[0]
    lines = []
    for registry in sorted({reference.registry for reference in references}):
        lines += ["[[registry]]", f'prefix = "{registry}"', "[[registry.mirror]]"]
        part = registry.replace(":", "_")
        lines.append(f'location = "{place.registry}/{part}"')
        if host in insecure:
            lines.append("insecure = true")
    return "\n".join(lines)


def _host_part(reference: Reference) -> str:
    """A host as a part of a path, which has no colon and no brackets."""
    return reference.registry.replace(":", "_").replace("[", "").replace("]", "").lower()
