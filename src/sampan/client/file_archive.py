# SPDX-License-Identifier: Apache-2.0
"""Files in memory as a tar stream: a lone Dockerfile is a build context of one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sampan.archive.entry import Entry, Kind
from sampan.archive.writer import encode_entry

BLOCK = 512
_END = bytes(2 * BLOCK)


def iter_files(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """An archive of files in memory, or the end of one."""
    for name, data in sorted(files.items()):
        yield encode_entry(Entry(name, Kind.FILE, size=len(data)))
        yield data + bytes(-len(data) % BLOCK)
    yield _END
