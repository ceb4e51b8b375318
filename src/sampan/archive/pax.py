# SPDX-License-Identifier: Apache-2.0
"""PAX extended headers: records of ``LENGTH KEY=VALUE`` for what the header block has no room for.

Implements: POSIX.1-2017 pax, "pax Extended Header", with the keys SCHILY.xattr.* and GNU.sparse.*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sampan.archive.entry import InvalidArchive

MAX_HEADER_BYTES = 1 << 20
XATTR = b"SCHILY.xattr."

_NANOSECONDS = 1_000_000_000


def iter_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of an extended header, in order; keys may repeat (GNU.sparse 0.0)."""
    position = 0
    while position < len(data):
        # Some writers count the padding of the block as part of the header.
        if data[position] == 0:
            return
        space = data.find(b" ", position, position + 20)
        length = data[position:space] if space > 0 else b""
        end = position + int(length) if length.isdigit() else 0
        record = data[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end <= space or end > len(data) or record[-1:] != b"\n" or not equals or not key:
            raise InvalidArchive("archive has a malformed pax header")
        yield key, value
        position = end


def encode_records(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The extended header of these records."""
    return b"".join(_encode_record(key, value) for key, value in records)


def decode_time(value: bytes) -> int:
    """``1350244992.023960108`` in nanoseconds; times before 1970 are negative."""
    negative = value.startswith(b"-")
    seconds, _, fraction = value.removeprefix(b"-").partition(b".")
    if not seconds.isdigit() or len(seconds) > 18 or (fraction and not fraction.isdigit()):
        raise InvalidArchive("archive has a malformed time in a pax header")
    nanoseconds = int(seconds) * _NANOSECONDS + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if negative else nanoseconds


def decode_integer(value: bytes) -> int:
    """A decimal number."""
    if not value.isdigit() or len(value) > 20:
        raise InvalidArchive("archive has a malformed number in a pax header")
    return int(value)


def extended_attributes(records: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """The extended attributes among the records."""
    return {
        key.removeprefix(XATTR).decode("utf-8", "surrogateescape"): value
        for key, value in records.items()
        if key.startswith(XATTR)
    }


def _encode_record(key: bytes, value: bytes) -> bytes:
    """A record's length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)
