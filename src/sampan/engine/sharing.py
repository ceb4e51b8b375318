# SPDX-License-Identifier: Apache-2.0
"""Sharing images: pulls, pushes and log-ins as the engine offers them, with names as people write them.

A name without a registry is looked for in the places that the configuration lists; the image is then known by the
name that was asked for, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sampan.engine.events import EventBus
from sampan.engine.trusting import Trust
from sampan.errors import InvalidArgument, NotFound, PermissionDenied, SampanError, Unavailable
from sampan.image.model import IndexHere
from sampan.image.pulling import Pulled, Puller
from sampan.image.pushing import Pusher
from sampan.image.remote import describe_remote
from sampan.image.store import Image, ImageNotFound, ImageStore
from sampan.image.transfer import Line, Progress, ignore
from sampan.image.variants import PlatformNotHere
from sampan.metadata.verifications import VerificationTable
from sampan.oci.platform import Platform
from sampan.oci.reference import DEFAULT_REGISTRY, Reference, parse_name, parse_reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.repository import Registries
from sampan.registry.search import SearchRequest, plan_search, search_hub
from sampan.registry.trust.guard import Guard
from sampan.registry.trust.judgement import Refused
from sampan.registry.trust.policy import Policy


class Sharing:
    """What an engine does with registries."""

    def __init__(
        self, images: ImageStore, registries: Registries, events: EventBus, policy: Policy | None = None
    ) -> None:
        self.registries = registries
        guard = Guard(policy or Policy(), VerificationTable(images.database), registries)
        self.trust = Trust(guard)
        self.puller = Puller(images, registries, guard)
        self.pusher = Pusher(images, registries)
        self._images = images
        self._events = events

    async def pull(
        self,
        name: str,
        *,
        platform: Platform | None = None,
        credentials: Credentials = ANONYMOUS,
        progress: Progress = ignore,
    ) -> Pulled:
        """Pull one image."""
        asked = parse_reference(name)
        places = plan_search(name, self.registries.settings.search)
        for place in places[:-1]:
            try:
                return await self._pull(place, asked, platform, credentials, progress)
            except Refused:
                raise
            except SampanError:
                continue  # the next place of the list
        return await self._pull(places[-1], asked, platform, credentials, progress)

    async def pull_all(
        self,
        name: str,
        *,
        platform: Platform | None = None,
        credentials: Credentials = ANONYMOUS,
        progress: Progress = ignore,
    ) -> None:
        """Pull every tag of a repository."""
        repository = plan_search(name, self.registries.settings.search)[-1].without_tag()
        for reference in await self.puller.tags(repository, credentials):
            await self._pull(reference, reference, platform, credentials, progress)

    async def push(
        self,
        name: str,
        tag: str,
        *,
        platform: Platform | None = None,
        credentials: Credentials = ANONYMOUS,
        progress: Progress = ignore,
    ) -> None:
        """Push one tag, or without a tag all that the repository has here."""
        for reference in self._tags_to_push(name, tag):
            await self.pusher.push(reference, platform=platform, credentials=credentials, progress=progress)
            self._events.publish("image", "push", reference.familiar(), {"name": reference.familiar_name})

    async def inspect(self, name: str, credentials: Credentials = ANONYMOUS) -> dict[str, Any]:
        """DistributionInspect, and the manifest's own bytes."""
        reference = plan_search(name, self.registries.settings.search)[-1]
        return await describe_remote(self.registries.open(reference, credentials), reference)

    async def search(self, request: SearchRequest, credentials: Credentials) -> list[dict[str, Any]]:
        """ImageSearch."""
        return await search_hub(self.registries.transport, request, credentials)

    def source(self, credentials: Mapping[str, Credentials] | None = None) -> RegistryImages:
        """Where a build finds its base images, with the credentials of who asked for it."""
        return RegistryImages(self, self._images, credentials or {})

    def publisher(self, credentials_of: CredentialsOf) -> BuildPublisher:
        """Where a build sends its images, with the log-ins of who asked for it."""
        return BuildPublisher(self, credentials_of)

    async def close(self) -> None:
        """End all connections."""
        self.puller.close()
        self.pusher.close()
        await self.registries.close()

    async def _pull(
        self,
        reference: Reference,
        asked: Reference,
        platform: Platform | None,
        credentials: Credentials,
        progress: Progress,
    ) -> Pulled:
        pulled = await self.puller.pull(
            reference,
            platform=platform,
            credentials=credentials,
            progress=progress,
            names=(asked,) if asked != reference else (),
        )
        self._events.publish("image", "pull", reference.familiar(), {"name": reference.familiar_name})
        return pulled

    def _tags_to_push(self, name: str, tag: str) -> Sequence[Reference]:
        reference = parse_name(name)
        if reference.digest is not None:
            raise InvalidArgument("cannot push a digest reference")
        if tag or reference.tag:
            return [reference.with_tag(tag or reference.tag or "")]
        tags = self.pusher.tags(reference)
        if not tags:
            raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_name}")
        return tags


