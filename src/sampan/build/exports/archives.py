# SPDX-License-Identifier: Apache-2.0
"""A product as one stream: an OCI image layout, Docker's archive, or the files of its trees.

Implements: OCI image-spec 1.1, image-layout.md, in a tar; ``docker load``'s manifest.json beside it; of files below
a folder for each platform (``linux_arm64``), as BuildKit's exporters local and tar name them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from sampan.archive.pack import pack_folders, pack_tree
from sampan.archive.writer import Writable
from sampan.build.exports.options import ExportOptions
from sampan.build.exports.packing import Package
from sampan.build.product import Product
from sampan.errors import Unsupported
from sampan.image.archive_plan import blob_name
from sampan.image.originals import write_blob
from sampan.image.saving import write_end, write_file
from sampan.image.store import ImageStore
from sampan.oci.descriptor import IMAGE_NAME, REFERENCE_NAME, Descriptor
from sampan.oci.document import encode_object
from sampan.oci.index import encode_index
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference


def write_layout(
    images: ImageStore, package: Package, references: Sequence[Reference], out: Writable, *, docker: bool
) -> None:
    """Write a package whose blobs are in the store."""
    with images.content.lease(package.blobs):
        for digest, raw in package.blobs.items():
            if raw is None:
                write_blob(images, digest, out)
            else:
                write_file(blob_name(digest), raw, out)
    write_file("index.json", encode_index(_lines(package.root, references)), out)
    if docker:
        write_file("manifest.json", _docker_list(package, references), out)
    write_file("oci-layout", encode_object({"imageLayoutVersion": "1.0.0"}), out)
    write_end(out)


def _lines(root: Descriptor, references: Sequence[Reference]) -> list[Descriptor]:
    """One a name; its annotations say which."""
    named = [{**root.annotations, IMAGE_NAME: str(one), REFERENCE_NAME: one.tag or ""} for one in references]
    return [replace(root, annotations=names) for names in named or [dict(root.annotations)]]


def _docker_list(package: Package, references: Sequence[Reference]) -> bytes:
    if package.index is not None and len(package.images) > 1:
        raise Unsupported(
            "docker exporter does not currently support exporting manifest lists",
            hint="say type=oci, or leave dest out to keep the image in the engine",
        )
    packed = package.images[0]
    item = {
        "Config": blob_name(packed.manifest.config.digest),
        "RepoTags": [reference.familiar() for reference in references] or None,
        "Layers": [blob_name(layer.digest) for layer in packed.manifest.layers],
    }
    return json.dumps([item], separators=(",", ":")).encode()


def platform_folder(platform: Platform) -> str:
    """What the folder of a platform's files is called."""
    return str(platform.plain).replace("/", "_")


def are_files_split(product: Product, options: ExportOptions) -> bool:
    """Whether files go below a folder for each platform."""
    splits = product.is_split if options.splits is None else options.splits
    if not splits and len(product.parts) > 1:
        raise Unsupported("platform-split=false: files of several platforms cannot be put into one folder")
    return splits


def write_files(product: Product, options: ExportOptions, out: Writable) -> None:
    """Write the files of all trees."""
    empty = (product.services.workplace.empty,)
    mtime_ns = product.services.times.created_ns
    if are_files_split(product, options):
        folders = {platform_folder(part.platform): part.lowers or empty for part in product}
        pack_folders(folders, out, mtime_ns=mtime_ns)
    else:
        pack_tree(product.only.lowers or empty, "/", out, mtime_ns=mtime_ns)
