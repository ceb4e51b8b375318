# SPDX-License-Identifier: Apache-2.0
"""Calls below /exec; an exec is prepared by `Containers.exec`."""

from __future__ import annotations

from sampan.client.query import quote_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.api import Engine
    from sampan.client.http import Hijacked
    from sampan.client.jsontext import Json


class Execs:
    """An exec is named by its id."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, exec_id: str, *, tty: bool, columns: int = 0, rows: int = 0) -> Hijacked:
        """Start it and take its streams."""
        body: Json = {"Detach": False, "Tty": tty}
        if rows and columns:
            body["ConsoleSize"] = [rows, columns]
        return self._engine.hijack(f"/exec/{quote_path(exec_id)}/start", json=body)

    def start_detached(self, exec_id: str, *, tty: bool) -> None:
        """Start it and leave it alone."""
        self._engine.post(f"/exec/{quote_path(exec_id)}/start", json={"Detach": True, "Tty": tty})

    def inspect(self, exec_id: str) -> Json:
        """Whether it runs, and its ExitCode."""
        found: Json = self._engine.get(f"/exec/{quote_path(exec_id)}/json")
        return found

    def resize(self, exec_id: str, *, rows: int, columns: int) -> None:
        """Tell its terminal the size of ours."""
        self._engine.post(f"/exec/{quote_path(exec_id)}/resize", {"h": str(rows), "w": str(columns)})
