# SPDX-License-Identifier: Apache-2.0
"""Parts of blobs: what a client asks for, and what it says that it sends.

Implements: RFC 9110, section 14 (Range, one part; several are answered with the whole), and distribution-spec 1.1,
"Pushing a blob in chunks" (Content-Range without a unit). Pure.
"""

from __future__ import annotations

import re

from sampan.registry.server.errors import Refusal

_NUMBER = r"[0-9]{1,18}"
_RANGE = re.compile(rf"bytes\s*=\s*(?:({_NUMBER})\s*-\s*({_NUMBER})?|-\s*({_NUMBER}))\s*", re.IGNORECASE)
_UNIT = re.compile(r"\s*bytes\s*=", re.IGNORECASE)
_CHUNK = re.compile(rf"(?:bytes[ =])?\s*({_NUMBER})-({_NUMBER})(?:/(?:{_NUMBER}|\*))?")


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """The first byte and the number of bytes of a Range; None: the whole.

    Raises Refusal (416) where no byte of the blob is asked for, or the bounds are the wrong way round.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        if _UNIT.match(text) and "," not in text:
            raise _unsatisfiable(size)
        return None  # another unit, or several parts: both may be answered with everything
    first, last, suffix = match.groups()
    if suffix is not None:
        count = min(int(suffix), size)
        start = size - count
    else:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        count = end - start + 1
        if last and int(last) < start:
            raise _unsatisfiable(size)
    if count <= 0:
        raise _unsatisfiable(size)
    return start, count


def parse_chunk(text: str) -> tuple[int, int] | None:
    """The first byte and the number of bytes of a chunk's Content-Range; None if it is none."""
    match = _CHUNK.fullmatch(text.strip())
    if match is None or int(match[2]) < int(match[1]):
        return None
    return int(match[1]), int(match[2]) - int(match[1]) + 1


def _unsatisfiable(size: int) -> Refusal:
    headers = {"Content-Range": f"bytes */{size}"}
    return Refusal("RANGE_INVALID", "requested range not satisfiable", headers=headers)
