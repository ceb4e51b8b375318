# SPDX-License-Identifier: Apache-2.0
"""``/v2/NAME/manifests/REFERENCE``: GET, HEAD, PUT and DELETE.

Implements: distribution-spec 1.1, "Pulling manifests", "Pushing manifests" (with ``OCI-Subject``), "Deleting";
``?tag=`` on a push by digest is of the specification's head.
"""

from __future__ import annotations

from aiohttp import web

from sampan.oci.digest import Digest, parse_digest
from sampan.registry.server.errors import Refusal, manifest_unknown
from sampan.registry.server.names import is_tag
from sampan.registry.server.protocol.call import (
    Call,
    answer,
    content_headers,
    is_match,
    not_modified,
    read_digest,
)
from sampan.registry.server.protocol.intake import read_whole
from sampan.registry.server.storage.index import RepositoryIndex

_MOST_TAGS = 100


async def get_manifest(call: Call) -> web.StreamResponse:
    """The manifest of a tag or digest, as it was pushed; HEAD leaves out the body."""
    repository = call.repository("pull")
    reference = _read_reference(call)
    record = await call.service.upstreams.manifest(call, repository, reference)
    record = record or repository.index().find(reference)
    if record is None:
        raise manifest_unknown(repository.name, reference)
    digest = parse_digest(record.digest)
    if is_match(call.request, digest):
        return not_modified(digest)
    headers = {**content_headers(digest), "Content-Type": record.media_type}
    if call.request.method == "HEAD":
        return answer(200, {**headers, "Content-Length": str(record.size)})
    try:
        raw = repository.read_manifest(record)
    except FileNotFoundError:  # deleted between the two
        raise manifest_unknown(repository.name, reference) from None
    return answer(200, headers, raw, record.media_type)


async def put_manifest(call: Call) -> web.StreamResponse:
    """Keep a manifest, and let its tag, or those of the query, point at it."""
    repository = call.repository("push")
    expected, tags = _read_names(call)
    raw = await read_whole(call, call.service.limits.manifest_bytes)
    record, document = await call.block(
        call.store.put_manifest,
        repository,
        raw,
        call.request.headers.get("Content-Type", "").partition(";")[0].strip(),
        expected,
        tags,
        precondition=lambda index: _require_precondition(call, index),
    )
    headers = {
        "Location": f"/v2/{repository.name}/manifests/{call.route.argument}",
        "Docker-Content-Digest": record.digest,
    }
    if document.subject is not None:
        headers["OCI-Subject"] = str(document.subject.digest)
    response = answer(201, headers)
    if expected is not None:
        for tag in tags:
            response.headers.add("OCI-Tag", tag)
    return response


async def delete_manifest(call: Call) -> web.StreamResponse:
    """Remove a tag, or a manifest and its tags."""
    repository = call.repository("delete")
    await call.block(call.store.remove_manifest, repository, _read_reference(call))
    return answer(202)


def _read_reference(call: Call) -> str:
    """A tag or digest to look for; what can be neither is just not there."""
    text = call.route.argument
    if ":" in text:
        return str(read_digest(text))
    return text


def _read_names(call: Call) -> tuple[Digest | None, list[str]]:
    """What a push is called."""
    text = call.route.argument
    if ":" not in text:
        _require_tags([text])
        return None, [text]
    tags = list(dict.fromkeys(call.request.rel_url.query.getall("tag", [])))
    _require_tags(tags)
    return read_digest(text), tags


def _require_tags(tags: list[str]) -> None:
    for tag in tags:
        if not is_tag(tag):
            raise Refusal("TAG_INVALID", "invalid tag", detail={"tag": tag[:256]})
    if len(tags) > _MOST_TAGS:
        raise Refusal("TAG_INVALID", f"more than {_MOST_TAGS} tags")


def _require_precondition(call: Call, index: RepositoryIndex) -> None:
    """If-Match and If-None-Match on a push: a tag is moved only from where the client thinks that it is."""
    fields = call.request.headers
    if "If-Match" not in fields and "If-None-Match" not in fields:
        return
    record = index.find(call.route.argument)
    wanted, unwanted = fields.get("If-Match", ""), fields.get("If-None-Match", "")
    is_there = record is not None and (wanted.strip() == "*" or record.digest in wanted)
    is_unwanted = record is not None and (unwanted.strip() == "*" or record.digest in unwanted)
    if ("If-Match" in fields and not is_there) or is_unwanted:
        raise Refusal("DENIED", "the tag is not what the request expects", status=412)
