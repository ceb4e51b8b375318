# SPDX-License-Identifier: Apache-2.0
"""Which records of the cache a client means (pure).

Implements: containerd's filters as far as buildx writes them (``id~=x``, ``type==regular``, ``description==…``,
``shared``, ``private``, several with commas between them), and the limits of a prune.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sampan.build.cache_choice import CacheChoice
from sampan.buildkit.messages.control import PruneRequest
from sampan.errors import Unsupported

_TERM = re.compile(r"(id|description|type)(~=|==|=)\"?([^\"]*)\"?|(shared|private)")


def plan_prune_choice(request: PruneRequest, *, now_ns: int) -> CacheChoice:
    """What a prune may take; a duration is how long ago it was used last."""
    return plan_choice(
        request.filter,
        unused_since_ns=now_ns - request.keep_duration if request.keep_duration > 0 else None,
        reserved_bytes=max(0, request.reserved_space),
        max_used_bytes=max(0, request.max_used_space),
        min_free_bytes=max(0, request.min_free_space),
    )


def plan_choice(
    filters: Sequence[str],
    *,
    unused_since_ns: int | None = None,
    reserved_bytes: int = 0,
    max_used_bytes: int = 0,
    min_free_bytes: int = 0,
) -> CacheChoice:
    """The records that the filters let through; buildx sends an empty one where there is none."""
    texts = [text for text in filters if text]
    if len(texts) > 1:
        raise Unsupported("several filters of which one is enough are not supported")
    ids: set[str] = set()
    descriptions: set[str] = set()
    types: set[str] = set()
    shared: bool | None = None
    for term in texts[0].split(",") if texts else ():
        match = _TERM.fullmatch(term)
        if match is None:
            raise Unsupported(f"filter {term} is not supported")
        key, _, value, word = match.groups()
        if word:
            shared = word == "shared"
        elif key == "id":
            ids.add(value)
        elif key == "description":
            descriptions.add(value)
        else:
            types.add(value)
    return CacheChoice(
        ids=frozenset(ids),
        descriptions=frozenset(descriptions),
        types=frozenset(types),
        shared=shared,
        unused_since_ns=unused_since_ns,
        reserved_bytes=reserved_bytes,
        max_used_bytes=max_used_bytes,
        min_free_bytes=min_free_bytes,
    )
