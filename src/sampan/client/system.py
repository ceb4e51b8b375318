# SPDX-License-Identifier: Apache-2.0
"""Calls about the engine itself."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.client.answer import Answer
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.query import Parameter


class System:
    """Versions, figures, events."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ping(self) -> Mapping[str, str]:
        """The fields of the answer to a ping."""
        answer = self._engine.http.request("GET", "/_ping").raise_for_status()
        answer.read()
        self._engine.learn_version(answer.fields)
        return answer.fields

    def version(self) -> Json:
        """The engine's versions."""
        found: Json = self._engine.get("/version")
        return found

    def info(self) -> Json:
        """Figures about the engine and its machine."""
        found: Json = self._engine.get("/info")
        return found

    def log_in(self, account: Mapping[str, str]) -> Json:
        """Let the engine try credentials (an AuthConfig) on their registry."""
        found: Json = self._engine.post("/auth", json=dict(account))
        return found

    def disk_usage(self, kinds: Sequence[str] = ()) -> Json:
        """What images, containers, volumes and build cache take."""
        found: Json = self._engine.get("/system/df", {"type": kinds})
        return found

    def events(self, query: Mapping[str, Parameter]) -> Answer:
        """What happens, as JSON lines."""
        return self._engine.call("GET", "/events", query)
