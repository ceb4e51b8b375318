# SPDX-License-Identifier: Apache-2.0
"""Telling the world what happens to images, as Docker does: by their id, with their labels.

Source: moby `daemon/events.go`, LogImageEvent; only tagging has the new name for its `name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sampan.engine.events import EventBus
from sampan.image.describe import familiar
from sampan.image.store import Image, ImageStore


def tell(events: EventBus, action: str, image: Image, name: str = "") -> None:
    """One event of an image that is there."""
    attributes = {**(image.run_config.get("Labels") or {}), "name": name or str(image.id)}
    events.publish("image", action, str(image.id), attributes)


def ids_by_name(images: ImageStore) -> dict[str, str]:
    """Names and ids → ids: what a removal may be about, to be asked for before it."""
    named: dict[str, str] = {}
    for image in images.list():
        named[str(image.id)] = str(image.id)
        names = (*image.names, *image.repo_digests)
        named.update(dict.fromkeys((*familiar(names), *names), str(image.id)))
    return named


def tell_removed(events: EventBus, removed: Iterable[Mapping[str, str]], named: Mapping[str, str]) -> None:
    """Events of what a removal answers: of images alone, not of their layers."""
    for line in removed:
        for action, subject in line.items():
            image_id = named.get(subject)
            if image_id:
                kind = {"Untagged": "untag", "Deleted": "delete"}[action]
                events.publish("image", kind, image_id, {"name": image_id})
