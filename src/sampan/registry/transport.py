# SPDX-License-Identifier: Apache-2.0
"""HTTP to registries and to where they redirect: one request each, redirects followed, nothing tried twice.

Holds: credentials go to the origin they are meant for and to no other, whatever a redirect says; a redirect never
leads from TLS to plain HTTP unless the registry is configured as insecure; a chain of redirects ends.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Callable, Mapping

import aiohttp
from yarl import URL

from sampan.errors import Unavailable
from sampan.registry.certificates import find_certificates, fingerprint, make_context
from sampan.registry.proxies import choose_proxy
from sampan.registry.settings import Settings

USER_AGENT = "sampan"
MAX_REDIRECTS = 10
_READ_BUFFER_BYTES = 1 << 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})

Body = Callable[[], bytes | AsyncIterable[bytes]]
"""Makes the body anew for each time that it is sent."""


class RedirectLoop(Unavailable):
    """The registry sends us round and round."""


class Transport:
    """The connections of one engine to all registries."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[tuple[str, bool], tuple[object, ssl.SSLContext]] = {}

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: Body | None = None,
        insecure: bool = False,
    ) -> aiohttp.ClientResponse:
        """The answer, after redirects; its body is yet to be read, and it must be released."""
        here = URL(url, encoded=True)
        fields = dict(headers)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send_once(method, here, fields, body, insecure=insecure)
            location = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not location or not _may_follow(method, response.status):
                return response
            response.release()
            there = _join(here, location)
            if there.scheme not in ("http", "https") or (
                here.scheme == "https" and there.scheme == "http" and not insecure
            ):
                raise Unavailable(f"{here}: redirect to {there.scheme}://{there.host} refused")
            if there.origin() != here.origin():
                fields.pop("Authorization", None)
            here = there
        raise RedirectLoop(f'{method.capitalize()} "{url}": stopped after {MAX_REDIRECTS} redirects')

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send_once(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body | None, *, insecure: bool
    ) -> aiohttp.ClientResponse:
        host = url.host or ""
        authority = f"{host}:{url.explicit_port}" if url.explicit_port else host
        return await self._opened().request(
            method,
            url,
            headers=headers,
            data=body() if body is not None else None,
            allow_redirects=False,
            ssl=self._context(authority, insecure=insecure) if url.scheme == "https" else True,
            proxy=choose_proxy(str(url), self.settings.environment),
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            patience = self.settings.patience
            self._session = aiohttp.ClientSession(
                auto_decompress=False,  # blobs are what their digest says, not what an encoding makes of them
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=32),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=patience.connect_s, sock_read=patience.stall_s
                ),
                read_bufsize=_READ_BUFFER_BYTES,
            )
        return self._session

    def _context(self, host: str, *, insecure: bool) -> ssl.SSLContext:
        """Made anew when the host's files have changed, so that adding a CA needs no restart."""
        certificates = find_certificates(host, self.settings.certificates)
        marks = fingerprint(certificates)
        known = self._contexts.get((host, insecure))
        if known is None or known[0] != marks:
            known = marks, make_context(certificates, insecure=insecure)
            self._contexts[host, insecure] = known
        return known[1]


def _may_follow(method: str, status: int) -> bool:
    return method in ("GET", "HEAD") or status in _KEEPS_METHOD


def _join(here: URL, location: str) -> URL:
    """A presigned URL must arrive byte for byte, so it is not encoded again."""
    try:
        return here.join(URL(location, encoded=True))
    except ValueError:
        raise Unavailable(f"{here}: redirect to an address that is none") from None
