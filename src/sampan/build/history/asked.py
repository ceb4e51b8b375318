# SPDX-License-Identifier: Apache-2.0
"""What a build was asked for, in the words of BuildKit's Dockerfile frontend (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.build.attestation.facts import redact
from sampan.build.request import BuildRequest
from sampan.build.ulimits import format_ulimits


def describe_request(request: BuildRequest, context: str = "") -> dict[str, str]:
    """The attributes of a request; `context` is the folder or the URL that the build is of, if it is either."""
    return dict(_attributes(request, context))


def _attributes(request: BuildRequest, context: str) -> Iterator[tuple[str, str]]:
    if isinstance(request.dockerfile, str):
        yield "filename", request.dockerfile
    words = {
        "context": redact(context),
        "target": request.target,
        "platform": request.platform,
        "no-cache-filter": ",".join(request.no_cache_stages),
        "image-resolve-mode": "pull" if request.pull else "",
        "force-network-mode": "" if request.network == "default" else request.network,
        "add-hosts": ",".join(word.replace(":", "=", 1) for word in request.extra_hosts),
        "shm-size": str(request.shm_size_bytes or ""),
        "ulimit": format_ulimits(request.limits),
        "cgroup-parent": request.limits.cgroup_parent,
    }
    yield from ((name, value) for name, value in words.items() if value)
    if request.no_cache:
        yield "no-cache", ""
    yield from ((f"build-arg:{name}", value) for name, value in request.given_arguments.items())
    yield from ((f"label:{name}", value or "") for name, value in request.labels.items())
    yield from ((f"context:{name}", redact(value)) for name, value in request.named_contexts.items())
