# SPDX-License-Identifier: Apache-2.0
"""Manifest lists in the making, kept on disk until they are pushed, where docker keeps them.

Implements: docker/cli cli/manifest/store: below ``~/.docker/manifests`` a folder a list and a file a manifest, named by
references with ``:`` as ``-`` and ``/`` as ``_``; a file is docker's ImageManifest.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import Conflict, NotFound
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor, decode_descriptor, encode_descriptor
from sampan.oci.document import InvalidDocument, JSONObject, decode_object, encode_object, get_string
from sampan.oci.index import encode_index
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import Reference, parse_name
from sampan.transport.layout import write_whole

_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A manifest of a list: where it came from, what the list says of it, and itself."""

    reference: Reference
    descriptor: Descriptor
    raw: bytes

    @property
    def document(self) -> RawManifest:
        """The manifest."""
        return RawManifest(self.raw, self.descriptor.media_type)


class ManifestLists:
    """All lists of a user."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        folder = environ.get("DOCKER_CONFIG") or environ.get("HOME", "") + "/.docker"
        self._root = folder + "/manifests"

    def begin(self, name: Reference, *, amend: bool) -> None:
        """A new list; `amend` goes on with the one that is there."""
        if self.exists(name) and not amend:
            raise Conflict("refusing to amend an existing manifest list with no --amend flag")
        os.makedirs(self._folder(name), mode=0o755, exist_ok=True)

    def exists(self, name: Reference) -> bool:
        """Whether there is such a list."""
        return os.path.isdir(self._folder(name))

    def save(self, name: Reference, member: Member) -> None:
        """Add a manifest, or write what is now said of it."""
        write_whole(f"{self._folder(name)}/{_file_name(member.reference)}", _encode(member))

    def get(self, name: Reference, reference: Reference) -> Member:
        """One manifest of a list."""
        path = f"{self._folder(name)}/{_file_name(reference)}"
        try:
            return _read(path)
        except FileNotFoundError:
            raise NotFound(f"manifest for image {reference} does not exist in {name}") from None

    def members(self, name: Reference) -> list[Member]:
        """All manifests of a list, in the order of their names."""
        if not self.exists(name):
            raise NotFound(f"No such manifest: {name}")
        folder = self._folder(name)
        return [_read(f"{folder}/{file}") for file in sorted(os.listdir(folder)) if not file.endswith(".new")]

    def remove(self, name: Reference) -> None:
        """Forget a list."""
        if not self.exists(name):
            raise NotFound(f"No such manifest: {name}")
        shutil.rmtree(self._folder(name))

    def _folder(self, name: Reference) -> str:
        return f"{self._root}/{_file_name(name)}"


def encode_list(members: list[Member]) -> RawManifest:
    """The index of these manifests: OCI's if the first is, else Docker's."""
    docker = not members or members[0].descriptor.media_type != media_type.OCI_MANIFEST
    raw = encode_index([member.descriptor for member in members], docker=docker)
    return RawManifest(raw, media_type.DOCKER_LIST if docker else media_type.OCI_INDEX)


def show_member(member: Member) -> JSONObject:
    """What docker shows and keeps of a manifest."""
    kind = "OCIManifest" if member.descriptor.media_type == media_type.OCI_MANIFEST else "SchemaV2Manifest"
    return {
        "Ref": str(member.reference),
        "Descriptor": encode_descriptor(member.descriptor),
        "Raw": base64.b64encode(member.raw).decode(),
        kind: decode_object(member.raw, "manifest"),
    }


def _encode(member: Member) -> bytes:
    return encode_object(show_member(member))


def _read(path: str) -> Member:
    with open(path, "rb") as file:
        raw = file.read(_MAX_BYTES)
    source = decode_object(raw, path)
    try:
        manifest = base64.b64decode(get_string(source, "Raw", path), validate=True)
    except binascii.Error:
        raise InvalidDocument(f"{path}: Raw is not base64") from None
    name = parse_name(get_string(source, "Ref", path))
    return Member(name, decode_descriptor(source.get("Descriptor"), path), manifest)


def _file_name(reference: Reference) -> str:
    return str(reference).replace(":", "-").replace("/", "_")
