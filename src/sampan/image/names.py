# SPDX-License-Identifier: Apache-2.0
"""What people call images: references, repo digests, ids, and beginnings of ids.

Holds: a reference goes before an id, as in Docker: an image called ``cafe`` hides the one whose id begins so.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument
from sampan.metadata.images import ImageTable
from sampan.oci.digest import Digest, InvalidDigest
from sampan.oci.reference import InvalidReference, Reference, parse_name, parse_reference

_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 64


def find_image_id(table: ImageTable, name: str) -> str | None:
    """The id of the image that is called so; None if nothing is, or several are."""
    return _find_named(table, name) or _find_by_id(table, name)


def find_tags(table: ImageTable, name: str) -> list[tuple[Reference, str]]:
    """All tags of a repository that is named without one, with the ids that they name."""
    if _find_by_id(table, name) is not None:
        return []
    wanted = parse_name(name)
    if wanted.tag is not None or wanted.digest is not None:
        return []
    known = ((parse_name(text), image_id) for text, image_id in table.references().items())
    return [(reference, image_id) for reference, image_id in known if reference.name == wanted.name]


def is_id_of(image_id: Digest, name: str) -> bool:
    """Whether an image that was found by this name was named by its id or the beginning of it."""
    return image_id.hex.startswith(name.removeprefix("sha256:"))


def parse_tag(name: str) -> Reference:
    """A name that can be given to an image."""
    reference = parse_reference(name)
    if reference.digest is not None:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    if reference.familiar_name in ("sha256", "sha512"):
        raise InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name")
    return reference


def full_name(name: str) -> str:
    """A reference written out; an id as it is."""
    try:
        return str(parse_reference(name))
    except (InvalidReference, InvalidDigest):
        return name


def format_missing(name: str) -> str:
    """A name as Docker repeats it: with the tag that it stands for."""
    try:
        return name if name.startswith("sha256:") else parse_reference(name).familiar()
    except (InvalidReference, InvalidDigest):
        return name


def _find_named(table: ImageTable, name: str) -> str | None:
    try:
        reference = parse_reference(name)
    except InvalidReference:
        if _looks_like_id(name):
            return None
        raise
    if reference.digest is None:
        return table.tagged(str(reference))
    known = table.repo_digests().get(str(reference.with_digest(reference.digest)))
    if known is not None:
        return known
    # A registry's digest is a manifest's. NAME@ID is understood, too, for images that no registry has seen.
    owned = {parse_name(text).name for text in table.references(str(reference.digest))}
    return str(reference.digest) if reference.name in owned else None


def _find_by_id(table: ImageTable, name: str) -> str | None:
    if not _looks_like_id(name):
        return None
    found = table.with_prefix("sha256:" + name.removeprefix("sha256:"))
    return found[0].image_id if len(found) == 1 else None


def _looks_like_id(name: str) -> bool:
    digits = name.removeprefix("sha256:")
    return 0 < len(digits) <= _ID_LENGTH and _HEX.issuperset(digits)
