# SPDX-License-Identifier: Apache-2.0
"""One output of a build as it is asked for: its type, and its attributes (pure).

Implements: docker buildx build, ``--output``, types image, registry, docker, oci, local, tar and cacheonly. What is
always so here (``unpack``, ``store``) may be said; what cannot be done is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.archive.packing import Packing
from sampan.build.exports.annotations import Annotations, is_annotation, parse_annotations
from sampan.errors import InvalidArgument, Unsupported
from sampan.oci.media_type import Compression
from sampan.oci.reference import Reference, parse_reference

IMAGE, DOCKER, OCI, LOCAL, TAR, NOTHING = "image", "docker", "oci", "local", "tar", "cacheonly"
KINDS = (IMAGE, "registry", DOCKER, OCI, LOCAL, TAR, NOTHING)

_COMPRESSIONS = {
    "gzip": Compression.GZIP,
    "zstd": Compression.ZSTD,
    "uncompressed": Compression.NONE,
}
_HIGHEST_LEVEL = {Compression.GZIP: 9, Compression.ZSTD: 22, Compression.NONE: 0}
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})

_IMAGES = (
    *("name", "compression", "compression-level", "force-compression", "oci-mediatypes"),
    *("rewrite-timestamp", "buildinfo", "buildinfo-attrs", "oci-artifact"),
)
_KNOWN = {
    IMAGE: (*_IMAGES, "push", "push-by-digest", "name-canonical", "unpack", "store"),
    DOCKER: (*_IMAGES, "dest", "tar", "push", "unpack", "store"),
    OCI: (*_IMAGES, "dest", "tar"),
    LOCAL: ("dest", "platform-split"),
    TAR: ("dest", "platform-split"),
    NOTHING: (),
}
# What may be said only as it is anyway.
_FIXED = {
    "store": True,
    "registry.insecure": False,
    "prefer-nondist-layers": False,
}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """One output. Without `names` an image gets those of the build."""

    kind: str = IMAGE
    names: tuple[Reference, ...] = ()
    push: bool = False
    by_digest: bool = False
    """Whether what is pushed has its digest there, and no tag; nor is the name given here."""
    packing: Packing | None = None
    docker_types: bool = False
    annotations: Annotations = field(default_factory=Annotations)
    splits: bool | None = None
    """Whether files are put below a folder for each platform; None: if there are several."""
    rewrites_times: bool = False
    """Whether the files of layers are to be no younger than SOURCE_DATE_EPOCH."""
    has_artifacts: bool = False
    """Whether attestations have the image as their subject, so that registries list them as its referrers."""

    @property
    def is_archive(self) -> bool:
        """Whether bytes are sent to the client."""
        return self.kind in (DOCKER, OCI, TAR)

    @property
    def needs_manifest(self) -> bool:
        """Whether an image that goes to the store must have its manifest at once."""
        return self.push or self.docker_types or bool(self.annotations) or self.packing is not None


def parse_options(kind: str, attributes: Mapping[str, str]) -> ExportOptions:
    """Read one output."""
    if kind not in KINDS and kind != "moby":
        raise Unsupported(f"--output type={kind} is not supported", hint=f"one of {', '.join(KINDS)} is")
    pushes = kind == "registry" or _flag(kind, attributes, "push")
    form = IMAGE if kind in ("registry", "moby") else kind
    for name, value in attributes.items():
        _check(kind, form, name, value)
    packing = _packing(attributes)
    if pushes and form == DOCKER:
        raise InvalidArgument("--output type=docker: push is not for archives", hint="say type=image")
    return ExportOptions(
        form,
        names=_names(attributes.get("name", "")),
        push=pushes,
        by_digest=_flag(kind, attributes, "push-by-digest"),
        packing=packing,
        docker_types=not _flag(kind, attributes, "oci-mediatypes", default=True),
        annotations=parse_annotations(attributes),
        splits=_flag(kind, attributes, "platform-split") if "platform-split" in attributes else None,
        rewrites_times=_flag(kind, attributes, "rewrite-timestamp"),
        has_artifacts=_flag(kind, attributes, "oci-artifact"),
    )


def _check(kind: str, form: str, name: str, value: str) -> None:
    shown = f"--output type={kind},{name}={value}"
    if name in _FIXED and form in (IMAGE, DOCKER, OCI):
        if (value.lower() in _TRUE) is not _FIXED[name]:
            raise Unsupported(f"{shown}: is not supported")
        return
    if is_annotation(name) and form in (IMAGE, DOCKER, OCI):
        return
    if name not in _KNOWN[form]:
        raise Unsupported(f"{shown}: {name} is not supported")


def _packing(attributes: Mapping[str, str]) -> Packing | None:
    """How layers are compressed; None where nothing is said of it."""
    named = attributes.get("compression", "")
    forced = _flag("image", attributes, "force-compression")
    level = attributes.get("compression-level", "")
    if not (named or forced or level):
        return None
    if named and named not in _COMPRESSIONS:
        raise Unsupported(
            f"compression {named} is not supported", hint=f"one of {', '.join(_COMPRESSIONS)} is"
        )
    compression = _COMPRESSIONS[named or "gzip"]
    if level and not (level.isascii() and level.isdigit() and int(level) <= _HIGHEST_LEVEL[compression]):
        raise InvalidArgument(
            f"compression-level {level}: 0 to {_HIGHEST_LEVEL[compression]} for {compression.value}"
        )
    return Packing(compression, int(level) if level else None, is_forced=forced)


def _flag(kind: str, attributes: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    value = attributes.get(name)
    if value is None:
        return default
    if value.lower() in ("", *_TRUE):
        return True
    if value.lower() in _FALSE:
        return False
    raise InvalidArgument(f"--output type={kind},{name}={value}: neither true nor false")


def _names(text: str) -> tuple[Reference, ...]:
    return tuple(parse_reference(name.strip()) for name in text.split(",") if name.strip())
