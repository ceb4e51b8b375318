# SPDX-License-Identifier: Apache-2.0
"""A build cache as an OCI manifest: the records of results as its config, the results' layers as its layers.

The config is `application/vnd.sampan.cacheconfig.v1+json`: our keys are no BuildKit's, so that its media type
(`application/vnd.buildkit.cacheconfig.v0`) would promise what nobody can keep. Its shape:

    {"version": 1,
     "records": [{"key", "identity", "parent", "createdNs", "description", "diffID"}, …],
     "mounts": [{"name", "diffID", "mode", "uid", "gid"}, …]}

A record's tree is its layer on its parent's; a parent that is no record's identity is a base image's chain ID, or
``scratch``. A layer carries its diff ID as the annotation ``containerd.io/uncompressed``, as in BuildKit's caches.
Inside an image (``type=inline``) the records stand in the image's config, and its layers are theirs.

Holds: pure. Everything that is read here came from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sampan.errors import DataCorrupt
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.digest import Digest, InvalidDigest, parse_digest
from sampan.oci.document import JSONObject, decode_object, encode_object, get_integer, get_list, get_string
from sampan.oci.manifest import Manifest
from sampan.oci.media_type import OCI_MANIFEST

CONFIG_TYPE = "application/vnd.sampan.cacheconfig.v1+json"
DIFF_ID = "containerd.io/uncompressed"
INLINE = "io.sampan.cache.v1"
_VERSION = 1
_MOST = 1 << 62
_KEY = re.compile(r"[0-9a-f]{64}")
_IDENTITY = re.compile(r"build-[0-9a-f]{16}")
_PARENT = re.compile(r"build-[0-9a-f]{16}|sha256:[0-9a-f]{64}|scratch")
_MOUNT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Record:
    """One result."""

    key: str
    identity: str
    parent: str
    created_ns: int
    description: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class MountRecord:
    """One cache mount's files, and what its folder itself is."""

    name: str
    diff_id: str
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class CacheDocument:
    """All of a cache: its records, and where their layers are, by diff ID."""

    records: tuple[Record, ...] = ()
    mounts: tuple[MountRecord, ...] = ()
    layers: Mapping[str, Descriptor] = field(default_factory=dict)


def encode_records(records: Iterable[Record], mounts: Iterable[MountRecord] = ()) -> bytes:
    """The config."""
    return encode_object(records_object(records, mounts))


def records_object(records: Iterable[Record], mounts: Iterable[MountRecord] = ()) -> JSONObject:
    """The same as the object that an image's config has."""
    return {
        "version": _VERSION,
        "records": [_encode_record(record) for record in records],
        "mounts": [_encode_mount(mount) for mount in mounts],
    }


def _encode_record(record: Record) -> JSONObject:
    return {
        "key": record.key,
        "identity": record.identity,
        "parent": record.parent,
        "createdNs": record.created_ns,
        "description": record.description,
        "diffID": record.diff_id,
    }


def _encode_mount(mount: MountRecord) -> JSONObject:
    return {
        "name": mount.name,
        "diffID": mount.diff_id,
        "mode": mount.mode,
        "uid": mount.uid,
        "gid": mount.gid,
    }


def encode_cache_manifest(config: Descriptor, layers: Mapping[str, Descriptor]) -> bytes:
    """The manifest; a layer is told with its diff ID."""
    named = [replace(layer, annotations={DIFF_ID: diff_id}) for diff_id, layer in layers.items()]
    return encode_object(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": CONFIG_TYPE,
            "config": encode_descriptor(config),
            "layers": [encode_descriptor(layer) for layer in named],
        }
    )


def decode_cache(raw: bytes, manifest: Manifest) -> CacheDocument:
    """A cache's own manifest with its config; records whose layer is missing are left out."""
    layers = {_diff_id(layer.annotations.get(DIFF_ID, "")): layer for layer in manifest.layers}
    return _decode(decode_object(raw, "build cache"), layers)


def decode_inline(config: bytes, manifest: Manifest) -> CacheDocument:
    """The records that an image carries; none where it carries none."""
    source = decode_object(config, "image config")
    inline = source.get(INLINE)
    rootfs = source.get("rootfs")
    if not isinstance(inline, dict) or not isinstance(rootfs, dict):
        return CacheDocument()
    diff_ids = [_diff_id(text) for text in get_list(rootfs, "diff_ids", "image config")]
    return _decode(inline, dict(zip(diff_ids, manifest.layers, strict=False)))


def _decode(source: JSONObject, layers: Mapping[str, Descriptor]) -> CacheDocument:
    what = "build cache"
    if source.get("version") != _VERSION:
        raise DataCorrupt(f"{what}: version {source.get('version')!r} is not understood")
    records = [_decode_record(one) for one in get_list(source, "records", what)]
    mounts = [_decode_mount(one) for one in get_list(source, "mounts", what)]
    return CacheDocument(
        tuple(record for record in records if record.diff_id in layers),
        tuple(mount for mount in mounts if mount.diff_id in layers),
        layers,
    )


def _decode_record(source: object) -> Record:
    what = "build cache: record"
    if not isinstance(source, dict):
        raise DataCorrupt(f"{what} is not an object")
    return Record(
        key=_matching(_KEY, get_string(source, "key", what), what),
        identity=_matching(_IDENTITY, get_string(source, "identity", what), what),
        parent=_matching(_PARENT, get_string(source, "parent", what), what),
        created_ns=_small(get_integer(source, "createdNs", what), what),
        description=get_string(source, "description", what),
        diff_id=_diff_id(source.get("diffID")),
    )


def _decode_mount(source: object) -> MountRecord:
    what = "build cache: mount"
    if not isinstance(source, dict):
        raise DataCorrupt(f"{what} is not an object")
    name = _matching(_MOUNT, get_string(source, "name", what), what)
    return MountRecord(
        name,
        _diff_id(source.get("diffID")),
        *(_small(get_integer(source, key, what), what) for key in ("mode", "uid", "gid")),
    )


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise DataCorrupt(f"{what}: {text!r} is no name for anything in it")
    return text


def _small(number: int, what: str) -> int:
    if not 0 <= number < _MOST:
        raise DataCorrupt(f"{what}: {number} is out of range")
    return number


def _diff_id(text: object) -> str:
    try:
        digest: Digest = parse_digest(text if isinstance(text, str) else "")
    except InvalidDigest as error:
        raise DataCorrupt(f"build cache: layer: {error}") from None
    return str(digest)
