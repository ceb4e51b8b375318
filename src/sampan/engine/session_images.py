# SPDX-License-Identifier: Apache-2.0
"""Base images for a build whose client is asked who it is to a registry, when that registry is first needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sampan.engine.sharing import Sharing
from sampan.image.store import Image
from sampan.oci.platform import Platform
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import Credentials


class SessionImages:
    """One build's ImageSource."""

    def __init__(self, sharing: Sharing, credentials_of: Callable[[str], Awaitable[Credentials]]) -> None:
        self._sharing = sharing
        self._credentials_of = credentials_of
        self._known: dict[str, Credentials] = {}

    async def resolve(self, reference: str, platform: Platform | None, *, pull: bool) -> Image:
        """The image of that name, with the client's log-in."""
        registry = parse_reference(reference).registry
        if registry not in self._known:
            self._known[registry] = await self._credentials_of(registry)
        return await self._sharing.source(self._known).resolve(reference, platform, pull=pull)
