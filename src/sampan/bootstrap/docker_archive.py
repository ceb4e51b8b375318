# SPDX-License-Identifier: Apache-2.0
"""One root filesystem and its settings as an image that any engine loads.

Implements: the docker-archive form of ``docker save`` (manifest.json, a config, one layer), and the OCI image
config for what lies in it. Byte for byte the same for the same input.
Holds: manifest.json is the first member, so that an archive can be given other names while it is read.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING

from sampan.bootstrap.recipe import Recipe, Settings
from sampan.oci.platform import host_platform

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK_BYTES = 1 << 20


def write_archive(out: IO[bytes], layer: IO[bytes], *, config: bytes) -> None:
    """Write a nameless image: manifest, config and layer (an uncompressed tar, read from its start)."""
    image_id = hashlib.sha256(config).hexdigest()
    size = layer.seek(0, io.SEEK_END)
    layer.seek(0)
    layer_name = json.loads(config)["rootfs"]["diff_ids"][0].removeprefix("sha256:") + "/layer.tar"
    manifest = [{"Config": f"{image_id}.json", "RepoTags": [], "Layers": [layer_name]}]
    out.write(_encode_manifest(manifest))
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, f"{image_id}.json", io.BytesIO(config), len(config))
        _add(archive, layer_name, layer, size)


def start_layer(layer: IO[bytes], *, epoch: int) -> None:
    """Begin a root filesystem's tar with an empty /dev, which mmdebstrap has only full or not at all."""
    member = tarfile.TarInfo("./dev")
    member.type = tarfile.DIRTYPE
    member.mode = 0o755
    member.mtime = epoch
    layer.write(member.tobuf(tarfile.USTAR_FORMAT))
    layer.flush()


def name_archive(stream: IO[bytes], references: Sequence[str]) -> IO[bytes]:
    """The same archive with these names in it."""
    header = tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "strict")
    manifest = json.loads(stream.read(_padded(header.size))[: header.size])
    manifest[0]["RepoTags"] = list(references)
    return io.BufferedReader(_Prefixed(_encode_manifest(manifest), stream), _CHUNK_BYTES)


def encode_config(recipe: Recipe, *, diff_id: str, epoch: int, probes: Mapping[str, str]) -> bytes:
    """The image config: what the recipe sets, with the probes' answers among the environment."""
    here = host_platform()
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    config: dict[str, object] = {"architecture": here.architecture}
    if here.variant:
        config["variant"] = here.variant
    config |= {
        "os": "linux",
        "created": created,
        "config": _encode_settings(recipe.settings, probes),
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": created, "created_by": f"sampan bootstrap {recipe.name}"}],
    }
    return _encode(config)


def digest_layer(layer: IO[bytes]) -> str:
    """The diff ID of a layer's tar."""
    layer.seek(0)
    digest = hashlib.sha256()
    while chunk := layer.read(_CHUNK_BYTES):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _encode_settings(settings: Settings, probes: Mapping[str, str]) -> dict[str, object]:
    environment = {**settings.env, **probes}
    fields: dict[str, object] = {
        "User": settings.user,
        "ExposedPorts": {port: {} for port in settings.expose},
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Entrypoint": list(settings.entrypoint) if settings.entrypoint else None,
        "Cmd": list(settings.cmd) if settings.cmd else None,
        "Volumes": {path: {} for path in settings.volumes},
        "WorkingDir": settings.workdir,
        "Labels": dict(settings.labels),
        "StopSignal": settings.stop_signal,
    }
    return {name: value for name, value in fields.items() if value}


def _encode_manifest(manifest: object) -> bytes:
    content = _encode(manifest)
    member = tarfile.TarInfo("manifest.json")
    member.size = len(content)
    member.mode = 0o644
    return member.tobuf(tarfile.USTAR_FORMAT) + content.ljust(_padded(len(content)), b"\0")


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    archive.addfile(member, content)


class _Prefixed(io.RawIOBase):
    """Some bytes, then a stream."""

    def __init__(self, prefix: bytes, stream: IO[bytes]) -> None:
        self._prefix = io.BytesIO(prefix)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._prefix.read(len(view)) or self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)
