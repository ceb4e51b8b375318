# SPDX-License-Identifier: Apache-2.0
"""ADD of an HTTP URL: download it, unless the server says that it is what we had.

Implements: RFC 9110, conditional requests (ETag, Last-Modified); the Dockerfile reference, ADD, "Remote files".
Holds: the file is 0600, root's, as old as the server says; ``--checksum`` is checked before anything uses it.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from sampan.errors import Cancelled, DataCorrupt, InvalidArgument, NotFound, Unavailable
from sampan.oci.digest import parse_digest

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A download in a folder of its own, or, with `folder` empty, the word that nothing changed."""

    folder: str
    name: str
    digest: str
    validators: Mapping[str, str]


def file_name(url: str) -> str:
    """The last part of the URL's path."""
    name = posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    return name if name not in ("", ".", "..", "/") else "__unnamed__"


def fetch(
    url: str,
    folder: str,
    *,
    checksum: str,
    known: Mapping[str, str],
    proxies: Mapping[str, str],
    progress: Callable[[int, int], None],
    is_stopped: Callable[[], bool],
) -> Fetched:
    """Download into the folder; `known` is what an earlier answer said (``etag``, ``last-modified``, ``digest``)."""
    request = urllib.request.Request(url, headers=_conditions(known))  # noqa: S310 - http and https only
    handler = urllib.request.ProxyHandler(dict(proxies))
    try:
        with urllib.request.build_opener(handler).open(request, timeout=_TIMEOUT_S) as answer:
            digest = _save(answer, f"{folder}/{file_name(url)}", progress, is_stopped)
            headers = answer.headers
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 304:
            _check(url, known["digest"], checksum)
            return Fetched("", file_name(url), known["digest"], known)
        kind = NotFound if error.code == 404 else Unavailable
        raise kind(
            f"failed to load cache key: invalid response status {error.code} {error.reason}: {url}"
        ) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise Unavailable(f"{url}: {getattr(error, 'reason', error)}") from error
    _check(url, digest, checksum)
    _set_time(f"{folder}/{file_name(url)}", headers.get("Last-Modified"))
    validators = {"digest": digest}
    for name in ("ETag", "Last-Modified"):
        if headers.get(name):
            validators[name.lower()] = headers[name]
    return Fetched(folder, file_name(url), digest, validators)


def proxies_of(env: Mapping[str, str]) -> dict[str, str]:
    """Proxies as urllib wants them, from the proxy variables of a build."""
    return {scheme: env[f"{scheme}_proxy"] for scheme in ("http", "https") if f"{scheme}_proxy" in env}


def _conditions(known: Mapping[str, str]) -> dict[str, str]:
    headers = {"User-Agent": "sampan"}
    if "digest" in known and "etag" in known:
        headers["If-None-Match"] = known["etag"]
    elif "digest" in known and "last-modified" in known:
        headers["If-Modified-Since"] = known["last-modified"]
    return headers


def _save(
    answer: object, path: str, progress: Callable[[int, int], None], is_stopped: Callable[[], bool]
) -> str:
    read = answer.read  # type: ignore[attr-defined]
    total = int(answer.headers.get("Content-Length") or 0)  # type: ignore[attr-defined]
    hasher = hashlib.sha256()
    size = 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        while data := read(_CHUNK_BYTES):
            if is_stopped():
                raise Cancelled("download stopped")
            hasher.update(data)
            file.write(data)
            size += len(data)
            progress(size, total)
    return f"sha256:{hasher.hexdigest()}"


def _check(url: str, digest: str, checksum: str) -> None:
    if not checksum:
        return
    if parse_digest(checksum).algorithm != "sha256":
        raise InvalidArgument(f"checksum of {url}: only sha256 is supported")
    if checksum != digest:
        raise DataCorrupt(f"digest mismatch {digest}: {checksum}: {url}")


def _set_time(path: str, last_modified: str | None) -> None:
    seconds = 0.0
    if last_modified:
        try:
            seconds = parsedate_to_datetime(last_modified).timestamp()
        except (ValueError, TypeError):
            seconds = 0.0
    os.utime(path, (seconds, seconds))
