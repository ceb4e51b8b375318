# SPDX-License-Identifier: Apache-2.0
"""How `ps` calls the image of a container: by the name it was created with, as long as that means the same image.

Source: moby `daemon/list.go`: once the name is another image's, or nobody's, the id is shown.
"""

from __future__ import annotations

from sampan.engine.model import Container
from sampan.errors import SampanError
from sampan.image.store import ImageStore


class ImageNames:
    """The names of one listing, each looked up once."""

    def __init__(self, images: ImageStore) -> None:
        self._images = images
        self._ids: dict[str, frozenset[str]] = {}

    def shown(self, container: Container) -> str:
        """The name, or the id of the image that the container was made from."""
        name, image_id = container.document.image, container.document.image_id
        if name not in self._ids:
            self._ids[name] = self._look_up(name)
        return name if image_id in self._ids[name] else image_id

    def _look_up(self, name: str) -> frozenset[str]:
        try:
            return frozenset([str(self._images.resolve(name).id)])
        except SampanError:
            return frozenset()
