# SPDX-License-Identifier: Apache-2.0
"""The 512-byte header block of tar, in both directions.

Implements: POSIX.1-2017 pax, "ustar Interchange Format"; reads also what GNU tar, star and the seventh
edition of Unix made of it: base-256 numbers, signed checksums, other prefixes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sampan.archive.entry import InvalidArchive

BLOCK_BYTES = 512
ZERO_BLOCK = bytes(BLOCK_BYTES)

REGULAR, OLD_REGULAR, CONTIGUOUS = b"0", b"\0", b"7"
LINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO = b"1", b"2", b"3", b"4", b"5", b"6"
PAX, PAX_GLOBAL, SOLARIS_PAX = b"x", b"g", b"X"
GNU_LONG_NAME, GNU_LONG_LINK, GNU_SPARSE, GNU_VOLUME = b"L", b"K", b"S", b"V"

MAX_OCTAL_7 = 0o7777777
MAX_OCTAL_11 = 0o77777777777
MAX_NAME = 100
MAX_PREFIX = 155

_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_POSIX_MAGIC = b"ustar\x0000"
_CHECKSUM = slice(148, 156)
_SPACES = 8 * 0x20


@dataclass(frozen=True, slots=True)
class Header:
    """A header block's fields; names are bytes, numbers are numbers."""

    name: bytes
    type: bytes
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    major: int = 0
    minor: int = 0


def decode_header(block: bytes) -> Header:
    """Read a header block that is not all zeros."""
    stated = _number(block[_CHECKSUM], "checksum")
    actual = sum(block) - sum(block[_CHECKSUM]) + _SPACES
    if stated != actual and stated != _signed_checksum(block):
        raise InvalidArchive("archive member has a bad header checksum")
    fields = _FIELDS.unpack(block)
    name = _text(fields[0])
    shown = name.decode("utf-8", "backslashreplace")
    is_device = fields[7] in (CHARACTER, BLOCK)
    return Header(
        name=_with_prefix(name, fields[14], block),
        type=fields[7],
        mode=_number(fields[1], shown) & 0o7777,
        uid=_number(fields[2], shown),
        gid=_number(fields[3], shown),
        size=_number(fields[4], shown),
        mtime=_number(fields[5], shown),
        link=_text(fields[8]),
        major=_number(fields[12], shown) if is_device else 0,
        minor=_number(fields[13], shown) if is_device else 0,
    )


def encode_header(header: Header) -> bytes:
    """The ustar block; every field must fit (see archive.pax for what does not)."""
    name, prefix = split_name(header.name) or (header.name[:MAX_NAME], b"")
    device = header.type in (CHARACTER, BLOCK)
    block = _FIELDS.pack(
        name,
        b"%07o\0" % header.mode,
        b"%07o\0" % header.uid,
        b"%07o\0" % header.gid,
        b"%011o\0" % header.size,
        b"%011o\0" % header.mtime,
        b"        ",
        header.type,
        header.link[:MAX_NAME],
        _POSIX_MAGIC,
        b"",
        b"",
        b"%07o\0" % header.major if device else b"0000000\0",
        b"%07o\0" % header.minor if device else b"0000000\0",
        prefix,
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def split_name(name: bytes) -> tuple[bytes, bytes] | None:
    """The name and prefix fields for a path; None if it fits in no way."""
    if len(name) <= MAX_NAME:
        return name, b""
    # The slash between the two is not stored; the name must not be empty.
    slash = name.find(b"/", len(name) - MAX_NAME - 1, len(name) - 1)
    if slash <= 0 or slash > MAX_PREFIX:
        return None
    return name[slash + 1 :], name[:slash]


def padding(size: int) -> int:
    """How many bytes follow data of this size, up to the next block."""
    return -size % BLOCK_BYTES


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _with_prefix(name: bytes, prefix: bytes, block: bytes) -> bytes:
    if block[257:263] != b"ustar\0":  # GNU tar keeps other things in the prefix
        return name
    if block[508:512] == b"tar\0":  # star: a shorter prefix, then times
        prefix = prefix[:131]
    prefix = _text(prefix)
    return prefix + b"/" + name if prefix else name


def _number(field: bytes, shown: str) -> int:
    """An octal number, or GNU's base-256 for what octal has no room for."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    text = field.partition(b"\0")[0].strip(b" ")
    if not text:
        return 0
    try:
        if not text.isdigit():
            raise ValueError
        return int(text, 8)
    except ValueError as error:
        raise InvalidArchive(f"archive member {shown}: malformed number in its header") from error


def _signed_checksum(block: bytes) -> int:
    """The sum that old Sun and NeXT tars made, whose C had signed characters."""
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    return signed - sum(byte - 256 if byte > 127 else byte for byte in block[_CHECKSUM]) + _SPACES
