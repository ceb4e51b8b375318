# SPDX-License-Identifier: Apache-2.0
"""A published project as an OCI artifact: what its layers are, its manifest, and the folder it becomes again.

Implements: what Docker Compose pushes and reads as ``oci://NAME``. Its compose files are layers that are joined into
one ``compose.yaml`` of several documents; files that services extend, and env files, lie beside it under names that say
nothing of where they came from. Hostile where it is read: a name with a slash is refused, and so is what is large.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sampan.compose import labels
from sampan.errors import DataCorrupt, InvalidArgument
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.manifest import Manifest, decode_manifest

PROJECT = "application/vnd.docker.compose.project"
COMPOSE_FILE = "application/vnd.docker.compose.file+yaml"
ENV_FILE = "application/vnd.docker.compose.envfile"
OLD_CONFIG = "application/vnd.docker.compose.config.empty.v1+json"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = b"{}"
MAIN_FILE = "compose.yaml"
MAX_LAYERS = 200
MAX_LAYER_BYTES = 4 << 20

VERSIONS = ("1.0", "1.1")
_FILE, _ENV, _EXTENDED = labels.PREFIX + "file", labels.PREFIX + "envfile", labels.PREFIX + "extends"
_CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One file of a project."""

    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def descriptor(self) -> Descriptor:
        """What the manifest says of it."""
        described = Descriptor.of(self.content, self.media_type)
        return replace(described, annotations=self.annotations)

    async def iter_part(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Its bytes, for an upload."""
        yield self.content[start:end]


def compose_layer(name: str, content: bytes, *, extended: bool = False) -> Layer:
    """A compose file; an `extended` one is read only where services of others say so."""
    said = {labels.VERSION: labels.COMPOSE_VERSION, _FILE: name}
    if extended:
        said[_EXTENDED] = "true"
    return Layer(media_type=COMPOSE_FILE, content=content, annotations=said)


def env_layer(name: str, content: bytes) -> Layer:
    """An env file."""
    said = {labels.VERSION: labels.COMPOSE_VERSION, _ENV: name}
    return Layer(media_type=ENV_FILE, content=content, annotations=said)


def config_of(version: str) -> Descriptor:
    """The empty config; before OCI 1.1 its type says what the artifact is."""
    return Descriptor.of(EMPTY, EMPTY_CONFIG if version == "1.1" else OLD_CONFIG)


def encode_artifact(layers: Iterable[Layer], *, version: str, created: str) -> bytes:
    """The manifest for a version of the OCI image specification."""
    if version not in VERSIONS:
        raise InvalidArgument(f"unsupported OCI version: {version}", hint="use 1.0 or 1.1")
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST}
    if version == "1.1":
        document["artifactType"] = PROJECT
    document["config"] = encode_descriptor(config_of(version))
    document["layers"] = [encode_descriptor(layer.descriptor) for layer in layers]
    document["annotations"] = {_CREATED: created}
    return json.dumps(document, separators=(",", ":")).encode()


def read_artifact(raw: bytes, media_type: str, *, name: str) -> Manifest:
    """The manifest of a published project; another thing by that name is an error."""
    manifest = decode_manifest(raw, media_type)
    kind = json.loads(raw).get("artifactType") or manifest.config.media_type
    if kind not in (PROJECT, OLD_CONFIG):
        raise InvalidArgument(f"{name} is not a compose project OCI artifact, but {kind}")
    if len(manifest.layers) > MAX_LAYERS:
        raise DataCorrupt(f"{name}: a project of more than {MAX_LAYERS} files")
    return manifest


def assemble(layers: Iterable[tuple[Descriptor, bytes]]) -> dict[str, bytes]:
    """The files of a project by their names in one folder."""
    files: dict[str, bytes] = {}
    for descriptor, content in layers:
        if descriptor.media_type == COMPOSE_FILE:
            name = MAIN_FILE
            if _EXTENDED in descriptor.annotations:
                name = _plain_name(descriptor.annotations.get(_FILE, ""))
            files[name] = files[name] + b"\n---\n" + content if name in files else content
        elif descriptor.media_type == ENV_FILE:
            files[_plain_name(descriptor.annotations.get(_ENV, ""))] = content
    return files


def _plain_name(name: str) -> str:
    if not name or name in (".", "..", MAIN_FILE) or any(mark in name for mark in "/\\\0"):
        raise DataCorrupt(f"invalid OCI artifact: a file of it has the name {name!r}")
    return name
