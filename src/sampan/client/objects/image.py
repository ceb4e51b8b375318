# SPDX-License-Identifier: Apache-2.0
"""One image: `Image`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.client.images import split_name
from sampan.client.objects.stream import Stream

if TYPE_CHECKING:
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json


class Image:
    """An image, by its id (``sha256:…``). Calls raise ImageNotFound when it is gone."""

    def __init__(self, engine: Engine, image_id: str) -> None:
        self._calls = engine.images
        self.id = image_id

    def __repr__(self) -> str:
        return f"<Image {self.id.removeprefix('sha256:')[:12]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def inspect(self) -> Json:
        """Everything about it, as the Engine API's ImageInspect has it."""
        return self._calls.inspect(self.id)

    @property
    def tags(self) -> list[str]:
        """Its names, like ``python:3.11-slim-bookworm``."""
        return list(self.inspect().get("RepoTags") or ())

    @property
    def size_bytes(self) -> int:
        """What its layers take, unpacked."""
        return int(self.inspect()["Size"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict((self.inspect().get("Config") or {}).get("Labels") or {})

    def history(self) -> list[Json]:
        """How its layers came to be, newest first."""
        return self._calls.history(self.id)

    def tag(self, name: str) -> None:
        """Give it one more name, like ``app:1.0``; another image loses it."""
        repository, tag = split_name(name)
        self._calls.tag(self.id, repository, tag)

    def remove(self, *, force: bool = False) -> None:
        """Remove it with all of its names; raises Conflict while a container uses it."""
        self._calls.remove(self.id, force=force)

    def save(self) -> Stream[bytes]:
        """It and its names as an archive that ``load`` takes, in pieces."""
        answer = self._calls.save(self.tags or [self.id])
        return Stream(answer, iter(answer))
