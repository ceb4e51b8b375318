# SPDX-License-Identifier: Apache-2.0
"""Manifests and tags of one repository.

Implements: distribution-spec 1.1, "Pulling manifests", "Pushing Manifests", "Listing Tags".
Holds: a manifest asked for by digest has it; what a registry says in Docker-Content-Digest is not believed but
computed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

from sampan.errors import DataCorrupt, InvalidArgument, NotFound, SampanError, Unavailable
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, DigestMismatch, InvalidDigest, parse_digest
from sampan.oci.document import decode_object, get_string, get_strings
from sampan.oci.raw_manifest import RawManifest
from sampan.registry.auth import Scopes, repository_scope
from sampan.registry.exchange import NETWORK_FAILURES, Exchange, read_limited
from sampan.registry.failures import Broken, is_connection_failure, unreachable
from sampan.registry.settings import Limits

ACCEPTED = (
    media_type.OCI_INDEX,
    media_type.OCI_MANIFEST,
    media_type.DOCKER_LIST,
    media_type.DOCKER_MANIFEST,
)
_MAX_TAG_PAGES = 1000
_MAX_PAGE_BYTES = 4 << 20
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*rel="?next')


class ManifestRefused(InvalidArgument):
    """The registry does not take this kind of manifest; it may take another."""


async def fetch_manifest(exchange: Exchange, name: str, limits: Limits) -> RawManifest:
    """The manifest or index of a tag or digest."""
    repository = exchange.endpoint.repository
    path = f"/v2/{repository}/manifests/{name}"
    what = f"manifest {name}"
    for attempt in range(exchange.patience.attempts):
        try:
            async with exchange.request("GET", path, scopes=_pull(repository), headers=_accept()) as response:
                raw = await read_limited(response, limits.manifest_bytes, what)
                declared = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return _checked(raw, declared, name)
        except NETWORK_FAILURES as error:
            if not is_connection_failure(error):
                raise unreachable(error, "GET", path) from error
            broken = error
            await exchange.pause(attempt)
    raise unreachable(broken, "GET", path) from broken


async def head_manifest(exchange: Exchange, name: str) -> Descriptor | None:
    """What the registry says it has by this name; None if it has nothing, or does not say."""
    repository = exchange.endpoint.repository
    path = f"/v2/{repository}/manifests/{name}"
    try:
        async with exchange.request("HEAD", path, scopes=_pull(repository), headers=_accept()) as response:
            digest = parse_digest(response.headers.get("Docker-Content-Digest", ""))
            kind = response.headers.get("Content-Type", "").partition(";")[0]
            return Descriptor(kind, digest, response.content_length or 0)
    except (NotFound, InvalidDigest):
        return None


async def put_manifest(exchange: Exchange, name: str, raw: bytes, kind: str) -> bool:
    """Push a manifest, by tag or digest; whether the registry keeps the list of its subject's referrers."""
    repository = exchange.endpoint.repository
    scopes = frozenset({repository_scope(repository, "pull", "push")})
    try:
        async with exchange.request(
            "PUT",
            f"/v2/{repository}/manifests/{name}",
            scopes=scopes,
            accept=(200, 201, 202),
            headers={"Content-Type": kind},
            body=lambda: raw,
        ) as response:
            said = response.headers.get("Docker-Content-Digest", "")
            has_referrers = "OCI-Subject" in response.headers
    except InvalidArgument as error:
        raise ManifestRefused(error.message, hint=error.hint) from error
    actual = Digest.of(raw)
    if said.startswith("sha256:") and said != str(actual):
        raise Broken(f"manifest {name}: the registry stored {said}, not {actual}")
    return has_referrers


async def delete_manifest(exchange: Exchange, name: str) -> None:
    """Delete a manifest by its digest, or a tag where the registry knows how to."""
    repository = exchange.endpoint.repository
    scopes = frozenset({repository_scope(repository, "pull", "delete")})
    path = f"/v2/{repository}/manifests/{name}"
    async with exchange.request("DELETE", path, scopes=scopes, accept=(200, 202)):
        return


async def iter_tags(exchange: Exchange) -> AsyncIterator[str]:
    """All tags, page by page."""
    repository = exchange.endpoint.repository
    path = f"/v2/{repository}/tags/list"
    for _ in range(_MAX_TAG_PAGES):
        async with exchange.request("GET", path, scopes=_pull(repository)) as response:
            raw = await read_limited(response, _MAX_PAGE_BYTES, "list of tags")
            following = next_page(path, response.headers.get("Link", ""))
        for tag in get_strings(decode_object(raw, "list of tags"), "tags", "list of tags"):
            yield tag
        if not following:
            return
        path = following
    raise Unavailable(f"{repository}: the list of tags does not end")


def next_page(path: str, header: str) -> str:
    """What a Link header says is the next page, on this host wherever it says it is; nothing after the last."""
    link = _NEXT.search(header)
    if not link:
        return ""
    parts = urlsplit(urljoin(f"http://registry{path}", link[1]))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _checked(raw: bytes, declared: str, name: str) -> RawManifest:
    if ":" in name:
        expected = parse_digest(name)
        actual = Digest.of(raw, expected.algorithm)
        if actual != expected:
            raise DigestMismatch(expected, actual)
    source = decode_object(raw, "manifest")
    kind = get_string(source, "mediaType", "manifest")
    if not kind:
        kind = declared if declared in ACCEPTED else _guess(source)
    elif declared in ACCEPTED and kind in ACCEPTED and declared != kind:
        raise Broken(f"manifest {name}: it says {kind}, the registry says {declared}")
    if "fsLayers" in source or source.get("schemaVersion") == 1:
        raise _too_old(name)
    if kind not in ACCEPTED:
        raise Broken(f"manifest {name} has the unsupported media type {kind!r}")
    return RawManifest(raw, kind)


def _guess(source: dict[str, object]) -> str:
    return media_type.OCI_INDEX if "manifests" in source else media_type.OCI_MANIFEST


def _too_old(name: str) -> SampanError:
    return DataCorrupt(
        f"manifest {name}: Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been"
        " removed",
        hint="ask the author of the image to push it again with a newer tool",
    )


def _accept() -> dict[str, str]:
    return {"Accept": ", ".join(ACCEPTED)}


def _pull(repository: str) -> Scopes:
    return frozenset({repository_scope(repository, "pull")})
