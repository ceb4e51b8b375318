# SPDX-License-Identifier: Apache-2.0
"""Names without a registry, and the search for images by words.

Implements: the unqualified-search list of containers-registries.conf(5) (pure); the search of registry API v1, which
the Hub and those that copy it still answer; on other registries the catalogue of distribution-spec 1.1 is searched for
names, and what is found has the registry in its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sampan.errors import InvalidArgument, NotFound
from sampan.oci.document import decode_object, get_list, get_strings
from sampan.oci.reference import DEFAULT_REGISTRY, Reference, parse_reference
from sampan.registry.credentials import Credentials
from sampan.registry.endpoints import Endpoint, is_insecure_host
from sampan.registry.exchange import NETWORK_FAILURES, Exchange, read_limited
from sampan.registry.failures import MAX_ERROR_BYTES, refuse, unreachable
from sampan.registry.manifests import next_page
from sampan.registry.transport import Transport

_SEARCH_HOST = "index.docker.io"
_MAX_ANSWER_BYTES = 4 << 20
_DEFAULT_LIMIT, _MOST = 25, 100
_PAGE, _MOST_PAGES = 1000, 100


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Words, and what the results must be like."""

    term: str
    limit: int = 0
    is_official: bool | None = None
    is_automated: bool | None = None
    least_stars: int = 0


def plan_search(name: str, search: Sequence[str]) -> list[Reference]:
    """The references that a name may mean, in the order to try them; one, if it says its registry."""
    reference = parse_reference(name)
    first = name.partition("/")[0]
    if not search or reference.registry != DEFAULT_REGISTRY or first in (DEFAULT_REGISTRY, _SEARCH_HOST):
        return [reference]
    return [parse_reference(f"{place}/{name}") for place in search]


async def search_hub(
    transport: Transport, request: SearchRequest, credentials: Credentials
) -> list[dict[str, Any]]:
    """The repositories that the words find, as ImageSearch shows them."""
    if not 0 <= request.limit <= _MOST:
        raise InvalidArgument(f"limit {request.limit} is outside the range of [1, {_MOST}]")
    host, term = _place(request.term)
    try:
        found = await _ask_index(transport, host, term, request, credentials)
    except NotFound:
        if host == _SEARCH_HOST:
            raise
        found = await _look_through_catalogue(transport, host, term, request, credentials)
    return [item for item in found if _fits(item, request)]


async def _ask_index(
    transport: Transport, host: str, term: str, request: SearchRequest, credentials: Credentials
) -> list[dict[str, Any]]:
    is_insecure = is_insecure_host(host, transport.settings.insecure)
    scheme = "http" if is_insecure else "https"
    query = urlencode({"q": term, "n": request.limit or _DEFAULT_LIMIT})
    url = f"{scheme}://{host}/v1/search?{query}"
    headers = {"Authorization": credentials.basic} if credentials.username and not is_insecure else {}
    try:
        response = await transport.send("GET", url, headers=headers, insecure=is_insecure)
        try:
            if response.status != 200:
                body = await response.content.read(MAX_ERROR_BYTES)
                raise refuse(response.status, body, what=f'Get "{url}"', has_credentials=bool(credentials))
            raw = await read_limited(response, _MAX_ANSWER_BYTES, "answer of the search")
        finally:
            response.release()
    except NETWORK_FAILURES as error:
        raise unreachable(error, "GET", url) from error
    items = get_list(decode_object(raw, "answer of the search"), "results", "answer of the search")
    return [_result(item) for item in items if isinstance(item, dict)]


async def _look_through_catalogue(
    transport: Transport, host: str, term: str, request: SearchRequest, credentials: Credentials
) -> list[dict[str, Any]]:
    endpoint = Endpoint(host, "", is_insecure_host(host, transport.settings.insecure))
    exchange = Exchange(transport, endpoint, credentials)
    path, found = f"/v2/_catalog?n={_PAGE}", list[dict[str, Any]]()
    for _ in range(_MOST_PAGES):
        async with exchange.request("GET", path, scopes=frozenset({"registry:catalog:*"})) as response:
            raw = await read_limited(response, _MAX_ANSWER_BYTES, "catalogue")
            path = next_page(path, response.headers.get("Link", ""))
        names = get_strings(decode_object(raw, "catalogue"), "repositories", "catalogue")
        found += [_result({"name": f"{host}/{name}"}) for name in names if term.lower() in name]
        if not path or len(found) >= (request.limit or _DEFAULT_LIMIT):
            break
    return found[: request.limit or _DEFAULT_LIMIT]


def _place(term: str) -> tuple[str, str]:
    """``HOST/words`` searches another registry than the Hub."""
    host, slash, rest = term.partition("/")
    if slash and (host == "localhost" or "." in host or ":" in host):
        return (_SEARCH_HOST if host == DEFAULT_REGISTRY else host), rest
    return _SEARCH_HOST, term.removeprefix("library/")


def _result(item: dict[str, Any]) -> dict[str, Any]:
    stars = item.get("star_count")
    return {
        "name": str(item.get("name") or ""),
        "description": str(item.get("description") or ""),
        "star_count": stars if isinstance(stars, int) else 0,
        "is_official": item.get("is_official") is True,
        "is_automated": item.get("is_automated") is True,
    }


def _fits(item: dict[str, Any], request: SearchRequest) -> bool:
    return (
        request.is_official in (None, item["is_official"])
        and request.is_automated in (None, item["is_automated"])
        and item["star_count"] >= request.least_stars
    )
