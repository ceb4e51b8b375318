# SPDX-License-Identifier: Apache-2.0
"""``/``, ``/-/NAME`` and ``/-/NAME:TAG``: the same permissions as everywhere, and nothing but HTML and one style sheet.

Holds: everything that came from a push is escaped, and the content security policy lets no script run if it were not.
A browser cannot get itself a token, so here the challenge is Basic.
"""

from __future__ import annotations

import time
from functools import lru_cache
from importlib.resources import files
from itertools import islice

import jinja2
from aiohttp import web

from sampan.errors import NotFound
from sampan.registry.server.access.principal import Anybody
from sampan.registry.server.errors import Refusal
from sampan.registry.server.names import is_repository
from sampan.registry.server.pages.views import PAGE, RepositoryView, view_image, view_repository, view_tags
from sampan.registry.server.protocol.call import Call, answer
from sampan.registry.server.storage.quota import repository_bytes

HTML = "text/html; charset=utf-8"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_UNITS = ("B", "kB", "MB", "GB", "TB")


async def show_page(call: Call) -> web.StreamResponse:
    """The page of a path."""
    path = call.route.argument
    if path == "/-/style.css":
        headers = {**_HEADERS, "Cache-Control": "max-age=3600"}
        return answer(200, headers, _style(), "text/css; charset=utf-8")
    try:
        if path == "/":
            return await _front_page(call)
        if path.startswith("/-/"):
            return await _inner_page(call, path[3:])
        raise NotFound("there is no such page")
    except Refusal as error:
        if error.status == 401:
            error.headers["WWW-Authenticate"] = 'Basic realm="registry"'
        return _render("error.html", call, error.status, error.headers, message=error.message)
    except NotFound as error:
        return _render("error.html", call, 404, message=error.message)


async def _front_page(call: Call) -> web.StreamResponse:
    last = call.request.rel_url.query.get("last", "")
    found = await call.block(_find_repositories, call, last)
    if not found and call.principal.name == "" and not isinstance(call.principal, Anybody):
        call.service.gate.greet(call.request, call.principal)
    following = found[PAGE - 1].name if len(found) > PAGE else ""
    return _render("repositories.html", call, repositories=found[:PAGE], next=following)


async def _inner_page(call: Call, text: str) -> web.StreamResponse:
    name, separator, reference = _split(text)
    if not is_repository(name):
        raise NotFound("there is no such repository")
    call.require("pull", name)
    repository = call.store.repository(name)
    if not repository.exists:
        raise NotFound("there is no such repository")
    if separator:
        image = await call.block(view_image, repository, reference)
        return _render("image.html", call, name=name, image=image, separator=separator, reference=reference)
    last = call.request.rel_url.query.get("last", "")
    tags, following = await call.block(view_tags, repository, last)
    total = await call.block(repository_bytes, repository)
    return _render("repository.html", call, name=name, tags=tags, total=total, next=following)


def _find_repositories(call: Call, last: str) -> list[RepositoryView]:
    names = sorted(
        name for name in call.store.repositories() if name > last and call.principal.may("pull", name)
    )
    return [view_repository(call.store.repository(name)) for name in islice(names, PAGE + 1)]


def _split(text: str) -> tuple[str, str, str]:
    """``NAME``, ``NAME:TAG`` or ``NAME@DIGEST``."""
    for separator in "@:":
        name, found, reference = text.partition(separator)
        if found:
            return name, found, reference
    return text, "", ""


def _render(
    template: str, call: Call, status: int = 200, headers: dict[str, str] | None = None, **fields: object
) -> web.Response:
    body = _environment().get_template(template).render(host=call.request.host, **fields)
    return answer(status, {**_HEADERS, **(headers or {})}, body.encode(), HTML)


@lru_cache(1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sampan.registry.server.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(size=format_size, when=format_time, short=format_short)
    return environment


@lru_cache(1)
def _style() -> bytes:
    return files("sampan.registry.server.pages").joinpath("style.css").read_bytes()


def format_size(count: int) -> str:
    """``12.3 MB``."""
    value = float(count)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.3g} {unit}" if unit != "B" else f"{count} B"


def format_time(time_ns: int) -> str:
    """In UTC, to the minute; nothing for what was never."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(time_ns / 1e9)) if time_ns else ""


def format_short(text: str) -> str:
    """A digest's beginning; another text as it is."""
    algorithm, colon, rest = text.partition(":")
    return f"{algorithm}:{rest[:12]}" if colon and len(rest) > 32 else text
