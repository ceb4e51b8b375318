# SPDX-License-Identifier: Apache-2.0
"""Read the files of configs and secrets, to know when they have changed.

A file that is mounted is the container's own only as long as nobody puts another in its place, as editors do, and
one that was copied in is never another: so what is in them counts like the rest of a service's configuration.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sampan.compose.project import Project


def with_file_digests(project: Project) -> Project:
    """The project with the digests of what its configs and secrets have in files; what cannot be read has none."""
    paths = {held.file for held in (*project.configs.values(), *project.secrets.values()) if held.file}
    digests = {path: _digest(path) for path in sorted(paths)}
    return replace(project, file_digests={path: value for path, value in digests.items() if value})


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
