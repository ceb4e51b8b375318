# SPDX-License-Identifier: Apache-2.0
"""What removing an image means: which names go, and whether the image goes with them.

Implements: moby daemon/images/image_delete.go, whose words clients show as they are.
Pure: facts go in, a plan or a conflict comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampan.errors import Conflict
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference

User = tuple[str, bool]
"""A container's id, and whether it runs."""


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """The references to take away, in this order, and whether nothing is left then that keeps the image."""

    untag: tuple[Reference, ...]
    delete: bool


def plan_removal(
    image_id: Digest,
    names: Sequence[Reference],
    *,
    given: Reference | None,
    force: bool,
    users: Sequence[User],
) -> RemovalPlan:
    """Remove by a name (`given`) or by id (None); `names` are the image's tags and repo digests."""
    if given is None:
        return _plan_by_id(image_id, names, force=force, users=users)
    if not force and is_single(names) and users:
        raise Conflict(
            f'conflict: unable to remove repository reference "{given.familiar()}" (must force) - container'
            f" {users[0][0][:12]} is using its referenced image {image_id.short}"
        )
    untag = (given, *_lone_digests(given, names))
    if set(names) - set(untag):
        return RemovalPlan(untag, delete=False)
    # The name is gone whatever follows; containers keep the image, and nobody is told so (as Docker does).
    in_use = any(running for _, running in users) or (bool(users) and not force)
    return RemovalPlan(untag, delete=not in_use)


def is_single(names: Sequence[Reference]) -> bool:
    """Whether the image has one name: at most one tag, and digests of the same repository only."""
    if len(names) <= 1:
        return True
    tags = [name for name in names if name.digest is None]
    digests = {name.name for name in names if name.digest is not None}
    if len(tags) > 1:
        return False
    return len(digests) == 1 and (not tags or tags[0].name in digests)


def _plan_by_id(
    image_id: Digest, names: Sequence[Reference], *, force: bool, users: Sequence[User]
) -> RemovalPlan:
    running = next((user for user, is_running in users if is_running), None)
    if running is not None:
        raise _conflict(
            image_id, "cannot be forced", f"image is being used by running container {running[:12]}"
        )
    if not force:
        if not is_single(names):
            raise _conflict(image_id, "must be forced", "image is referenced in multiple repositories")
        if users:
            reason = f"image is being used by stopped container {users[0][0][:12]}"
            raise _conflict(image_id, "must be forced", reason)
    return RemovalPlan(tuple(names), delete=True)


def _conflict(image_id: Digest, force: str, reason: str) -> Conflict:
    return Conflict(f"conflict: unable to delete {image_id.short} ({force}) - {reason}")


def _lone_digests(given: Reference, names: Sequence[Reference]) -> list[Reference]:
    """Repo digests that would be left alone in their repository when its last tag goes."""
    if given.digest is not None:
        return []
    others = [name for name in names if name != given and name.name == given.name]
    return others if all(name.digest is not None for name in others) else []
