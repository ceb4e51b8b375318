# SPDX-License-Identifier: Apache-2.0
"""The images of one engine: found by whatever people call them, made, named, moved in and out, and removed.

Holds: the config's bytes are a blob whose digest is the image's id; layers are snapshots by chain ID; names are
rows. What changes images is serialised by one lock; reading needs none.
Not here: pulling and pushing, which wait for networks (`pulling`, `pushing`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sampan.archive.reader import Readable
from sampan.archive.writer import Writable
from sampan.content.store import ContentStore
from sampan.errors import InvalidArgument
from sampan.image.describe import describe_history, inspect_image, summarise_image
from sampan.image.disposal import Disposal, InUse
from sampan.image.importing import import_archive
from sampan.image.layers import LayerStore
from sampan.image.loading import Progress, load_archive
from sampan.image.model import Image, ImageNotFound, IndexHere, LayerInfo
from sampan.image.names import find_image_id, find_tags, format_missing, full_name, is_id_of, parse_tag
from sampan.image.originals import save_originals
from sampan.image.reader import ImageReader
from sampan.image.removal import plan_removal
from sampan.image.saving import Export, save_archive
from sampan.image.tree import describe_manifests
from sampan.image.variants import add_variant, choose_variant, drop_variant
from sampan.metadata.database import Database
from sampan.metadata.images import ImageRecord, ImageTable
from sampan.metadata.variants import VariantTable
from sampan.oci.config import ImageConfig, decode_image_config
from sampan.oci.descriptor import decode_descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference, parse_name, parse_reference
from sampan.oci.run_config import RunConfig
from sampan.snapshot.store import SnapshotStore

__all__ = ["Image", "ImageNotFound", "ImageStore", "LayerInfo"]


class ImageStore:
    """All images. Safe to use from several threads."""

    def __init__(self, database: Database, content: ContentStore, snapshots: SnapshotStore) -> None:
        self.database = database
        self.content = content
        self.snapshots = snapshots
        self.layers = LayerStore(database, content, snapshots)
        self._table = ImageTable(database)
        self.variants = VariantTable(database)
        self._lock = threading.RLock()
        self._reader = ImageReader(self._table, self.variants, content)
        self._disposal = Disposal(self._table, self.variants, self.layers, content, self._reader)

    def resolve(self, name: str, platform: Platform | None = None) -> Image:
        """The image of this reference, repo digest, id, or unambiguous beginning of an id.

        Of a name that stands for several platforms' images it is the one for `platform`, or for this machine.
        """
        image_id = find_image_id(self._table, name)
        if image_id is None:
            raise ImageNotFound(format_missing(name))
        image = self.get(image_id)
        return image if platform is None else choose_variant(self, image, name, platform)

    def find(self, image_id: str) -> Image | None:
        """The image with exactly this id, if it is here."""
        return self._reader.read(self._table.get(image_id)) if self._table.has(image_id) else None

    def get(self, image_id: Digest | str) -> Image:
        """The image with exactly this id."""
        return self._reader.read(self._table.get(str(image_id)))

    def create(self, config: bytes, layers: Sequence[LayerInfo], *, references: Iterable[str] = ()) -> Image:
        """Record an image that was made here: its layers are committed snapshots by their chain IDs."""
        decoded = decode_image_config(config)
        if tuple(layer.diff_id for layer in layers) != decoded.diff_ids:
            raise InvalidArgument(f"image {decoded.image_id.short}: layers are not those of its config")
        with self._lock:
            self.content.write(config)
            with self.database.transaction():
                self.layers.record(layers)
                self.record(decoded, references=[parse_tag(name) for name in references])
        return self.get(decoded.image_id)

    def record(
        self,
        config: ImageConfig,
        *,
        manifest: Manifest | None = None,
        references: Iterable[Reference] = (),
        digests: Iterable[Reference] = (),
        index: IndexHere | None = None,
    ) -> None:
        """Write an image's rows; for use in the transaction that also writes its layers'.

        With the index that it came by, the names stand for the images of other platforms, too.
        """
        image_id = str(config.image_id)
        created_ns = max(0, config.created_ns or 0)
        size = self.layers.stack_size(config.chain_ids)
        chain = config.chain_ids
        document = self._table.get(image_id).document if self._table.has(image_id) else {}
        known = self._table.get(image_id).manifest if self._table.has(image_id) else None
        described = encode_descriptor(manifest.descriptor) if manifest else known
        top = str(chain[-1]) if chain else None
        self._table.put(ImageRecord(image_id, created_ns, size, top, described, document))
        named = image_id
        for reference in references:
            if index is None:
                self._tag(image_id, reference)
            else:
                named = add_variant(self._table, self.variants, reference, config, index, self.get)
                self._stamp(named)
        for reference in digests:
            self._table.add_repo_digest(str(reference), named)

    def keep(
        self,
        images: Sequence[tuple[ImageConfig, Manifest]],
        *,
        names: Iterable[str] = (),
        index: IndexHere | None = None,
        documents: Iterable[bytes] = (),
    ) -> None:
        """Give images that are here their manifests, and names that stand for all of them by an index.

        `documents` are the bytes of the manifests, the index, and of what else it names.
        """
        references = [parse_tag(name) for name in names]
        with self._lock:
            for document in documents:
                self.content.write(document)
            replaced = set(self.index_digests(references))
            for config, _ in images:
                known = self._table.get(str(config.image_id)).manifest
                replaced |= {decode_descriptor(dict(known), "manifest").digest} if known else set()
            with self.database.transaction():
                for config, manifest in images:
                    self.record(config, manifest=manifest, references=references, index=index)
            self._disposal.forget_blobs(replaced)

    def tag(self, image: Image, name: str, *, source: str = "") -> Reference:
        """Give an image one more name; whatever had it before has it no more.

        `source` is what the image was called: if that stands for several platforms' images, so does the new name.
        """
        reference = parse_tag(name)
        with self._lock, self.database.transaction():
            known = self._table.tagged(full_name(source)) == str(image.id) if source else False
            index = self.variants.index_of(full_name(source)) if known else None
            ids = self.variants.images_of(full_name(source)) if index else []
            self._tag(str(image.id), reference)
            if index is not None:
                self.variants.put(str(reference), index, ids)
        return reference

    def remove(self, name: str, *, force: bool = False, in_use: InUse = lambda _: ()) -> list[dict[str, str]]:
        """Take a name away, and the image with its last one: the Engine API's Untagged and Deleted lines."""
        with self._lock:
            image = self.resolve(name)
            given = None if is_id_of(image.id, name) else parse_reference(name)
            names = [parse_name(text) for text in image.references + image.repo_digests]
            users = in_use(str(image.id))
            plan = plan_removal(image.id, names, given=given, force=force, users=users)
            company = self._disposal.company_of(str(reference) for reference in plan.untag)
            with self.database.transaction():
                for reference in plan.untag:
                    self._untag(reference)
                if plan.delete:
                    self._table.remove(str(image.id))
            lines = [{"Untagged": reference.familiar()} for reference in plan.untag]
            if plan.delete:
                lines = self._disposal.delete_rest(image, lines)
            return self._disposal.remove_company(company, lines, in_use, self.find)

    def remove_platform(
        self, name: str, platform: Platform, *, force: bool = False, in_use: InUse = lambda _: ()
    ) -> list[dict[str, str]]:
        """Take from a name the image for one platform; with its last image the name goes."""
        with self._lock:
            image, reference = self.resolve(name, platform), full_name(name)
            others = [one for one in self.variants.images_of(reference) if one != str(image.id)]
            if not others or str(image.id) not in self.variants.images_of(reference):
                return self.remove(name, force=force, in_use=in_use)
            plan_removal(image.id, (), given=None, force=force, users=in_use(str(image.id)))
            with self.database.transaction():
                drop_variant(self._table, self.variants, reference, image, [self.get(one) for one in others])
            return self._disposal.remove_company(([str(image.id)], []), [], lambda _: (), self.find)

    def prune(
        self, keep: Callable[[Image], bool], *, dangling_only: bool = True, in_use: InUse = lambda _: ()
    ) -> tuple[list[dict[str, str]], int]:
        """Remove the images that pass the test and that no container uses; lines, and bytes freed."""
        lines: list[dict[str, str]] = []
        with self._lock:
            before = self.layers.total_size()
            for image in self.list():
                if (dangling_only and not image.is_dangling) or not keep(image) or in_use(str(image.id)):
                    continue
                if image.variant_of:
                    continue  # goes with the image that its names stand for
                names = [parse_name(text) for text in image.references + image.repo_digests]
                company = self._disposal.company_of(image.references)
                with self.database.transaction():
                    self._table.remove(str(image.id))
                lines += [{"Untagged": reference.familiar()} for reference in names]
                lines = self._disposal.delete_rest(image, lines)
                lines = self._disposal.remove_company(company, lines, in_use, self.find)
            return lines, before - self.layers.total_size()

    def history(self, image: Image) -> list[dict[str, Any]]:
        """HistoryResponseItem for each line, newest first."""
        return describe_history(image, self._layer_sizes(image))

    def inspect(self, image: Image) -> dict[str, Any]:
        """ImageInspect."""
        is_layered = self.snapshots.driver.is_layered
        return inspect_image(image, driver="overlay2" if is_layered else "vfs", mount=self._mount_data(image))

    def summary(self, image: Image) -> dict[str, Any]:
        """ImageSummary."""
        return summarise_image(image)

    def summaries(
        self, keep: Callable[[Image], bool] = lambda _: True, *, shared_sizes: bool = False
    ) -> list[dict[str, Any]]:
        """ImageSummary of those that pass the test; where asked, with the bytes they share with any other."""
        images = [image for image in self.list() if image.references or not image.variant_of]
        if not shared_sizes:
            return [summarise_image(image) for image in images if keep(image)]
        users = Counter(str(chain) for image in images for chain in image.chain_ids)
        return [
            summarise_image(
                image,
                shared_bytes=sum(
                    size for chain, size in self._layer_sizes(image).items() if users[chain] > 1
                ),
            )
            for image in images
            if keep(image)
        ]

    def manifests(self, image_id: str, in_use: InUse = lambda _: ()) -> list[dict[str, Any]]:
        """ImageManifestSummary of each platform that the image's names stand for."""
        return describe_manifests(self, self.get(image_id), in_use)

    def layers_size(self) -> int:
        """The bytes of all layers, each once."""
        return self.layers.total_size()

    def load(
        self, stream: Readable, *, platform: Platform | None = None, progress: Progress | None = None
    ) -> list[tuple[Image, list[str]]]:
        """Load a docker-archive or an OCI layout in a tar; each image with its new names, short."""
        return load_archive(self, stream, platform=platform, progress=progress)

    def save(
        self,
        names: Sequence[str],
        out: Writable,
        *,
        platform: Platform | None = None,
        originals: bool = False,
    ) -> None:
        """Write images as one archive: a repository's name stands for all of its tags.

        `originals`: with the manifests and blobs that they came with, and the images for all platforms.
        """
        exports: dict[Digest, Export] = {}
        for name in names:
            for export in self._exports(name, platform):
                before = exports.get(export.image.id)
                references = (before.references if before else ()) + export.references
                is_one = platform is not None
                exports[export.image.id] = Export(export.image, tuple(dict.fromkeys(references)), is_one)
        write = save_originals if originals else save_archive
        write(self, list(exports.values()), out)

    def import_tar(
        self,
        stream: Readable,
        name: str | None = None,
        *,
        config: RunConfig | None = None,
        message: str = "",
        platform: Platform | None = None,
    ) -> Image:
        """Make an image of a root filesystem's tar."""
        references = (parse_tag(name),) if name else ()
        return import_archive(
            self,
            stream,
            references=references,
            config=config or RunConfig(),
            message=message,
            platform=platform,
        )

    def sweep(self, keep: Collection[Digest] = ()) -> None:
        """Remove what a kill -9 has left: at start, before anything is loaded or built."""
        with self._lock:
            self._disposal.sweep(keep)

    def index_digests(self, references: Iterable[Reference]) -> list[Digest]:
        """The indexes that these names came by."""
        return self._disposal.company_of(str(reference) for reference in references)[1]

    def forget_blobs(self, digests: Collection[Digest]) -> None:
        """Remove those of the blobs that no image or layer has."""
        with self._lock:
            self._disposal.forget_blobs(digests)

    def _tag(self, image_id: str, reference: Reference) -> None:
        self._table.tag(str(reference), image_id)
        self._stamp(image_id)

    def _stamp(self, image_id: str) -> None:
        """Remember when the image was named last."""
        record = self._table.get(image_id)
        document = {**record.document, "last_tag_ns": time.time_ns()}
        self._table.put(
            ImageRecord(
                image_id, record.created_ns, record.size_bytes, record.chain_id, record.manifest, document
            )
        )

    def _untag(self, reference: Reference) -> None:
        if reference.digest is not None:
            self._table.remove_repo_digest(str(reference))
        else:
            self._table.untag(str(reference))

    def _exports(self, name: str, platform: Platform | None) -> list[Export]:
        """An id without names, one tag, or all tags of a repository."""
        tags = find_tags(self._table, name)
        if tags:
            return [Export(self.resolve(str(tag), platform), (tag,)) for tag, _ in tags]
        image = self.resolve(name, platform)
        reference = None if is_id_of(image.id, name) else parse_reference(name)
        return [Export(image, () if reference is None or reference.digest else (reference,))]

    def _layer_sizes(self, image: Image) -> dict[str, int]:
        records = (self.layers.table.get(str(chain)) for chain in image.chain_ids)
        return {record.chain_id: record.size_bytes for record in records if record is not None}

    def _mount_data(self, image: Image) -> dict[str, str]:
        if image.chain_id is None or not self.snapshots.driver.is_layered:
            return {}
        directories = self.snapshots.lowers(image.chain_id)
        own = directories[0].removesuffix("/fs")
        data = {"LowerDir": ":".join(directories[1:])} if directories[1:] else {}
        return data | {"MergedDir": f"{own}/merged", "UpperDir": directories[0], "WorkDir": f"{own}/work"}

    def list(self) -> list[Image]:
        """All images, newest first."""
        return [self._reader.read(record) for record in self._table.list()]
