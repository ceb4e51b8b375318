# SPDX-License-Identifier: Apache-2.0
"""ADD's archives: known by their content, whatever they are called, and unpacked into the layer."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sampan.archive.apply import extract_archive
from sampan.archive.compression import read_start
from sampan.archive.entry import InvalidArchive
from sampan.archive.header import BLOCK_BYTES, ZERO_BLOCK, decode_header


def is_archive(fd: int) -> bool:
    """Whether an open file, compressed or not, begins as a tar: a gzip of a text does not."""
    try:
        return _begins_as_tar(fd)
    finally:
        os.lseek(fd, 0, os.SEEK_SET)


def _begins_as_tar(fd: int) -> bool:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        try:
            block = read_start(file, BLOCK_BYTES)
            if len(block) < BLOCK_BYTES or block == ZERO_BLOCK:
                return False
            decode_header(block)
        except InvalidArchive:
            return False
    return True


def unpack(
    fd: int,
    upper_fd: int,
    destination: str,
    *,
    lowers: Sequence[str],
    owner: tuple[int, int] | None,
) -> None:
    """Unpack an open file into the folder `destination` (canonical) of a snapshot that is being written."""
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        extract_archive(file, upper_fd, path="/" + destination, lowers=lowers, owner=owner)
