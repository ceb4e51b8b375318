# SPDX-License-Identifier: Apache-2.0
"""Image configs: what an image runs, how it was made, and which layers it has.

Implements: OCI image-spec 1.1, config.md, with Docker's additions (Healthcheck, OnBuild, Shell, ArgsEscaped,
container_config and the like are kept, not understood).
Holds: an ImageConfig that was read keeps its `raw` bytes, whose digest is the image ID; only
`encode_image_config` makes new bytes, for images that are made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.errors import InvalidArgument
from sampan.oci.chain import chain_ids
from sampan.oci.digest import Digest, InvalidDigest, parse_digest
from sampan.oci.document import (
    InvalidDocument,
    JSONObject,
    decode_object,
    encode_object,
    get_list,
    get_object,
    get_string,
    get_strings,
)
from sampan.oci.platform import Platform, decode_platform
from sampan.oci.run_config import RunConfig, decode_run_config, encode_run_config
from sampan.oci.timestamp import format_timestamp, parse_timestamp

_KNOWN = frozenset(
    {
        "architecture",
        "os",
        "os.version",
        "os.features",
        "variant",
        "config",
        "created",
        "author",
        "rootfs",
        "history",
    }
)


@dataclass(frozen=True, slots=True)
class History:
    """One line of ``docker history``; `empty_layer` lines have no layer in rootfs.diff_ids."""

    created_ns: int | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """A typed view of an image's config blob."""

    raw: bytes
    platform: Platform
    config: RunConfig
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...]
    created_ns: int | None
    author: str
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def image_id(self) -> Digest:
        """The image ID: the digest of the raw bytes."""
        return Digest.of(self.raw)

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """The chain ID after each layer, lowest first."""
        return chain_ids(self.diff_ids)


def decode_image_config(raw: bytes) -> ImageConfig:
    """Read a config blob, OCI's or Docker's."""
    what = "image config"
    source = decode_object(raw, what)
    rootfs = get_object(source, "rootfs", what)
    if get_string(rootfs, "type", what, "layers") != "layers":
        raise InvalidDocument("image config: rootfs is not made of layers")
    return ImageConfig(
        raw=raw,
        platform=decode_platform(source, what),
        config=decode_run_config(get_object(source, "config", what)),
        diff_ids=tuple(_decode_diff_id(text) for text in get_strings(rootfs, "diff_ids", what)),
        history=tuple(_decode_history(item) for item in get_list(source, "history", what)),
        created_ns=_decode_time(source),
        author=get_string(source, "author", what),
        extra={key: value for key, value in source.items() if key not in _KNOWN},
    )


def encode_image_config(
    *,
    platform: Platform,
    config: RunConfig,
    diff_ids: Sequence[Digest],
    history: Sequence[History],
    created_ns: int | None,
    author: str = "",
    extra: Mapping[str, object] | None = None,
) -> bytes:
    """A new image's config: compact JSON with sorted keys, so that equal images have equal bytes."""
    fields: JSONObject = {
        **(extra or {}),
        "architecture": platform.architecture,
        "config": encode_run_config(config),
        "history": [_encode_history(item) for item in history],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
    }
    optional = {
        "author": author,
        "created": format_timestamp(created_ns) if created_ns is not None else None,
        "os.features": list(platform.os_features),
        "os.version": platform.os_version,
        "variant": platform.variant,
    }
    fields |= {key: value for key, value in optional.items() if value}
    return encode_object(dict(sorted(fields.items())))


def _decode_diff_id(text: str) -> Digest:
    try:
        return parse_digest(text)
    except InvalidDigest as error:
        raise InvalidDocument(f"image config: diff ID {text!r}: {error}") from error


def _decode_history(source: object) -> History:
    what = "image config history"
    if not isinstance(source, dict):
        raise InvalidDocument(f"{what}: entry is not an object")
    return History(
        created_ns=_decode_time(source),
        created_by=get_string(source, "created_by", what),
        author=get_string(source, "author", what),
        comment=get_string(source, "comment", what),
        empty_layer=source.get("empty_layer") is True,
    )


def _encode_history(item: History) -> JSONObject:
    fields: JSONObject = {
        "created": format_timestamp(item.created_ns) if item.created_ns is not None else None,
        "created_by": item.created_by,
        "author": item.author,
        "comment": item.comment,
        "empty_layer": item.empty_layer,
    }
    return {key: value for key, value in fields.items() if value}


def _decode_time(source: JSONObject) -> int | None:
    text = get_string(source, "created", "image config")
    if not text:
        return None
    try:
        return parse_timestamp(text)
    except InvalidArgument as error:
        raise InvalidDocument(f"image config: created: {error}") from error
