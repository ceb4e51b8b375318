# SPDX-License-Identifier: Apache-2.0
"""Projects on registries: push one as an artifact, fetch one for ``-f oci://NAME``. No engine has a part in it.

Only what needs it imports this: it loads the registry client and asyncio. What was fetched is kept by its digest, so
that the next command only asks what the name means now.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sampan.cli.registries import find_credentials, run_with_registries
from sampan.compose.artifact import (
    EMPTY,
    MAIN_FILE,
    MANIFEST,
    MAX_LAYER_BYTES,
    Layer,
    assemble,
    config_of,
    encode_artifact,
    read_artifact,
)
from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.oci.digest import Digest
from sampan.oci.index import decode_index
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.manifests import ManifestRefused

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.registry.repository import Registries, Repository

Found = tuple[Digest, dict[str, bytes] | None]
"""A project's digest, and its files where they are not kept here yet."""


def push_project(context: Context, name: str, layers: Sequence[Layer], *, version: str) -> Digest:
    """Push a project by this name; without a version OCI 1.1 is tried, and then 1.0."""
    reference = parse_reference(name)
    credentials = find_credentials(context, str(reference))
    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    async def work(registries: Registries) -> Digest:
        repository = registries.open(reference, credentials, push=True)[-1]
        for layer in layers:
            await _upload(repository, layer)
        tag = str(reference.digest) if reference.digest else reference.tag or "latest"
        for each in [version] if version else ["1.1", "1.0"]:
            raw = encode_artifact(layers, version=each, created=created)
            config = config_of(each)
            await _upload(repository, Layer(media_type=config.media_type, content=EMPTY))
            try:
                await repository.put_manifest(tag, raw, MANIFEST)
            except ManifestRefused:
                if version or each == "1.0":
                    raise
            else:
                break
        return Digest.of(raw)

    return run_with_registries(context, work)


async def _upload(repository: Repository, layer: Layer) -> None:
    described = layer.descriptor
    if not await repository.has(described.digest):
        await repository.upload_parts(described, layer.iter_part, lambda _: None)


def fetch_project(context: Context, name: str) -> str:
    """The path of the compose file of a published project."""
    if context.environ.get("COMPOSE_EXPERIMENTAL_OCI_REMOTE", "").lower() in ("0", "f", "false"):
        raise InvalidArgument('OCI remote resource is disabled by "COMPOSE_EXPERIMENTAL_OCI_REMOTE"')
    reference = parse_reference(name)
    credentials = find_credentials(context, str(reference))

    cache = _cache_folder(context)

    async def work(registries: Registries) -> Found:
        failure: SampanError = NotFound(f"no registry has {reference}")
        for repository in registries.open(reference, credentials):
            try:
                return await _fetch(repository, reference, os.listdir(cache))
            except SampanError as error:
                failure = error
        raise failure

    os.makedirs(cache, mode=0o700, exist_ok=True)
    digest, files = run_with_registries(context, work)
    folder = os.path.join(cache, digest.hex)
    if files is not None:
        _write_folder(folder, files)
    return os.path.join(folder, MAIN_FILE)


async def _fetch(repository: Repository, reference: Reference, cached: Collection[str]) -> Found:
    found = await repository.manifest(str(reference.digest or reference.tag or "latest"))
    if found.is_index:
        found = await _first_project(repository, found, str(reference))
    if found.digest.hex in cached:
        return found.digest, None
    manifest = read_artifact(found.raw, found.media_type, name=str(reference))
    layers = [(layer, await repository.read(layer, MAX_LAYER_BYTES)) for layer in manifest.layers]
    return found.digest, assemble(layers)


async def _first_project(repository: Repository, index: RawManifest, name: str) -> RawManifest:
    """An application is an index of its images and its project."""
    for child in decode_index(index.raw, index.media_type).manifests:
        if child.artifact_type:
            return await repository.manifest(str(child.digest))
    raise InvalidArgument(f"OCI index {name} doesn't refer to compose artifacts")


def _cache_folder(context: Context) -> str:
    base = context.environ.get("XDG_CACHE_HOME") or os.path.join(
        context.environ.get("HOME", "/root"), ".cache"
    )
    return os.path.join(base, "sampan", "compose")


def _write_folder(folder: str, files: dict[str, bytes]) -> None:
    """Whole or not at all."""
    if MAIN_FILE not in files:
        raise InvalidArgument("the artifact has no compose file")
    partial = tempfile.mkdtemp(prefix=".partial-", dir=os.path.dirname(folder))
    try:
        for name, content in files.items():
            with open(os.path.join(partial, name), "xb") as file:
                file.write(content)
        os.rename(partial, folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not os.path.isdir(folder):  # else another command was faster
            raise
