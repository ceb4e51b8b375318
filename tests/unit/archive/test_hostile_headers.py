# SPDX-License-Identifier: Apache-2.0
"""Archives that lie: sizes, checksums, sparse maps, compressed streams."""

import bz2
import gzip
import io
import lzma

import pytest
import zstandard

from sampan.archive.compression import detect_compression, open_decompressed
from sampan.archive.entry import ArchiveRefused, InvalidArchive
from sampan.archive.extract import clean_name
from sampan.archive.header import Header, encode_header
from sampan.archive.pax import encode_records
from sampan.archive.reader import Readable, TarReader


def entries(archive: bytes) -> list[str]:
    reader = TarReader(io.BytesIO(archive))
    found = []
    for entry in reader:
        found.append(entry.name)
        for _ in reader.chunks():
            pass
    return found


def with_checksum(block: bytes) -> bytes:
    total = sum(block[:148]) + sum(block[156:]) + 8 * 32
    return block[:148] + b"%06o\0 " % total + block[156:]


def test_a_truncated_member_is_named() -> None:
    archive = encode_header(Header(b"first", b"0", size=10)) + bytes(512)
    archive += encode_header(Header(b"second/member", b"0", size=5000)) + bytes(512)
    with pytest.raises(InvalidArchive, match="truncated in member second/member"):
        entries(archive)


def test_a_bad_checksum_is_refused() -> None:
    block = bytearray(encode_header(Header(b"file", b"0")))
    block[0] ^= 1
    with pytest.raises(InvalidArchive, match="bad header checksum"):
        entries(bytes(block))


def test_text_is_no_archive() -> None:
    with pytest.raises(InvalidArchive):
        entries(b"This is not a tar archive.\n" * 50)


def test_a_huge_size_takes_no_memory() -> None:
    block = bytearray(encode_header(Header(b"bomb", b"0")))
    block[124:136] = b"\x80" + (1 << 62).to_bytes(11, "big")
    with pytest.raises(InvalidArchive, match="truncated in member bomb"):
        entries(with_checksum(bytes(block)))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_huge_extended_header_is_refused_before_it_is_read(kind: bytes) -> None:
    with pytest.raises(InvalidArchive, match="extended header of 8589934591 bytes"):
        entries(encode_header(Header(b"pax", kind, size=0o77777777777)))


def test_a_negative_size_is_refused() -> None:
    block = bytearray(encode_header(Header(b"file", b"0")))
    block[124:136] = b"\xff" * 12
    with pytest.raises(InvalidArchive, match="negative size"):
        entries(with_checksum(bytes(block)))


def test_a_malformed_number_names_the_member() -> None:
    block = bytearray(encode_header(Header(b"file", b"0")))
    block[108:116] = b"12x4567\0"
    with pytest.raises(InvalidArchive, match="member file: malformed number"):
        entries(with_checksum(bytes(block)))


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(InvalidArchive, match="member file has the unknown type b'Z'"):
        entries(encode_header(Header(b"file", b"Z")))


def test_a_zero_byte_in_a_name_is_refused() -> None:
    data = encode_records([(b"path", b"a\0b")])
    archive = encode_header(Header(b"pax", b"x", size=len(data))) + data + bytes(-len(data) % 512)
    with pytest.raises(InvalidArchive, match="zero byte"):
        entries(archive + encode_header(Header(b"file", b"0")))


def sparse(*records: tuple[bytes, bytes], size: int = 0) -> bytes:
    data = encode_records(records)
    header = encode_header(Header(b"pax", b"x", size=len(data))) + data + bytes(-len(data) % 512)
    return header + encode_header(Header(b"file", b"0", size=size)) + bytes(size + -size % 512)


@pytest.mark.parametrize(
    ("sparse_map", "real_size", "stored"),
    [
        (b"0,10,5,10", b"100", 20),  # overlap
        (b"50,10,0,10", b"100", 20),  # disorder
        (b"95,10", b"100", 10),  # beyond the end
        (b"0,10", b"100", 5),  # more than is stored
        (b"0,10,20", b"100", 10),  # odd
        (b"0,x", b"100", 0),
        (b"0,99999999999999999999999999", b"100", 0),
    ],
)
def test_a_sparse_map_that_lies_is_refused(sparse_map: bytes, real_size: bytes, stored: int) -> None:
    with pytest.raises(InvalidArchive):
        entries(sparse((b"GNU.sparse.map", sparse_map), (b"GNU.sparse.size", real_size), size=stored))


def test_a_sparse_map_without_end_is_refused() -> None:
    data = encode_records([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.realsize", b"5")])
    archive = encode_header(Header(b"pax", b"x", size=len(data))) + data + bytes(-len(data) % 512)
    archive += encode_header(Header(b"file", b"0", size=1 << 20)) + b"1" * (1 << 20)
    with pytest.raises(InvalidArchive):
        entries(archive)


PLAIN = encode_header(Header(b"file", b"0")) + bytes(1024) + bytes(range(256)) * 500
COMPRESSED = {
    "none": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "bzip2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
    "zstd": zstandard.compress(PLAIN),
}


def drain(stream: Readable) -> bytes:
    data = b""
    while chunk := stream.read(4096):
        data += chunk
    return data


@pytest.mark.parametrize("name", COMPRESSED)
def test_compression_is_told_by_its_first_bytes(name: str) -> None:
    assert detect_compression(COMPRESSED[name]) == name
    stream = open_decompressed(io.BytesIO(COMPRESSED[name]))
    assert drain(stream) == PLAIN


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_several_streams_in_a_row_are_one(name: str) -> None:
    stream = open_decompressed(io.BytesIO(COMPRESSED[name] * 2))
    assert stream.read(1 << 20) + stream.read(1 << 20) == PLAIN * 2


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_a_truncated_stream_is_an_error(name: str) -> None:
    stream = open_decompressed(io.BytesIO(COMPRESSED[name][:-20]))
    with pytest.raises(InvalidArchive, match=f"{name} stream is truncated or damaged"):
        drain(stream)


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_a_damaged_stream_is_an_error(name: str) -> None:
    damaged = bytearray(COMPRESSED[name])
    damaged[len(damaged) // 2] ^= 0xFF
    stream = open_decompressed(io.BytesIO(bytes(damaged)))
    with pytest.raises(InvalidArchive, match=f"{name} stream is truncated or damaged"):
        drain(stream)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("/a/b", "a/b"),
        ("a/../b", "b"),
        ("/../../etc", "etc"),
        (".", ""),
        ("/", ""),
    ],
)
def test_names_are_cleaned_as_docker_does(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


@pytest.mark.parametrize("name", ["..", "../a", "a/../../b", "./../a"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(ArchiveRefused, match="outside of the root"):
        clean_name(name)
