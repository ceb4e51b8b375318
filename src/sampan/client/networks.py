# SPDX-License-Identifier: Apache-2.0
"""Calls below /networks."""

from __future__ import annotations

from sampan.client.api import as_list
from sampan.client.query import quote_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

    Filters = Mapping[str, Sequence[str]]


def _of(name: str, rest: str = "") -> str:
    return f"/networks/{quote_path(name)}{rest}"


class Networks:
    """A network is named by its name, its id or the beginning of its id."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, *, filters: Filters | None = None) -> list[Json]:
        """All networks."""
        return as_list(self._engine.get("/networks", {"filters": filters}))

    def create(self, body: Json) -> Json:
        """Create one; gives its Id and Warning."""
        created: Json = self._engine.post("/networks/create", json=body)
        return created

    def inspect(self, name: str, *, verbose: bool = False) -> Json:
        """Everything about one."""
        found: Json = self._engine.get(_of(name), {"verbose": verbose})
        return found

    def remove(self, name: str) -> None:
        """Remove one that nobody uses."""
        self._engine.delete(_of(name))

    def connect(self, name: str, body: Json) -> None:
        """Put a container on it."""
        self._engine.post(_of(name, "/connect"), json=body)

    def disconnect(self, name: str, container: str, *, force: bool = False) -> None:
        """Take a container off it."""
        self._engine.post(_of(name, "/disconnect"), json={"Container": container, "Force": force})

    def prune(self, *, filters: Filters | None = None) -> Json:
        """Remove those that no container uses."""
        pruned: Json = self._engine.post("/networks/prune", {"filters": filters})
        return pruned
