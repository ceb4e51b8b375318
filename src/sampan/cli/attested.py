# SPDX-License-Identifier: Apache-2.0
"""What an index says of its images besides them: provenance and SBOM, as ``imagetools inspect`` shows them.

Implements: BuildKit's attestation manifests; the keys of ``docker buildx imagetools inspect --format``.
Holds: nothing of it is verified; it is what whoever pushed the image says.
"""

from __future__ import annotations

from sampan.oci.index import attested_digest, decode_index, is_attestation
from sampan.oci.manifest import decode_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sampan.transport.composing import Found

_PREDICATE = "in-toto.io/predicate-type"
_WORDS = ("Provenance", "SBOM")
_LIMIT_BYTES = 256 << 20
_PROVENANCE = "https://slsa.dev/provenance/"
_SPDX = "https://spdx.dev/Document"


def wants_attestations(template: str) -> bool:
    """Whether a template shows them: they may be large, and are not fetched for one that does not."""
    return any(word in template for word in (*_WORDS, "json .}", "json . }", "{{.}}"))


async def read_attestations(found: Found) -> dict[str, Any]:
    """``{"Provenance": …, "SBOM": …}``: of one image as they are, of several by their platforms."""
    document = found.document
    told: dict[str, dict[str, Any]] = {word: {} for word in _WORDS}
    if not document.is_index:
        return dict(told)
    children = decode_index(document.raw, document.media_type).manifests
    platforms = {
        str(child.digest): str(child.platform or child.digest)
        for child in children
        if not is_attestation(child)
    }
    for child in children:
        platform = platforms.get(attested_digest(child)) if is_attestation(child) else None
        if platform is None:
            continue
        fetched = await found.source.manifest(child.digest)
        for layer in decode_manifest(fetched.raw, fetched.media_type).layers:
            kind = layer.annotations.get(_PREDICATE, "")
            if kind.startswith(_PROVENANCE):
                told["Provenance"].setdefault(platform, {})["SLSA"] = await _predicate(found, layer)
            elif kind == _SPDX:
                _add_document(told["SBOM"].setdefault(platform, {}), await _predicate(found, layer))
    return {name: _alone(by_platform, platforms) for name, by_platform in told.items()}


async def _predicate(found: Found, layer: Any) -> Any:
    from sampan.oci.document import decode_object
    from sampan.transport.checked import read_blob

    return decode_object(await read_blob(found.source.blob(layer), _LIMIT_BYTES), "attestation").get(
        "predicate"
    )


def _add_document(sbom: dict[str, Any], document: Any) -> None:
    if "SPDX" in sbom:
        sbom.setdefault("AdditionalSPDXs", []).append(document)
    else:
        sbom["SPDX"] = document


def _alone(by_platform: dict[str, Any], platforms: Mapping[str, str]) -> Any:
    """Of an index with one image, what there is of that."""
    return next(iter(by_platform.values()), {}) if len(platforms) == 1 else by_platform
