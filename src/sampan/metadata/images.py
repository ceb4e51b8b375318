# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608  (only names of our own tables are put into queries; values are parameters)
"""The images, what they are called, and the layers that they share.

Digests and references are kept as text; giving them meaning is the image store's work. Foreign keys hold the
invariants: an image's top layer exists, a layer's parent exists, and a name points at an image that exists.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sampan.errors import NotFound
from sampan.metadata.database import Database


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer in its place: named by chain ID, unpacked in a snapshot, perhaps also kept as a blob."""

    chain_id: str
    diff_id: str
    parent: str | None
    snapshot: str
    size_bytes: int
    blob: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image: the digest of its config, its top layer, and the descriptor of the manifest it came with."""

    image_id: str
    created_ns: int
    size_bytes: int
    chain_id: str | None
    manifest: Mapping[str, Any] | None
    document: Mapping[str, Any]


class ImageTable:
    """Images by id; their references and repo digests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, image: ImageRecord) -> None:
        """Insert the image, or replace the one with its id; its names stay."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO images (image_id, created_ns, size_bytes, chain_id, manifest, document)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (image_id) DO UPDATE SET"
                " created_ns = excluded.created_ns, size_bytes = excluded.size_bytes,"
                " chain_id = excluded.chain_id, manifest = excluded.manifest, document = excluded.document",
                (
                    image.image_id,
                    image.created_ns,
                    image.size_bytes,
                    image.chain_id,
                    _encode(image.manifest),
                    _encode(image.document),
                ),
            )

    def get(self, image_id: str) -> ImageRecord:
        """The image with exactly this id."""
        row = self._database.row("SELECT * FROM images WHERE image_id = ?", (image_id,))
        if row is None:
            raise NotFound(f"No such image: {image_id}")
        return _decode_image(row)

    def has(self, image_id: str) -> bool:
        """Whether there is such an image."""
        return self._database.row("SELECT 1 FROM images WHERE image_id = ?", (image_id,)) is not None

    def with_prefix(self, prefix: str) -> list[ImageRecord]:
        """The images whose id begins so (``sha256:`` included)."""
        query = "SELECT * FROM images WHERE image_id >= ? AND image_id < ?"
        return [_decode_image(row) for row in self._database.rows(query, (prefix, prefix + "g"))]

    def remove(self, image_id: str) -> None:
        """Forget the image and everything it is called."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM images WHERE image_id = ?", (image_id,))

    def tag(self, reference: str, image_id: str) -> None:
        """Let the full reference name this image, whatever it named before."""
        self._name("image_references (reference, image_id)", reference, image_id)

    def untag(self, reference: str) -> None:
        """Let the reference name nothing."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM image_references WHERE reference = ?", (reference,))

    def tagged(self, reference: str) -> str | None:
        """The id of the image that the full reference names."""
        row = self._database.row("SELECT image_id FROM image_references WHERE reference = ?", (reference,))
        return row["image_id"] if row is not None else None

    def references(self, image_id: str | None = None) -> dict[str, str]:
        """Full reference to image id, sorted by reference: all, or one image's."""
        rows = self._database.rows(
            "SELECT reference, image_id FROM image_references WHERE ?1 IS NULL OR image_id = ?1"
            " ORDER BY reference",
            (image_id,),
        )
        return {row["reference"]: row["image_id"] for row in rows}

    def add_repo_digest(self, repo_digest: str, image_id: str) -> None:
        """Remember that ``NAME@sha256:…`` on its registry is this image."""
        self._name("repo_digests (repo_digest, image_id)", repo_digest, image_id)

    def remove_repo_digest(self, repo_digest: str) -> None:
        """Forget where the image is known to be."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM repo_digests WHERE repo_digest = ?", (repo_digest,))

    def repo_digests(self, image_id: str | None = None) -> dict[str, str]:
        """``NAME@sha256:…`` to image id, sorted: all, or one image's."""
        rows = self._database.rows(
            "SELECT repo_digest, image_id FROM repo_digests WHERE ?1 IS NULL OR image_id = ?1"
            " ORDER BY repo_digest",
            (image_id,),
        )
        return {row["repo_digest"]: row["image_id"] for row in rows}

    def _name(self, target: str, name: str, image_id: str) -> None:
        with self._database.transaction() as connection:
            try:
                connection.execute(f"INSERT OR REPLACE INTO {target} VALUES (?, ?)", (name, image_id))
            except sqlite3.IntegrityError as error:
                raise NotFound(f"No such image: {image_id}") from error

    def list(self) -> list[ImageRecord]:
        """All images, newest first, as Docker lists them."""
        return [
            _decode_image(row) for row in self._database.rows("SELECT * FROM images ORDER BY created_ns DESC")
        ]


class LayerTable:
    """Layers by chain ID."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, layer: LayerRecord) -> None:
        """Insert the layer, or replace the one with its chain ID."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO layers (chain_id, diff_id, parent, snapshot, size_bytes, blob)"
                " VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (chain_id) DO UPDATE SET snapshot = excluded.snapshot,"
                " size_bytes = excluded.size_bytes, blob = excluded.blob",
                (
                    layer.chain_id,
                    layer.diff_id,
                    layer.parent,
                    layer.snapshot,
                    layer.size_bytes,
                    _encode(layer.blob),
                ),
            )

    def get(self, chain_id: str) -> LayerRecord | None:
        """The layer with this chain ID, if it is here."""
        row = self._database.row("SELECT * FROM layers WHERE chain_id = ?", (chain_id,))
        return _decode_layer(row) if row is not None else None

    def by_diff_id(self, diff_id: str) -> list[LayerRecord]:
        """The same layer in any place: its blob serves all of them."""
        return [
            _decode_layer(row)
            for row in self._database.rows("SELECT * FROM layers WHERE diff_id = ?", (diff_id,))
        ]

    def set_blob(self, chain_id: str, blob: Mapping[str, Any] | None) -> None:
        """Remember the descriptor of the layer's blob in the content store, or that there is none."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE layers SET blob = ? WHERE chain_id = ?", (_encode(blob), chain_id))

    def unused(self) -> list[LayerRecord]:
        """Layers that neither an image nor another layer stands on; removing them may free their parents."""
        query = (
            "SELECT * FROM layers AS l WHERE NOT EXISTS (SELECT 1 FROM images WHERE chain_id = l.chain_id)"
            " AND NOT EXISTS (SELECT 1 FROM layers WHERE parent = l.chain_id)"
        )
        return [_decode_layer(row) for row in self._database.rows(query)]

    def remove(self, chain_id: str) -> None:
        """Forget the layer; an image or layer that stands on it makes this fail."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM layers WHERE chain_id = ?", (chain_id,))

    def list(self) -> list[LayerRecord]:
        """All layers."""
        return [_decode_layer(row) for row in self._database.rows("SELECT * FROM layers")]


def _encode(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _decode_image(row: sqlite3.Row) -> ImageRecord:
    return ImageRecord(
        image_id=row["image_id"],
        created_ns=row["created_ns"],
        size_bytes=row["size_bytes"],
        chain_id=row["chain_id"],
        manifest=json.loads(row["manifest"]) if row["manifest"] else None,
        document=json.loads(row["document"]),
    )


def _decode_layer(row: sqlite3.Row) -> LayerRecord:
    return LayerRecord(
        chain_id=row["chain_id"],
        diff_id=row["diff_id"],
        parent=row["parent"],
        snapshot=row["snapshot"],
        size_bytes=row["size_bytes"],
        blob=json.loads(row["blob"]) if row["blob"] else None,
    )
