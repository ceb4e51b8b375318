# SPDX-License-Identifier: Apache-2.0
"""Logging in: whether a registry takes these credentials."""

from __future__ import annotations

from sampan.errors import Unauthenticated
from sampan.registry.exchange import NETWORK_FAILURES, NO_SCOPES, Exchange
from sampan.registry.failures import unreachable


async def log_in(exchange: Exchange) -> str:
    """A refresh token, if the registry gives one; Unauthenticated if it does not know these credentials."""
    base = await exchange.ensure_base()
    challenge = exchange.auth.challenge
    if challenge is not None and challenge.scheme == "bearer":
        try:
            token = await exchange.auth.fetch_token(NO_SCOPES, offline=True)
        except NETWORK_FAILURES as error:
            raise unreachable(error, "GET", challenge.parameters["realm"]) from error
        return token.refresh
    try:
        # 404 is what registries answer that serve /v2/NAME and not /v2/.
        async with exchange.request("GET", "/v2/", accept=(200, 404)):
            return ""
    except Unauthenticated:
        raise Unauthenticated(f'Get "{base}/v2/": unauthorized: incorrect username or password') from None
