# SPDX-License-Identifier: Apache-2.0
"""Files in memory as a tar stream: a lone Dockerfile is a build context of one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sampan.archive.entry import Entry, Kind
from sampan.archive.writer import encode_entry

BLOCK = 512
_END = bytes(2 * BLOCK)


def iter_files(files: Mapping[str, bytes], *, is_last: bool = True) -> Iterator[bytes]:
    """An archive of files in memory, or the end of one; without `is_last` its beginning."""
    for name, data in sorted(files.items()):
        yield encode_entry(Entry(name, Kind.FILE, size=len(data)))
        yield data + bytes(-len(data) % BLOCK)
    if is_last:
        yield _END
