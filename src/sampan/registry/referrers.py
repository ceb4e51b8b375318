# SPDX-License-Identifier: Apache-2.0
"""What refers to a manifest: signatures and other things said about an image, found from the image.

Implements: distribution-spec 1.1, "Listing Referrers", and for registries without it the "Referrers Tag Schema".
Holds: lists are bounded in pages and bytes. A tag's index is read, changed and written again: the protocol has no way
to do that in one step, so two writers at once may lose one entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import quote

from sampan.errors import InvalidArgument, NotFound, Unavailable
from sampan.oci import media_type
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.document import InvalidDocument
from sampan.oci.index import decode_index, encode_index
from sampan.registry.auth import repository_scope
from sampan.registry.exchange import Exchange, read_limited
from sampan.registry.manifests import fetch_manifest, next_page, put_manifest
from sampan.registry.settings import Limits

MAX_PAGES = 20
_ATTACHMENT = re.compile(r"sha\d{3}-[0-9a-f]{64,}(?:\.[a-z]+)?")


async def list_referrers(
    exchange: Exchange, subject: Digest, limits: Limits, artifact_type: str = ""
) -> list[Descriptor]:
    """The manifests whose subject it is: all, or those of a type and those whose type is not said."""
    try:
        found = await _ask(exchange, subject, artifact_type, limits)
    except (NotFound, InvalidArgument, InvalidDocument):
        found = await _read_tag(exchange, subject, limits)
        # Clients write that list. go-containerregistry (cosign, crane) gives the config's media type as the artifact's.
        vague = ("", media_type.OCI_EMPTY)
        return [
            one for one in found if artifact_type in ("", one.artifact_type) or one.artifact_type in vague
        ]
    return [one for one in found if artifact_type in ("", one.artifact_type)]


async def put_referrer(
    exchange: Exchange, subject: Digest, raw: bytes, described: Descriptor, limits: Limits
) -> None:
    """Push a manifest with this subject; `described` is what the list is to say of it."""
    if not await put_manifest(exchange, str(described.digest), raw, described.media_type):
        await _change_tag(exchange, subject, limits, lambda known: [*known, described])


async def forget_referrer(exchange: Exchange, subject: Digest, referrer: Digest, limits: Limits) -> None:
    """Take a manifest that has been deleted out of the list, where that is kept by tag."""
    await _change_tag(
        exchange, subject, limits, lambda known: [one for one in known if one.digest != referrer]
    )


def is_attachment_tag(tag: str) -> bool:
    """Whether a tag holds what is said of an image (signatures, a list of referrers), not an image."""
    return _ATTACHMENT.fullmatch(tag) is not None


def referrers_tag(subject: Digest) -> str:
    """Where the list is kept on a registry that keeps none by itself."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


async def _ask(
    exchange: Exchange, subject: Digest, artifact_type: str, limits: Limits
) -> Sequence[Descriptor]:
    repository = exchange.endpoint.repository
    path = f"/v2/{repository}/referrers/{subject}"
    path += f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
    scopes = frozenset({repository_scope(repository, "pull")})
    found: list[Descriptor] = []
    for _ in range(MAX_PAGES):
        async with exchange.request("GET", path, scopes=scopes) as response:
            if not response.headers.get("Content-Type", "").startswith(media_type.OCI_INDEX):
                raise InvalidDocument("list of referrers is no index")  # some answer every path with a page
            raw = await read_limited(response, limits.manifest_bytes, "list of referrers")
            path = next_page(path, response.headers.get("Link", ""))
        found += decode_index(raw).manifests
        if not path:
            return found
    raise Unavailable(f"{repository}: the list of referrers does not end")


async def _read_tag(exchange: Exchange, subject: Digest, limits: Limits) -> Sequence[Descriptor]:
    try:
        fetched = await fetch_manifest(exchange, referrers_tag(subject), limits)
    except NotFound:
        return ()
    return decode_index(fetched.raw, fetched.media_type).manifests if fetched.is_index else ()


async def _change_tag(
    exchange: Exchange,
    subject: Digest,
    limits: Limits,
    change: Callable[[Sequence[Descriptor]], Sequence[Descriptor]],
) -> None:
    known = await _read_tag(exchange, subject, limits)
    wanted = {one.digest: one for one in change(known)}
    if set(wanted) != {one.digest for one in known}:
        raw = encode_index(wanted.values())
        await put_manifest(exchange, referrers_tag(subject), raw, media_type.OCI_INDEX)
