# SPDX-License-Identifier: Apache-2.0
"""Calls below /volumes."""

from __future__ import annotations

from sampan.client.api import as_list
from sampan.client.query import quote_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

    Filters = Mapping[str, Sequence[str]]


class Volumes:
    """A volume is named by its name."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, *, filters: Filters | None = None) -> list[Json]:
        """All volumes."""
        return as_list(self._engine.get("/volumes", {"filters": filters}).get("Volumes"))

    def create(self, body: Json) -> Json:
        """Create one, or give the one of that name."""
        created: Json = self._engine.post("/volumes/create", json=body)
        return created

    def inspect(self, name: str) -> Json:
        """Everything about one."""
        found: Json = self._engine.get(f"/volumes/{quote_path(name)}")
        return found

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove it with what it holds."""
        self._engine.delete(f"/volumes/{quote_path(name)}", {"force": force})

    def prune(self, *, filters: Filters | None = None) -> Json:
        """Remove what no container uses."""
        pruned: Json = self._engine.post("/volumes/prune", {"filters": filters})
        return pruned
