# SPDX-License-Identifier: Apache-2.0
"""Image archives for tests: written by Python's own tarfile, so that a mistake of ours cannot cancel out."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping

Layer = Mapping[str, bytes]


def make_tar(members: Iterable[tuple[str, bytes | str]]) -> bytes:
    """Files (bytes) and symbolic links (text) in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_config(layers: Iterable[bytes], **config: object) -> bytes:
    diff_ids = [f"sha256:{sha256(layer)}" for layer in layers]
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-01-02T03:04:05.5Z",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [
                {"created": "2024-01-02T03:04:05Z", "created_by": f"step {i}"} for i, _ in enumerate(diff_ids)
            ],
        }
    ).encode()


def make_docker_archive(layers: list[bytes], *tags: str, config: bytes | None = None) -> bytes:
    """As ``docker save`` of old, and skopeo, write it: layers first, manifest last."""
    raw = config if config is not None else make_config(layers)
    names = [f"{sha256(layer)}/layer.tar" for layer in layers]
    manifest = [{"Config": f"{sha256(raw)}.json", "RepoTags": list(tags) or None, "Layers": names}]
    return make_tar(
        [
            *zip(names, layers, strict=True),
            (f"{sha256(raw)}.json", raw),
            ("manifest.json", json.dumps(manifest).encode()),
        ]
    )


def make_layout(layers: list[bytes], annotations: Mapping[str, str], *, config: bytes | None = None) -> bytes:
    """An OCI image layout in a tar."""
    raw = config if config is not None else make_config(layers)
    oci = "application/vnd.oci.image."
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{oci}manifest.v1+json",
            "config": _descriptor(raw, f"{oci}config.v1+json"),
            "layers": [_descriptor(layer, f"{oci}layer.v1.tar") for layer in layers],
        }
    ).encode()
    entry = _descriptor(manifest, f"{oci}manifest.v1+json") | {"annotations": dict(annotations)}
    index = {"schemaVersion": 2, "manifests": [entry]}
    blobs = [(f"blobs/sha256/{sha256(data)}", data) for data in (raw, manifest, *layers)]
    return make_tar(
        [
            *blobs,
            ("index.json", json.dumps(index).encode()),
            ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        ]
    )


def _descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{sha256(data)}", "size": len(data)}
