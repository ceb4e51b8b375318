# SPDX-License-Identifier: Apache-2.0
"""What goes when an image's rows are gone: its layers and blobs, as far as nobody else needs them.

With a name go the images for other platforms that it stood for, unless they are called otherwise or a container has
them, and the name's index. The caller holds the store's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from sampan.content.store import ContentStore
from sampan.image.attachments import iter_attached_digests, iter_named_digests
from sampan.image.layers import LayerStore
from sampan.image.model import Image
from sampan.image.reader import ImageReader
from sampan.image.removal import User
from sampan.metadata.images import ImageTable
from sampan.metadata.variants import VariantTable
from sampan.oci.descriptor import decode_descriptor
from sampan.oci.digest import Digest, parse_digest

InUse = Callable[[str], Sequence[User]]
"""The containers of an image (by its id): their ids, and whether they run."""

Lines = list[dict[str, str]]
"""The Engine API's Untagged and Deleted lines."""

Company = tuple[list[str], list[Digest]]
"""Of names that go: the ids of the images for any platform that they stand for, and the names' indexes, with the
blobs of their attestations."""


class Disposal:
    """Of one store."""

    def __init__(
        self,
        table: ImageTable,
        variants: VariantTable,
        layers: LayerStore,
        content: ContentStore,
        reader: ImageReader,
    ) -> None:
        self._table = table
        self._reader = reader
        self._variants = variants
        self._layers = layers
        self._content = content

    def delete_rest(self, image: Image, lines: Lines) -> Lines:
        """The image's layers, as far as nobody else has them, and its blobs."""
        self._reader.forget(image.id)
        removed, _ = self._layers.remove_unused()
        blobs = {image.id}
        if image.manifest is not None:
            manifest = decode_descriptor(dict(image.manifest), "manifest")
            blobs |= {manifest.digest, *iter_named_digests(self._content, manifest)}
        self.forget_blobs(blobs)
        return [*lines, {"Deleted": str(image.id)}, *({"Deleted": chain} for chain in removed)]

    def company_of(self, references: Iterable[str]) -> Company:
        """What the names stand for besides; to be asked while they are there."""
        names = list(references)
        indexes = [index for name in names if (index := self._variants.index_of(name)) is not None]
        ids = {one for name in names for one in self._variants.images_of(name)}
        digests = [parse_digest(index["digest"]) for index in indexes]
        for index in indexes:
            digests += iter_attached_digests(self._content, decode_descriptor(index, "index"))
        return sorted(ids), digests

    def remove_company(
        self, company: Company, lines: Lines, in_use: InUse, find: Callable[[str], Image | None]
    ) -> Lines:
        """Remove of it what nothing else holds."""
        others, indexes = company
        self.forget_blobs(indexes)
        for other in others:
            now = find(other)
            if now is None or not now.is_dangling or now.repo_digests or in_use(str(now.id)):
                continue
            self._table.remove(str(now.id))
            lines = self.delete_rest(now, lines)
        return lines

    def forget_blobs(self, digests: Collection[Digest]) -> None:
        """Remove those of the blobs that no image or layer has."""
        for digest in set(digests) - self._known_blobs():
            self._content.remove(digest)

    def sweep(self, keep: Collection[Digest]) -> None:
        """Remove what a kill -9 has left."""
        self._layers.sweep()
        self._layers.remove_unused()
        self.forget_blobs({digest for digest, _ in self._content.walk()} - set(keep))

    def _known_blobs(self) -> set[Digest]:
        known: set[Digest] = set()
        for described in self._variants.indexes():
            index = decode_descriptor(described, "index")
            known |= {index.digest, *iter_attached_digests(self._content, index)}
        for record in self._table.list():
            known.add(parse_digest(record.image_id))
            if record.manifest is not None:
                manifest = decode_descriptor(dict(record.manifest), "manifest")
                known |= {manifest.digest, *iter_named_digests(self._content, manifest)}
        for layer in self._layers.table.list():
            if layer.blob is not None:
                known.add(decode_descriptor(dict(layer.blob), "layer").digest)
        return known
