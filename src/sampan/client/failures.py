# SPDX-License-Identifier: Apache-2.0
"""The engine's failures that programs tell apart, as errors of their own: each is also its kind.

The Engine API says which thing is missing in words only, so these are found by Docker's words, which are
contract. Failures of programs (an exit code, a time limit) are in `sampan.client.objects.result`.
"""

from __future__ import annotations

from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.errors import SampanError


class ImageNotFound(NotFound):
    """There is no image of that name or id."""


class ContainerNotFound(NotFound):
    """There is no container of that name or id."""


class VolumeNotFound(NotFound):
    """There is no volume of that name."""


class NetworkNotFound(NotFound):
    """There is no network of that name or id."""


def name_failure(kind: type[SampanError], message: str, *, hint: str | None = None) -> SampanError:
    """The error for what an engine said with the status of this kind."""
    return (_missing(message) if kind is NotFound else kind)(message, hint=hint)


def _missing(message: str) -> type[NotFound]:
    words = message.lower()
    if words.startswith("no such image"):
        return ImageNotFound
    if words.startswith("no such container"):
        return ContainerNotFound
    if "no such volume" in words:
        return VolumeNotFound
    return NetworkNotFound if words.startswith("network ") and words.endswith(" not found") else NotFound
