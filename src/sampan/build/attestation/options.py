# SPDX-License-Identifier: Apache-2.0
"""Which attestations a build is asked for (pure).

Implements: docker buildx build, ``--attest type=provenance|sbom,…`` with BuildKit's parameters, which its clients hand
on as ``attest:TYPE``. Other generators of SBOMs are images that would have to be run, and are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sampan.errors import InvalidArgument, Unsupported

PROVENANCE, SBOM = "provenance", "sbom"
_TRUE, _FALSE = ("1", "t", "true", ""), ("0", "f", "false")
_KNOWN = {
    PROVENANCE: {"mode", "builder-id", "filename", "reproducible", "inline-only", "version", "disabled"},
    SBOM: {"generator", "inline-only", "disabled"},
}
_VERSIONS = ("v0.2", "v1")


@dataclass(frozen=True, slots=True)
class ProvenanceOptions:
    """`is_full`: with the build's arguments and its Dockerfile (``mode=max``)."""

    is_full: bool = True
    version: str = "v0.2"
    builder_id: str = ""
    is_reproducible: bool = False


@dataclass(frozen=True, slots=True)
class Attestations:
    """What is wanted."""

    provenance: ProvenanceOptions | None = None
    sbom: bool = False

    def __bool__(self) -> bool:
        return self.provenance is not None or self.sbom


def parse_words(words: Iterable[str]) -> dict[str, str]:
    """``type=provenance,mode=min`` and its like, the last one of a type."""
    found: dict[str, str] = {}
    for word in words:
        fields = [field.strip() for field in word.split(",")]
        kinds = [field.partition("=")[2] for field in fields if field.startswith("type=")]
        if len(kinds) != 1:
            raise InvalidArgument(f"--attest {word}: attestation type not specified")
        found[kinds[0]] = ",".join(field for field in fields if not field.startswith("type="))
    return found


def parse_attestations(words: Mapping[str, str]) -> Attestations:
    """Read ``{"provenance": "mode=min,version=v1", "sbom": ""}``.

    What buildx adds to every build unasked (``inline-only=true``) is left alone: an image here has no attestations
    unless somebody wants them.
    """
    provenance: ProvenanceOptions | None = None
    sbom = False
    for kind, text in words.items():
        fields = _fields(kind, text)
        if _is_true(kind, fields, "disabled") or _is_true(kind, fields, "inline-only"):
            continue
        if kind == PROVENANCE:
            provenance = _provenance(fields)
        else:
            if fields.get("generator"):
                raise Unsupported(
                    f"--sbom=generator={fields['generator']}: other generators are not supported",
                    hint="--sbom=true lists the packages of dpkg, apk, rpm and Python",
                )
            sbom = True
    return Attestations(provenance, sbom)


def _fields(kind: str, text: str) -> dict[str, str]:
    if kind not in _KNOWN:
        raise Unsupported(f"--attest type={kind} is not supported", hint="provenance and sbom are")
    fields = {}
    for word in filter(None, text.split(",")):
        key, _, value = word.partition("=")
        if key == "type":  # some clients say it twice
            continue
        if key not in _KNOWN[kind]:
            raise InvalidArgument(f"--attest type={kind}: unknown parameter {key}")
        fields[key] = value
    return fields


def _provenance(fields: Mapping[str, str]) -> ProvenanceOptions:
    mode, version = fields.get("mode", "max"), fields.get("version", "v0.2")
    if mode not in ("min", "max"):
        raise InvalidArgument(f"invalid provenance mode {mode}: min or max")
    if version not in _VERSIONS:
        raise InvalidArgument(f"invalid provenance version {version}: {' or '.join(_VERSIONS)}")
    return ProvenanceOptions(
        mode == "max", version, fields.get("builder-id", ""), _is_true(PROVENANCE, fields, "reproducible")
    )


def _is_true(kind: str, fields: Mapping[str, str], key: str) -> bool:
    value = fields.get(key, "false").lower()
    if value not in (*_TRUE, *_FALSE):
        raise InvalidArgument(f"--attest type={kind}: {key}={value} is neither true nor false")
    return value in _TRUE
