# SPDX-License-Identifier: Apache-2.0
"""Somebody who asks, as the protocol sees them; and the gate that tells who it is."""

from __future__ import annotations

from typing import Literal, Protocol

from aiohttp.web import BaseRequest

Action = Literal["pull", "push", "delete"]


class Principal(Protocol):
    """Who asks."""

    @property
    def name(self) -> str:
        """Their name in the access log; empty for those who did not say."""

    def may(self, action: Action, repository: str) -> bool:
        """Whether they may do this to a repository of that name."""


class Gate(Protocol):
    """How requests are told apart."""

    async def identify(self, request: BaseRequest, /) -> Principal:
        """Who sends this; raises Refusal (401) if they say who they are and it is not so."""

    def refuse(
        self, request: BaseRequest, /, principal: Principal, action: Action, repository: str
    ) -> Exception:
        """Why they may not: 401 with a challenge for those who have not said who they are, else 403."""

    def greet(self, request: BaseRequest, principal: Principal, scope: str = "") -> None:
        """Let somebody see that this is a registry, or raise Refusal (401) with a challenge.

        `scope` is that of a token which asking for more than that takes.
        """


class Anybody:
    """Everyone, where there are no rules."""

    name = ""

    def may(self, action: Action, repository: str) -> bool:  # noqa: ARG002 - whatever it is
        """Yes."""
        return True


class OpenGate:
    """No rules at all."""

    def __init__(self) -> None:
        self._anybody = Anybody()

    async def identify(self, _: BaseRequest) -> Principal:
        """Nobody in particular."""
        return self._anybody

    def refuse(self, _: BaseRequest, principal: Principal, action: Action, repository: str) -> Exception:
        """Never asked: anybody may do anything."""
        raise AssertionError(f"{principal.name} may not {action} {repository}")

    def greet(self, request: BaseRequest, principal: Principal, scope: str = "") -> None:
        """Everyone is welcome."""
