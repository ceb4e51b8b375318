# SPDX-License-Identifier: Apache-2.0
"""``client.volumes``: `VolumeCollection` and `Volume`."""

from __future__ import annotations

import builtins
import contextlib
from typing import TYPE_CHECKING, Self

from sampan.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json


class Volume:
    """A named volume. Used as a context manager it is removed at the block's end."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._calls = engine.volumes
        self.name = name

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(NotFound):
            self.remove()

    def inspect(self) -> Json:
        """Everything about it, as the Engine API's Volume has it; raises VolumeNotFound."""
        return self._calls.inspect(self.name)

    @property
    def mountpoint(self) -> str:
        """Where its files are on the engine's machine."""
        return str(self.inspect()["Mountpoint"])

    def remove(self, *, force: bool = False) -> None:
        """Remove it with what it holds; raises Conflict while a container uses it."""
        self._calls.remove(self.name, force=force)


class VolumeCollection:
    """All volumes of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls = engine.volumes

    def create(
        self,
        name: str = "",
        *,
        labels: Mapping[str, str] | None = None,
        driver: str = "local",
        driver_options: Mapping[str, str] | None = None,
    ) -> Volume:
        """A volume of this name, new or the one there is; without a name it gets one of its own."""
        body: Json = {
            "Driver": driver,
            "Labels": dict(labels or {}),
            "DriverOpts": dict(driver_options or {}),
        }
        return Volume(self._engine, str(self._calls.create(body | ({"Name": name} if name else {}))["Name"]))

    def get(self, name: str) -> Volume:
        """The one of this name; raises VolumeNotFound."""
        return Volume(self._engine, str(self._calls.inspect(name)["Name"]))

    def list(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[Volume]:
        """All of them; filters are Docker's: ``{"dangling": ["true"]}``."""
        return [Volume(self._engine, str(one["Name"])) for one in self._calls.list(filters=filters)]

    def prune(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[str]:
        """Remove those without a name of the user's that no container uses; their names."""
        return builtins.list(self._calls.prune(filters=filters).get("VolumesDeleted") or ())
