# SPDX-License-Identifier: Apache-2.0
"""``/token``: the registry's own token server.

Implements: Docker's token specification (GET with Basic) and its OAuth 2 form (POST with a password or refresh token).
Holds: a token allows what the rules allow at that moment and what was asked for, and no more; asking for too much gives
a token for less, as clients expect.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

from aiohttp import web

from sampan.oci.document import encode_object
from sampan.registry.server.access.gate import KeptGate, User
from sampan.registry.server.access.rules import ALL_ACTIONS, ANONYMOUS
from sampan.registry.server.access.tokens import CATALOG, Scope, Tokens, parse_scopes
from sampan.registry.server.errors import Refusal
from sampan.registry.server.names import is_repository
from sampan.registry.server.protocol.call import Call, answer
from sampan.registry.server.protocol.intake import read_whole

_REFRESH_S = 90 * 24 * 3600.0
_MAX_FORM_BYTES = 64 << 10


async def get_token(call: Call) -> web.StreamResponse:
    """GET: who asks says so by Basic, or is nobody."""
    gate, tokens = _require_tokens(call)
    query = call.request.rel_url.query
    user = call.principal.name if isinstance(call.principal, User) else ANONYMOUS
    wants_refresh = query.get("offline_token", "") in ("true", "1")
    return _grant(gate, tokens, user, query.getall("scope", []), wants_refresh=wants_refresh)


async def post_token(call: Call) -> web.StreamResponse:
    """POST: a form, as OAuth 2 has it."""
    gate, tokens = _require_tokens(call)
    raw = await read_whole(call, _MAX_FORM_BYTES)
    form = parse_qs(raw.decode(errors="replace"), max_num_fields=100)
    user = await _identify(gate, tokens, {key: values[0] for key, values in form.items()})
    wants_refresh = form.get("access_type") == ["offline"] or "refresh_token" in form
    return _grant(gate, tokens, user, form.get("scope", []), wants_refresh=wants_refresh)


async def _identify(gate: KeptGate, tokens: Tokens, form: dict[str, str]) -> str:
    kind = form.get("grant_type", "")
    if kind == "refresh_token":
        user = tokens.read_refresh(form.get("refresh_token", ""))
        if user and gate.passwords is not None and gate.passwords.has(user):
            return user
    elif kind == "password":
        user = form.get("username", "")
        if user and gate.passwords is not None and await gate.passwords.check(user, form.get("password", "")):
            return user
    else:
        raise Refusal("UNSUPPORTED", "unsupported grant_type", status=400)
    raise Refusal("UNAUTHORIZED", "authentication required")


def _grant(
    gate: KeptGate, tokens: Tokens, user: str, scopes: list[str], *, wants_refresh: bool
) -> web.StreamResponse:
    granted = [
        scope for scope in (_allowed(gate, user, scope) for scope in parse_scopes(scopes)) if scope.actions
    ]
    token = tokens.make(user, granted)
    found: dict[str, object] = {
        "token": token,
        "access_token": token,
        "expires_in": int(tokens.lifetime_s),
        "issued_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if wants_refresh and user != ANONYMOUS:
        found["refresh_token"] = tokens.make_refresh(user, _REFRESH_S)
    return answer(200, {"Cache-Control": "no-store"}, encode_object(found))


def _allowed(gate: KeptGate, user: str, scope: Scope) -> Scope:
    if scope.kind == "registry" and scope.name == CATALOG and user != ANONYMOUS:
        return Scope(scope.kind, scope.name, ("*",))
    if scope.kind != "repository" or not is_repository(scope.name):
        return Scope(scope.kind, scope.name, ())
    wanted = [action for action in ALL_ACTIONS if action in scope.actions or "*" in scope.actions]
    return Scope(
        scope.kind,
        scope.name,
        tuple(action for action in wanted if gate.rules.may(user, action, scope.name)),
    )


def _require_tokens(call: Call) -> tuple[KeptGate, Tokens]:
    gate = call.service.gate
    if not isinstance(gate, KeptGate) or gate.tokens is None:
        raise Refusal("UNSUPPORTED", "this registry gives no tokens", status=404)
    return gate, gate.tokens