CredentialsOf = Callable[[str], Awaitable[Credentials]]
"""Who somebody is to a registry."""


@dataclass(frozen=True, slots=True)
class BuildPublisher:
    """A build's Publisher."""

    sharing: Sharing
    credentials_of: CredentialsOf

    async def publish(self, reference: Reference, tell: Callable[[str], None]) -> None:
        """Push what the name stands for."""
        await self.sharing.push(
            str(reference),
            reference.tag or "",
            credentials=await self.credentials_of(reference.registry),
            progress=partial(_tell_layer, tell),
        )

    async def publish_digest(
        self, name: Reference, images: Sequence[Image], index: IndexHere | None, tell: Callable[[str], None]
    ) -> None:
        """Push without a tag."""
        await self.sharing.pusher.push_digest(
            name,
            images,
            index,
            credentials=await self.credentials_of(name.registry),
            progress=partial(_tell_layer, tell),
        )


def _tell_layer(tell: Callable[[str], None], line: Line) -> None:
    if line.id and line.status in ("Pushed", "Layer already exists"):
        tell(f"pushing layer {line.id}")


def credentials_in(accounts: Mapping[str, Credentials]) -> CredentialsOf:
    """Those that came with a request."""

    async def find(registry: str) -> Credentials:
        return accounts.get(registry, ANONYMOUS)

    return find


@dataclass(frozen=True, slots=True)
class RegistryImages:
    """The images that are here, and those that can be pulled: a build's ImageSource."""

    sharing: Sharing
    images: ImageStore
    credentials: Mapping[str, Credentials]

    async def resolve(self, reference: str, platform: Platform | None, *, pull: bool) -> Image:
        """The image of that name; pulled if it is missing, for another platform, or asked to be."""
        credentials = self.credentials.get(parse_reference(reference).registry, ANONYMOUS)
        known = None if pull else self._find(reference, platform)
        try:
            if known is not None:
                await self.sharing.trust.examine(known, reference, credentials)
                self.sharing.trust.admit(known, reference)
                return known
            pulled = await self.sharing.pull(reference, platform=platform, credentials=credentials)
        except SampanError as error:
            raise _unresolved(reference, error) from error
        return pulled.image

    def _find(self, reference: str, platform: Platform | None) -> Image | None:
        try:
            image = self.images.resolve(reference)
        except ImageNotFound:
            return None
        has_name = any(parse_name(name).registry for name in image.repo_digests)
        if platform is None:
            return image
        try:
            return self.images.resolve(reference, platform)
        except PlatformNotHere:
            return None if has_name else image  # one made here is for whatever machine its maker says


def _unresolved(reference: str, error: SampanError) -> SampanError:
    """Why a FROM cannot be had, in BuildKit's words, with what to do on a machine that reaches no registry."""
    kind = next((one for one in (NotFound, PermissionDenied) if isinstance(error, one)), Unavailable)
    parsed = parse_reference(reference)
    hint = error.hint
    if hint is None and parsed.registry == DEFAULT_REGISTRY and not isinstance(error, Refused):
        name = parsed.familiar()
        hint = (
            f"make it with `sampan bootstrap {name}`, load or import it,"
            f" or give another in its place: --build-context {name}=docker-image://IMAGE"
        )
    return kind(f"failed to resolve source metadata for {parsed}: {error.message}", hint=hint)
