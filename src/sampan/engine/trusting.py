# SPDX-License-Identifier: Apache-2.0
"""What is asked before an image of the store is used: by a new container, or by a build.

The name that an image is used by counts, not what else it is called. An image that is used by its id may be used if
it may be by one of its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import InvalidArgument, SampanError
from sampan.oci.descriptor import decode_descriptor
from sampan.oci.reference import Reference, parse_name, parse_reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.trust.guard import Guard, Use
from sampan.registry.trust.judgement import Refused

if TYPE_CHECKING:
    from sampan.image.store import Image


class Trust:
    """The guard, asked about images."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    async def examine(self, image: Image, name: str, credentials: Credentials = ANONYMOUS) -> None:
        """Look on registries for what `admit` will want to know; that it is not there is for `admit` to say."""
        uses = plan_uses(image, name)
        for use in uses:
            try:
                await self.guard.examine(use, credentials)
            except SampanError:
                if len(uses) == 1:
                    raise

    def admit(self, image: Image, name: str) -> None:
        """Whether it may be used by this name; Refused if not. Waits for nothing."""
        uses = plan_uses(image, name)
        if not uses:
            return self.guard.admit_nameless(image.id)
        refusals = []
        for use in uses:
            try:
                return self.guard.admit(use)
            except Refused as error:
                refusals.append(error)
        raise refusals[0]


def plan_uses(image: Image, name: str) -> list[Use]:
    """The image under the name that it is used by; under all its names if it is used by its id."""
    reference = _named(image, name)
    if reference is not None:
        return [_use(image, reference, is_pinned=reference.digest is not None)]
    names = (*image.names, *image.repo_digests)
    return [_use(image, parse_name(text), is_pinned=True) for text in names]


def _named(image: Image, name: str) -> Reference | None:
    """The reference that was asked for; None if it was the id, or the beginning of it."""
    try:
        reference = parse_reference(name)
    except InvalidArgument:
        return None
    return reference if reference.digest is not None or str(reference) in image.names else None


def _use(image: Image, reference: Reference, *, is_pinned: bool) -> Use:
    known = (parse_name(text) for text in image.repo_digests)
    digests = tuple(one.digest for one in known if one.name == reference.name and one.digest is not None)
    manifest = decode_descriptor(dict(image.manifest), "manifest").digest if image.manifest else None
    return Use(reference, image.id, digests, manifest, is_pinned=is_pinned)
