# SPDX-License-Identifier: Apache-2.0
"""Our tar against Python's, in both directions, and the pieces of the format by themselves."""

import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.archive.entry import Entry, InvalidArchive, Kind
from sampan.archive.header import Header, decode_header, encode_header, split_name
from sampan.archive.pax import decode_time, encode_records, iter_records
from sampan.archive.reader import TarReader
from sampan.archive.writer import TarWriter

names = (
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=60)
    .filter(lambda part: part not in (".", ".."))
    .map(lambda part: part[:60])
)
paths = st.lists(names, min_size=1, max_size=6).map("/".join)
raw_paths = st.binary(min_size=1, max_size=300).filter(
    lambda raw: b"\0" not in raw and not raw.endswith(b"/") and raw.strip(b"/")
)
numbers = st.one_of(st.integers(0, 0o7777777), st.integers(0, 0xFFFFFFFE))
seconds = st.integers(-(1 << 40), 1 << 40).map(lambda value: value * 1_000_000_000)
xattrs = st.dictionaries(
    st.from_regex(r"user\.[a-z]{1,9}", fullmatch=True), st.binary(max_size=20), max_size=2
)
entries = st.one_of(
    st.builds(
        Entry,
        name=paths | raw_paths.map(os.fsdecode),
        kind=st.just(Kind.FILE),
        mode=st.integers(0, 0o7777),
        uid=numbers,
        gid=numbers,
        mtime_ns=seconds,
        xattrs=xattrs,
    ),
    st.builds(
        Entry,
        name=paths,
        kind=st.sampled_from([Kind.LINK, Kind.SYMLINK]),
        link=paths,
        mtime_ns=seconds,
    ),
    st.builds(Entry, name=paths.map(lambda path: path + "/"), kind=st.just(Kind.DIRECTORY), mtime_ns=seconds),
    st.builds(
        Entry,
        name=paths,
        kind=st.sampled_from([Kind.CHARACTER, Kind.BLOCK]),
        major=st.integers(0, 4095),
        minor=st.integers(0, 0xFFFFF),
    ),
)


def written(members: list[tuple[Entry, bytes]]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out)
    for entry, data in members:
        if entry.kind is Kind.FILE:
            writer.add_bytes(entry, data)
        else:
            writer.add(entry)
    writer.close()
    return out.getvalue()


def read(archive: bytes) -> list[tuple[Entry, bytes]]:
    reader = TarReader(io.BytesIO(archive))
    return [(entry, b"".join(reader.chunks())) for entry in reader]


def sized(entry: Entry, data: bytes) -> tuple[Entry, bytes]:
    from dataclasses import replace

    return (replace(entry, size=len(data)), data) if entry.kind is Kind.FILE else (entry, b"")


members = st.lists(st.builds(sized, entries, st.binary(max_size=1500)), max_size=4)


@given(members)
def test_what_is_written_is_read_back(content: list[tuple[Entry, bytes]]) -> None:
    archive = written(content)
    assert read(archive) == content
    assert written(content) == archive
    assert len(archive) % 512 == 0


@given(members)
def test_python_reads_what_we_write(content: list[tuple[Entry, bytes]]) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(content))) as archive:
        infos = archive.getmembers()
        assert len(infos) == len(content)
        for info, (entry, data) in zip(infos, content, strict=True):
            assert os.fsencode(info.name) == os.fsencode(entry.name).rstrip(b"/")
            assert info.linkname == entry.link
            assert (info.uid, info.gid, info.size) == (entry.uid, entry.gid, len(data))
            assert info.mtime == entry.mtime_ns // 1_000_000_000
            if entry.kind is Kind.FILE:
                file = archive.extractfile(info)
                assert file is not None
                assert file.read() == data


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("length", [10, 100, 101, 155, 250])
def test_we_read_what_python_writes(form: int, length: int) -> None:
    name = "/".join(["d" * 49] * 6)[: length - 4].rstrip("/") + "/end"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.uid = 3, 17, 4
        archive.addfile(info, io.BytesIO(b"abc"))
        if form != tarfile.USTAR_FORMAT:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, name
            archive.addfile(link)
    (entry, data), *rest = read(out.getvalue())
    assert (entry.name, entry.size, entry.mtime_ns, entry.uid, data) == (name, 3, 17 * 10**9, 4, b"abc")
    assert [other.link for other, _ in rest] == ([name] if rest else [])


