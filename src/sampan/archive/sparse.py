# SPDX-License-Identifier: Apache-2.0
"""Where the stored bytes of a sparse member belong, in the four ways GNU tar has written that down.

Implements: GNU tar manual, "Storing Sparse Files": old GNU headers, and PAX formats 0.0, 0.1 and 1.0.
Holds: a map that is returned is in order, without overlaps, within the real size, and stores what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sampan.archive.entry import InvalidArchive
from sampan.archive.header import BLOCK_BYTES
from sampan.archive.pax import decode_integer

MAX_SEGMENTS = 1 << 20

Segments = tuple[tuple[int, int], ...]
ReadBlock = Callable[[], bytes]


def decode_old_gnu(header: bytes, read_block: ReadBlock) -> tuple[Segments, int]:
    """The map in an old GNU header and the blocks after it, and the real size of the file."""
    numbers: list[int] = []
    _collect(header[386:482], numbers)
    more = header[482]
    while more:
        block = read_block()
        _collect(block[:504], numbers)
        more = block[504]
        _bound(len(numbers))
    return _pairs(numbers), _gnu_number(header[483:495])


def decode_pax_0(records: Iterable[tuple[bytes, bytes]]) -> Segments:
    """The map as PAX records: repeated offset and numbytes (0.0), or one comma-separated list (0.1)."""
    numbers: list[int] = []
    for key, value in records:
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            numbers.append(decode_integer(value))
        elif key == b"GNU.sparse.map":
            numbers = [decode_integer(number) for number in value.split(b",") if number]
    _bound(len(numbers))
    return _pairs(numbers)


def decode_pax_1(read_block: ReadBlock) -> Segments:
    """The map at the beginning of the data (1.0), which takes whole blocks of it."""
    lines: list[bytes] = []
    rest = b""
    wanted = 1
    while len(lines) < wanted:
        rest += read_block()
        *complete, rest = rest.split(b"\n")
        lines += complete
        if lines:
            count = decode_integer(lines[0])
            _bound(2 * count)
            wanted = 1 + 2 * count
        if len(rest) > BLOCK_BYTES:
            raise InvalidArchive("archive has a malformed sparse map")
    return _pairs([decode_integer(line) for line in lines[1:wanted]])


def is_pax_0(records: Mapping[bytes, bytes]) -> bool:
    """Whether the records hold a map of format 0.0 or 0.1."""
    return b"GNU.sparse.map" in records or b"GNU.sparse.offset" in records


def checked(segments: Segments, real_size: int, stored_size: int) -> Segments:
    """Return the map if it is a sane one for a file of `real_size` of which `stored_size` bytes follow."""
    position = stored = 0
    for offset, length in segments:
        if offset < position or length < 0:
            raise InvalidArchive("archive has a sparse map that is out of order")
        position = offset + length
        stored += length
    if position > real_size or stored != stored_size:
        raise InvalidArchive("archive has a sparse map that does not fit its file")
    return segments


def _collect(area: bytes, numbers: list[int]) -> None:
    for start in range(0, len(area) - 23, 24):
        if area[start] == 0:
            return
        numbers.append(_gnu_number(area[start : start + 12]))
        numbers.append(_gnu_number(area[start + 12 : start + 24]))


def _gnu_number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.partition(b"\0")[0].strip(b" ") or b"0"
    if not text.isdigit() or b"8" in text or b"9" in text:
        raise InvalidArchive("archive has a malformed number in a sparse map")
    return int(text, 8)


def _pairs(numbers: list[int]) -> Segments:
    if len(numbers) % 2:
        raise InvalidArchive("archive has an incomplete sparse map")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _bound(count: int) -> None:
    if count > 2 * MAX_SEGMENTS:
        raise InvalidArchive("archive has a sparse map that is too long")
