# SPDX-License-Identifier: Apache-2.0
"""Base images for a build whose client is asked who it is to a registry, when that registry is first needed."""

from __future__ import annotations

from collections.abc import Mapping

from sampan.build.caches.using import cache_transports
from sampan.engine.sharing import BuildPublisher, CredentialsOf, Sharing
from sampan.image.store import Image
from sampan.oci.platform import Platform
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import Credentials
from sampan.transport.opening import Surroundings


class SessionImages:
    """One build's ImageSource."""

    def __init__(self, sharing: Sharing, credentials_of: CredentialsOf) -> None:
        self._sharing = sharing
        self._credentials_of = credentials_of
        self._known: dict[str, Credentials] = {}

    async def resolve(self, reference: str, platform: Platform | None, *, pull: bool) -> Image:
        """The image of that name, with the client's log-in."""
        registry = parse_reference(reference).registry
        if registry not in self._known:
            self._known[registry] = await self._credentials_of(registry)
        return await self._sharing.source(self._known).resolve(reference, platform, pull=pull)


class SessionRegistries:
    """What builds of BuildKit's clients have of registries."""

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing

    def images(self, credentials_of: CredentialsOf) -> SessionImages:
        """Where base images are found."""
        return SessionImages(self._sharing, credentials_of)

    def publisher(self, credentials_of: CredentialsOf) -> BuildPublisher:
        """Where images are pushed."""
        return self._sharing.publisher(credentials_of)

    def caches(self, accounts: Mapping[str, Credentials]) -> Surroundings:
        """Where caches are read and written."""
        return cache_transports(self._sharing.registries, accounts)
