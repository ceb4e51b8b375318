# SPDX-License-Identifier: Apache-2.0
"""Authorization for one host: nothing, Basic, or bearer tokens obtained for the scopes that a request needs.

Implements: the distribution project's token specification (GET with Basic, and the OAuth2 form of POST for refresh
tokens), as Docker's registries speak it.
Holds: credentials are sent over plain HTTP only where the configuration calls the registry insecure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from sampan.errors import Unauthenticated
from sampan.oci.document import InvalidDocument, decode_object, get_integer, get_string
from sampan.registry.backoff import RETRIED, delay_s
from sampan.registry.challenge import Challenge, choose_challenge
from sampan.registry.credentials import Credentials
from sampan.registry.failures import MAX_ERROR_BYTES, refuse
from sampan.registry.transport import Transport

CLIENT_ID = "sampan"
_SHORTEST_LIFE_S = 60
_MARGIN_S = 10
_MAX_TOKEN_BYTES = 1 << 20

Scopes = frozenset[str]


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, until when it is good, and the refresh token that came with it."""

    value: str
    expires_s: float
    refresh: str = ""


def repository_scope(repository: str, *actions: str) -> str:
    """``repository:library/python:pull,push``."""
    return f"repository:{repository}:{','.join(actions)}"


class Authenticator:
    """Knows how one host wants to be spoken to, once it has said so."""

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        *,
        insecure: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials = credentials
        self.challenge: Challenge | None = None
        self._transport = transport
        self._insecure = insecure
        self._clock = clock
        self._tokens: dict[Scopes, Token] = {}
        self._locks: dict[Scopes, asyncio.Lock] = {}

    def learn(self, challenges: Iterable[Challenge]) -> None:
        """What a 401 said."""
        self.challenge = choose_challenge(challenges) or self.challenge

    def reject(self, scopes: Scopes) -> None:
        """The token for these scopes was refused: get another one."""
        self._tokens.pop(scopes, None)

    async def authorize(self, scopes: Scopes, *, url: str) -> str | None:
        """The Authorization header for a request to `url`; None to go without."""
        if self.challenge is None:
            return None
        if self.credentials.registry_token:
            return f"Bearer {self.credentials.registry_token}"
        if self.challenge.scheme == "basic":
            return self._basic(url) if self.credentials.username else None
        return f"Bearer {(await self._token(scopes)).value}"

    async def fetch_token(self, scopes: Scopes, *, offline: bool = False) -> Token:
        """Ask the realm; `offline` wants a refresh token, too."""
        assert self.challenge is not None
        realm = self.challenge.parameters["realm"]
        query = self._query(scopes)
        if self.credentials.identity_token:
            return await self._post(realm, query)
        return await self._get(realm, query, offline=offline)

    async def _token(self, scopes: Scopes) -> Token:
        async with self._locks.setdefault(scopes, asyncio.Lock()):
            token = self._tokens.get(scopes)
            if token is None or token.expires_s <= self._clock():
                token = self._tokens[scopes] = await self.fetch_token(scopes)
            return token

    def _query(self, scopes: Scopes) -> list[tuple[str, str]]:
        assert self.challenge is not None
        service = self.challenge.parameters.get("service", "")
        query = [("service", service)] if service else []
        return query + [("scope", scope) for scope in sorted(scopes)]

    async def _get(self, realm: str, query: list[tuple[str, str]], *, offline: bool) -> Token:
        headers = {}
        if self.credentials.username:
            query = [*query, ("account", self.credentials.username), ("client_id", CLIENT_ID)]
            headers["Authorization"] = self._basic(realm)
        if offline:
            query = [*query, ("offline_token", "true")]
        separator = "&" if "?" in realm else "?"
        url = f"{realm}{separator}{urlencode(query)}" if query else realm
        return await self._ask("GET", url, headers, None)

    async def _post(self, realm: str, query: list[tuple[str, str]]) -> Token:
        self._refuse_plain(realm)
        scopes = " ".join(value for name, value in query if name == "scope")
        form = [(name, value) for name, value in query if name != "scope"] + [
            ("scope", scopes),
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("refresh_token", self.credentials.identity_token),
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", realm, headers, urlencode(form).encode())

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Token:
        """Passing failures of the token server are tried again; a broken connection is, by who sends the request."""
        patience = self._transport.settings.patience
        for attempt in range(patience.attempts):
            status, raw, retry_after = await self._ask_once(method, url, headers, body)
            if status == 200:
                return self._decode(raw)
            if status not in RETRIED or attempt + 1 == patience.attempts:
                break
            await asyncio.sleep(delay_s(patience, attempt, retry_after, now_s=time.time()))
        what = f'{method.capitalize()} "{url.partition("?")[0]}"'
        if status in (401, 403) and self.credentials:
            raise Unauthenticated(f"{what}: unauthorized: incorrect username or password")
        has_credentials = bool(self.credentials)
        raise refuse(
            status, raw[:MAX_ERROR_BYTES], what=what, has_credentials=has_credentials, scheme="bearer"
        )

    async def _ask_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes, str]:
        sent = None if body is None else lambda: body
        response = await self._transport.send(
            method, url, headers=headers, body=sent, insecure=self._insecure
        )
        try:
            raw = await response.content.read(_MAX_TOKEN_BYTES)
            while more := await response.content.read(_MAX_TOKEN_BYTES - len(raw)):
                raw += more
        finally:
            response.release()
        return response.status, raw, response.headers.get("Retry-After", "")

    def _decode(self, raw: bytes) -> Token:
        what = "token of the registry"
        source = decode_object(raw, what)
        value = get_string(source, "token", what) or get_string(source, "access_token", what)
        if not value or not value.isprintable() or " " in value:
            raise InvalidDocument(f"{what}: it has neither token nor access_token")
        life_s = max(get_integer(source, "expires_in", what, _SHORTEST_LIFE_S), _SHORTEST_LIFE_S)
        refresh = get_string(source, "refresh_token", what)
        return Token(value, self._clock() + life_s - _MARGIN_S, refresh)

    def _basic(self, url: str) -> str:
        self._refuse_plain(url)
        return self.credentials.basic

    def _refuse_plain(self, url: str) -> None:
        if urlsplit(url).scheme != "https" and not self._insecure:
            raise Unauthenticated(f"{url.partition('?')[0]}: credentials are not sent over plain HTTP")
