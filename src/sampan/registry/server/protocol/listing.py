# SPDX-License-Identifier: Apache-2.0
"""Lists: the tags of a repository, the repositories of the registry, what refers to a manifest.

Implements: distribution-spec 1.1, "Content Discovery": ``n`` and ``last`` with Link, the referrers API with its filter.
Manifests that an index under the fallback tag (``sha256-HEX``) lists are referrers, too: clients that do not know the
API have put them there.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from aiohttp import web

from sampan.errors import DataCorrupt
from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.document import encode_object
from sampan.oci.media_type import OCI_INDEX
from sampan.registry.server.errors import Refusal
from sampan.registry.server.protocol.call import Call, answer
from sampan.registry.server.storage.index import Record, RepositoryIndex
from sampan.registry.server.storage.repository import Repository

MOST_REPOSITORIES = 1000
_MOST_REFERRERS = 500


async def list_tags(call: Call) -> web.StreamResponse:
    """``tags/list``."""
    repository = call.repository("pull")
    if not repository.exists:
        raise Refusal(
            "NAME_UNKNOWN", "repository name not known to registry", detail={"name": repository.name}
        )
    tags = sorted(repository.index().tags)
    start = bisect_right(tags, call.request.rel_url.query.get("last", ""))
    page, more = _cut(call, tags[start:])
    body = encode_object({"name": repository.name, "tags": page})
    return answer(200, _link(call, page, more=more), body)


async def list_repositories(call: Call) -> web.StreamResponse:
    """``_catalog``: those that this client may pull from."""
    call.service.gate.greet(call.request, call.principal, "registry:catalog:*")
    last = call.request.rel_url.query.get("last", "")
    most = _read_count(call)
    if most is None:
        most = MOST_REPOSITORIES
    names = await call.block(_visible, call, last, most + 1)
    page = names[:most]
    body = encode_object({"repositories": page})
    return answer(200, _link(call, page, more=len(names) > most, count=most), body)


async def list_referrers(call: Call) -> web.StreamResponse:
    """``referrers/DIGEST``: an index of what has this as its subject; an empty one of what nobody knows."""
    repository = call.repository("pull")
    subject = call.digest()
    query = call.request.rel_url.query
    wanted = query.get("artifactType", "")
    found = await call.block(_find_referrers, repository, subject, query.get("last", ""))
    page = found[:_MOST_REFERRERS]
    shown = [item for item in page if not wanted or item.artifact_type == wanted]
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [encode_descriptor(item) for item in shown],
    }
    headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
    if len(found) > _MOST_REFERRERS:
        fields = {"last": str(page[-1].digest), **({"artifactType": wanted} if wanted else {})}
        headers["Link"] = _link_to(call, fields)
    return answer(200, headers, encode_object(index), OCI_INDEX)


def _visible(call: Call, last: str, most: int) -> list[str]:
    names = (name for name in call.store.repositories() if name > last and call.principal.may("pull", name))
    # They are found in the order of directories, "a/b" before "a-b"; clients sort the whole name.
    return sorted(names)[:most]


def _find_referrers(repository: Repository, subject: Digest, last: str) -> list[Descriptor]:
    """One page and a little more, in the order of digests."""
    index = repository.index()
    digests = sorted({*index.referrers.get(str(subject), ()), *_iter_fallback(repository, index, subject)})
    rest = digests[bisect_right(digests, last) :]
    return [_describe(repository, index.manifests[digest]) for digest in rest[: _MOST_REFERRERS + 1]]


def _iter_fallback(repository: Repository, index: RepositoryIndex, subject: Digest) -> Iterable[str]:
    mark = index.tags.get(f"{subject.algorithm}-{subject.hex[:64]}")
    if mark is None:
        return ()
    try:
        children = repository.document(index.manifests[mark.digest]).children
    except (DataCorrupt, FileNotFoundError):
        return ()
    return [str(child.digest) for child in children if str(child.digest) in index.manifests]


def _describe(repository: Repository, record: Record) -> Descriptor:
    try:
        annotations = repository.document(record).annotations or {}
    except FileNotFoundError:  # deleted meanwhile
        annotations = {}
    return Descriptor(
        record.media_type,
        parse_digest(record.digest),
        record.size,
        annotations=annotations,
        artifact_type=record.artifact_type,
    )


def _cut(call: Call, names: Sequence[str]) -> tuple[list[str], bool]:
    most = _read_count(call)
    if most is None:
        return list(names), False
    return list(itertools.islice(names, most)), len(names) > most


def _read_count(call: Call) -> int | None:
    text = call.request.rel_url.query.get("n")
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise Refusal("PAGINATION_NUMBER_INVALID", "n is not a number", detail={"n": text[:32]})
    return int(text)


def _link(call: Call, page: Sequence[str], *, more: bool, count: int | None = None) -> dict[str, str]:
    if not more or not page:
        return {}
    number = count if count is not None else call.request.rel_url.query["n"]
    return {"Link": _link_to(call, {"n": str(number), "last": page[-1]})}


def _link_to(call: Call, fields: dict[str, str]) -> str:
    return f'<{call.request.rel_url.raw_path}?{urlencode(fields)}>; rel="next"'