def test_gnu_numbers_and_odd_times_are_read() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        info.uid, info.mtime = 3_000_000_000, -5
        archive.addfile(info)
    later = io.BytesIO()
    with tarfile.open(fileobj=later, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("y")
        info.mtime = 1.5
        archive.addfile(info)
    found = [entry for file in (out, later) for entry, _ in read(file.getvalue())]
    assert [(entry.uid, entry.mtime_ns) for entry in found] == [
        (3_000_000_000, -5 * 10**9),
        (0, 1_500_000_000),
    ]


def test_global_headers_hold_until_they_are_taken_back() -> None:
    def pax_block(kind: bytes, *records: tuple[bytes, bytes]) -> bytes:
        data = encode_records(records)
        return encode_header(Header(b"pax", kind, size=len(data))) + data + bytes(-len(data) % 512)

    file = encode_header(Header(b"file", b"0"))
    archive = (
        pax_block(b"g", (b"uid", b"7"), (b"comment", b"git"))
        + file
        + pax_block(b"x", (b"uid", b"8"))
        + file
        + file
        + pax_block(b"g", (b"uid", b""))
        + file
        + bytes(1024)
    )
    assert [entry.uid for entry, _ in read(archive)] == [7, 8, 7, 0]


@given(st.binary(max_size=300).filter(lambda raw: b"\0" not in raw))
def test_a_path_is_split_so_that_it_joins_again(path: bytes) -> None:
    parts = split_name(path)
    if parts is None:
        assert len(path) > 100
        return
    name, prefix = parts
    assert len(name) <= 100
    assert len(prefix) <= 155
    assert (prefix + b"/" + name if prefix else name) == path


@given(
    st.lists(st.tuples(st.from_regex(rb"[a-z.]{1,20}", fullmatch=True), st.binary(max_size=120)), max_size=5)
)
def test_pax_records_survive(records: list[tuple[bytes, bytes]]) -> None:
    assert list(iter_records(encode_records(records))) == records


@pytest.mark.parametrize(
    "data",
    [b"x", b"5 a=b", b"6 a=b\n7", b"99 a=b\n", b"-6 a=b\n", b"6  a=b", b"5 ab\n\n", b"4 =\n", b"1" * 100],
)
def test_malformed_pax_records_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidArchive):
        list(iter_records(data))


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [(b"0", 0), (b"1.5", 1_500_000_000), (b"-1.5", -1_500_000_000), (b"1.0000000019", 1_000_000_001)],
)
def test_pax_times(text: bytes, time_ns: int) -> None:
    assert decode_time(text) == time_ns


@given(st.binary(min_size=512, max_size=512))
def test_no_block_breaks_the_header_decoder(block: bytes) -> None:
    try:
        decode_header(block)
    except InvalidArchive:
        return


@given(st.binary(max_size=4000))
def test_no_stream_breaks_the_reader(data: bytes) -> None:
    try:
        read(data)
    except InvalidArchive:
        return


@given(members.filter(bool), st.data())
def test_no_damage_breaks_the_reader(content: list[tuple[Entry, bytes]], data: st.DataObject) -> None:
    archive = bytearray(written(content))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(archive))
    except InvalidArchive:
        return


@given(members.filter(bool), st.data())
def test_a_truncated_archive_ends_between_members_or_is_an_error(
    content: list[tuple[Entry, bytes]], data: st.DataObject
) -> None:
    archive = written(content)
    cut = archive[: data.draw(st.integers(0, len(archive)))]
    try:
        found = read(cut)
    except InvalidArchive:
        return
    assert found == content[: len(found)]
