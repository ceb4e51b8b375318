# SPDX-License-Identifier: Apache-2.0
"""The gate of a registry with passwords, and with tokens if it has them.

Implements: RFC 7617 (Basic), RFC 6750 (Bearer) with the challenges of Docker's token specification.
A registry that knows users greets nobody whom it does not know with 200, even where they may pull: clients learn from
``/v2/`` alone how to say who they are.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from aiohttp.web import BaseRequest

from sampan.registry.server.access.htpasswd import PasswordFile
from sampan.registry.server.access.principal import Action, Principal
from sampan.registry.server.access.rules import ANONYMOUS, Rules
from sampan.registry.server.access.tokens import CATALOG, Claims, Scope, Tokens
from sampan.registry.server.errors import Refusal

_TOKEN_ACTIONS = {"pull": "pull", "push": "pull,push", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password, or nobody in particular."""

    name: str
    rules: Rules

    def may(self, action: Action, repository: str) -> bool:
        """What the rules say."""
        return self.rules.may(self.name, action, repository)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Somebody with a token: it says what they may; one of ours for the catalogue shows what the rules let them see."""

    claims: Claims
    rules: Rules | None

    @property
    def name(self) -> str:
        """Whom the token is for."""
        return self.claims.subject

    def may(self, action: Action, repository: str) -> bool:
        """What the token says."""
        if any(
            scope.kind == "repository" and scope.name == repository and _allows(scope, action)
            for scope in self.claims.access
        ):
            return True
        return action == "pull" and self.is_for_catalog and self._may_see(repository)

    @property
    def is_for_catalog(self) -> bool:
        """Whether it lets its bearer ask which repositories there are."""
        return any(scope.kind == "registry" and scope.name == CATALOG for scope in self.claims.access)

    def _may_see(self, repository: str) -> bool:
        return self.rules is None or self.rules.may(self.name, "pull", repository)


class KeptGate:
    """The gate of one registry."""

    def __init__(
        self, passwords: PasswordFile | None, rules: Rules, tokens: Tokens | None, realm: str
    ) -> None:
        self.passwords = passwords
        self.rules = rules
        self.tokens = tokens
        self._realm = realm

    async def identify(self, request: BaseRequest) -> Principal:
        """Who sends this."""
        said = request.headers.get("Authorization", "")
        scheme, _, value = said.partition(" ")
        if scheme.lower() == "basic":
            return User(await self._check_basic(request, value.strip()), self.rules)
        if scheme.lower() == "bearer" and self.tokens is not None:
            claims = self.tokens.read(value.strip())
            if claims is None:
                raise self._unauthorized(request, "", "invalid_token")
            return Bearer(claims, self.rules if claims.issuer == self.tokens.issuer else None)
        return User(ANONYMOUS, self.rules)

    async def _check_basic(self, request: BaseRequest, value: str) -> str:
        """The user whose name and password these are; nobody's are empty."""
        try:
            user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise self._unauthorized(request, "", "") from None
        if not user and not password:  # some clients say this when they have nothing to say
            return ANONYMOUS
        if not colon or self.passwords is None or not await self.passwords.check(user, password):
            raise self._unauthorized(request, "", "")
        return user

    def refuse(
        self, request: BaseRequest, principal: Principal, action: Action, repository: str
    ) -> Exception:
        """401 to those who could say more of who they are, 403 to the others."""
        scope = f"repository:{repository}:{_TOKEN_ACTIONS[action]}"
        if self.tokens is not None and not isinstance(principal, User):
            return self._unauthorized(request, scope, "insufficient_scope")
        if principal.name == ANONYMOUS:
            return self._unauthorized(request, scope, "")
        detail = {"repository": repository, "action": action}
        return Refusal("DENIED", "requested access to the resource is denied", detail=detail)

    def greet(self, request: BaseRequest, principal: Principal, scope: str = "") -> None:
        """Only those who have said who they are; with `scope`, only those whose token has it."""
        if isinstance(principal, Bearer) and (not scope or principal.is_for_catalog):
            return
        if isinstance(principal, User) and principal.name != ANONYMOUS:
            return
        raise self._unauthorized(request, scope, "")

    def service_url(self, request: BaseRequest) -> str:
        """Where tokens are had: at this registry, by the name that the client knows, unless set otherwise."""
        if self._realm:
            return self._realm
        scheme = request.headers.get("X-Forwarded-Proto") or request.scheme
        return f"{'https' if scheme == 'https' else 'http'}://{_quoted(request.host)}/token"

    def _unauthorized(self, request: BaseRequest, scope: str, error: str) -> Refusal:
        if self.tokens is None:
            challenge = 'Basic realm="registry"'
        else:
            challenge = f'Bearer realm="{self.service_url(request)}",service="{self.tokens.service}"'
            challenge += f',scope="{scope}"' if scope else ""
            challenge += f',error="{error}"' if error else ""
        headers = {"WWW-Authenticate": challenge}
        return Refusal("UNAUTHORIZED", "authentication required", headers=headers)


def _allows(scope: Scope, action: Action) -> bool:
    return action in scope.actions or "*" in scope.actions


def _quoted(host: str) -> str:
    return "".join(letter for letter in host if letter.isalnum() or letter in ".-:[]_")
