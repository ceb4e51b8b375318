# SPDX-License-Identifier: Apache-2.0
"""The tables of state.db, as the migrations that make them.

Each entry of MIGRATIONS takes a database from its index to the next version and is applied in one transaction
with the version number. A migration that has been released is never edited: add another one.
"""

from __future__ import annotations

_INITIAL = (
    # AUTOINCREMENT: a number, once a directory's name, never names another directory.
    """CREATE TABLE snapshots (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('active', 'view', 'committed')),
        parent INTEGER REFERENCES snapshots (number),
        created_ns INTEGER NOT NULL,
        size_bytes INTEGER,
        inodes INTEGER
    )""",
    "CREATE INDEX snapshots_by_parent ON snapshots (parent)",
    """CREATE TABLE containers (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL, document TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE networks (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL, document TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE volumes (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL, document TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE layers (
        chain_id TEXT PRIMARY KEY,
        diff_id TEXT NOT NULL,
        parent TEXT REFERENCES layers (chain_id),
        snapshot TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        blob TEXT
    ) WITHOUT ROWID""",
    "CREATE INDEX layers_by_parent ON layers (parent)",
    """CREATE TABLE images (
        image_id TEXT PRIMARY KEY,
        created_ns INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        chain_id TEXT REFERENCES layers (chain_id),
        manifest TEXT,
        document TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX images_by_chain ON images (chain_id)",
    """CREATE TABLE image_references (
        reference TEXT PRIMARY KEY,
        image_id TEXT NOT NULL REFERENCES images (image_id) ON DELETE CASCADE
    ) WITHOUT ROWID""",
    "CREATE INDEX image_references_by_image ON image_references (image_id)",
    """CREATE TABLE repo_digests (
        repo_digest TEXT PRIMARY KEY,
        image_id TEXT NOT NULL REFERENCES images (image_id) ON DELETE CASCADE
    ) WITHOUT ROWID""",
    "CREATE INDEX repo_digests_by_image ON repo_digests (image_id)",
    """CREATE TABLE build_cache (
        key TEXT PRIMARY KEY,
        created_ns INTEGER NOT NULL,
        last_used_ns INTEGER NOT NULL,
        use_count INTEGER NOT NULL,
        in_use INTEGER NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID""",
)

_VERIFICATIONS = (
    """CREATE TABLE verifications (
        image_id TEXT NOT NULL REFERENCES images (image_id) ON DELETE CASCADE,
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        key TEXT NOT NULL,
        reference TEXT NOT NULL,
        verified_ns INTEGER NOT NULL,
        PRIMARY KEY (image_id, repository, digest, key, reference)
    ) WITHOUT ROWID""",
)

_VARIANTS = (
    """CREATE TABLE image_indexes (
        reference TEXT PRIMARY KEY REFERENCES image_references (reference) ON DELETE CASCADE,
        descriptor TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE image_variants (
        reference TEXT NOT NULL REFERENCES image_references (reference) ON DELETE CASCADE,
        image_id TEXT NOT NULL REFERENCES images (image_id) ON DELETE CASCADE,
        PRIMARY KEY (reference, image_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX image_variants_by_image ON image_variants (image_id)",
)

_BUILDS = (
    """CREATE TABLE builds (
        ref TEXT PRIMARY KEY, created_ns INTEGER NOT NULL, document TEXT NOT NULL
    ) WITHOUT ROWID""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_INITIAL, _VERIFICATIONS, _VARIANTS, _BUILDS)
