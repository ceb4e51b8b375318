# SPDX-License-Identifier: Apache-2.0
"""Requests to one host as they have to be made: the scheme found out, authorization added, failures tried again.

    ping ──401──→ challenge learned        once a host; https first, plain http where that is allowed
    request ──401──→ another token, once   ──429, 5xx, broken connection──→ wait, again
Holds: a request is sent again only as a whole; a body that has begun to come is the caller's business.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import aiohttp

from sampan.errors import SampanError, Unavailable
from sampan.registry.auth import Authenticator, Scopes
from sampan.registry.backoff import RETRIED, delay_s
from sampan.registry.challenge import parse_challenges
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.endpoints import Endpoint
from sampan.registry.failures import MAX_ERROR_BYTES, is_connection_failure, refuse, unreachable
from sampan.registry.transport import Body, Transport

logger = logging.getLogger(__name__)

NETWORK_FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
NO_SCOPES: Scopes = frozenset()


class Exchange:
    """One host, one set of credentials."""

    def __init__(
        self, transport: Transport, endpoint: Endpoint, credentials: Credentials = ANONYMOUS
    ) -> None:
        self.endpoint = endpoint
        self.patience = transport.settings.patience
        self.auth = Authenticator(transport, credentials, insecure=endpoint.insecure)
        self._transport = transport
        self._base = ""
        self._pinging = asyncio.Lock()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        scopes: Scopes = NO_SCOPES,
        accept: Collection[int] = (200,),
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        repeats: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, if its status is one of `accept`; else the registry's error is raised.

        `path` may be a whole URL (an upload's Location). `repeats`: the request may be sent more than once.
        """
        await self.ensure_base()
        url = path if "://" in path else self._base + path
        response = await self._persist(method, url, scopes, dict(headers or {}), body, repeats=repeats)
        try:
            if response.status not in accept:
                raise await self._refusal(method, url, response)
            yield response
        finally:
            response.release()

    async def ensure_base(self) -> str:
        """``https://HOST`` or ``http://HOST``: whichever answers."""
        async with self._pinging:
            if not self._base:
                self._base = await self._find_base()
            return self._base

    async def _find_base(self) -> str:
        first: SampanError | None = None
        for scheme in self.endpoint.schemes:
            base = f"{scheme}://{self.endpoint.host}"
            try:
                response = await self._ping(base)
            except NETWORK_FAILURES as error:
                first = first or unreachable(error, "GET", f"{base}/v2/")
                first.__cause__ = error
                continue
            self.auth.learn(parse_challenges(response.headers.getall("WWW-Authenticate", [])))
            response.release()
            return base
        assert first is not None
        raise first

    async def _ping(self, base: str) -> aiohttp.ClientResponse:
        """Any answer at all will do; only a connection that cannot be made or kept is tried again."""
        attempt = 0
        while True:
            try:
                return await self._transport.send(
                    "GET", f"{base}/v2/", headers={}, insecure=self.endpoint.insecure
                )
            except NETWORK_FAILURES as error:
                attempt += 1
                is_final = isinstance(error, aiohttp.ClientConnectorError) or not is_connection_failure(error)
                if is_final or attempt >= self.patience.attempts:
                    raise
                await self.pause(attempt - 1)

    async def _persist(
        self,
        method: str,
        url: str,
        scopes: Scopes,
        headers: dict[str, str],
        body: Body | None,
        *,
        repeats: bool,
    ) -> aiohttp.ClientResponse:
        attempt = 0
        while True:
            is_last = not repeats or attempt + 1 >= self.patience.attempts
            try:
                response = await self._authorized(method, url, scopes, headers, body)
            except NETWORK_FAILURES as error:
                if is_last or not is_connection_failure(error):
                    raise unreachable(error, method, url) from error
                await self.pause(attempt)
            else:
                if is_last or response.status not in RETRIED:
                    return response
                retry_after = response.headers.get("Retry-After", "")
                response.release()
                await self.pause(attempt, retry_after)
            attempt += 1

    async def _authorized(
        self, method: str, url: str, scopes: Scopes, headers: dict[str, str], body: Body | None
    ) -> aiohttp.ClientResponse:
        """Send it; with another token if the first is refused."""
        for is_second in (False, True):
            fields = dict(headers)
            if self._is_ours(url) and (value := await self.auth.authorize(scopes, url=url)):
                fields["Authorization"] = value
            response = await self._transport.send(
                method, url, headers=fields, body=body, insecure=self.endpoint.insecure
            )
            if response.status != 401 or is_second or not self._is_ours(url):
                return response
            challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
            if not challenges:
                return response
            self.auth.learn(challenges)
            self.auth.reject(scopes)
            if self.auth.challenge and self.auth.challenge.scheme == "basic" and not self._can_answer(fields):
                return response
            response.release()
        raise AssertionError("unreachable")

    def _can_answer(self, sent: Mapping[str, str]) -> bool:
        """Whether Basic would be something new to say."""
        return bool(self.auth.credentials.username) and "Authorization" not in sent

    def _is_ours(self, url: str) -> bool:
        """An upload may continue on another host, which is not to have our credentials."""
        return url.startswith(self._base + "/")

    async def pause(self, attempt: int, retry_after: str = "") -> None:
        """Wait before the next attempt."""
        seconds = delay_s(self.patience, attempt, retry_after, now_s=time.time())
        logger.debug("registry %s: trying again in %.1f s", self.endpoint.host, seconds)
        await asyncio.sleep(seconds)

    async def _refusal(self, method: str, url: str, response: aiohttp.ClientResponse) -> SampanError:
        try:
            body = await response.content.read(MAX_ERROR_BYTES)
        except NETWORK_FAILURES:
            body = b""
        challenge = self.auth.challenge
        return refuse(
            response.status,
            body,
            what=f'{method.capitalize()} "{url.partition("?")[0]}"',
            has_credentials=bool(self.auth.credentials),
            scheme=challenge.scheme if challenge else "",
        )


async def read_limited(response: aiohttp.ClientResponse, limit_bytes: int, what: str) -> bytes:
    """A small body; one that is larger than allowed is refused before it is read."""
    announced = response.content_length
    if announced is not None and announced > limit_bytes:
        raise Unavailable(f"{what} has {announced} bytes, more than the limit of {limit_bytes}")
    parts: list[bytes] = []
    size = 0
    async for data in response.content.iter_any():
        size += len(data)
        if size > limit_bytes:
            raise Unavailable(f"{what} is larger than the limit of {limit_bytes} bytes")
        parts.append(data)
    return b"".join(parts)
