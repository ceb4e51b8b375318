# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.oci.document import InvalidDocument
from sampan.registry.server.errors import Refusal
from sampan.registry.server.names import is_repository, is_tag
from sampan.registry.server.protocol.ranges import parse_chunk, parse_range
from sampan.registry.server.protocol.routes import Route, parse_route
from sampan.registry.server.storage.documents import decode_document
from sampan.registry.server.storage.index import (
    Record,
    RepositoryIndex,
    decode_repository_index,
    encode_repository_index,
)

COMPONENT = st.from_regex(r"[a-z0-9]{1,4}(?:[._-][a-z0-9]{1,3})?", fullmatch=True)
NAMES = st.lists(COMPONENT, min_size=1, max_size=5).map("/".join)
DIGEST = "sha256:" + "0" * 64


@given(st.text(max_size=40), st.integers(0, 10_000))
def test_a_range_lies_in_the_blob_or_is_refused(text: str, size: int) -> None:
    for said in (text, f"bytes={text}"):
        with contextlib.suppress(Refusal):
            found = parse_range(said, size)
            if found is not None:
                start, count = found
                assert 0 <= start < start + count <= size


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_range_means_its_bytes(first: int, last: int, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    if first > last or first >= size:
        with pytest.raises(Refusal):
            parse_range(f"bytes={first}-{last}", size)
        return
    found = parse_range(f"bytes={first}-{last}", size)
    assert found is not None
    assert data[found[0] : found[0] + found[1]] == data[first : last + 1]


@given(st.text(max_size=30))
def test_a_chunk_s_range_is_read_or_is_none(text: str) -> None:
    found = parse_chunk(text)
    assert found is None or (found[0] >= 0 and found[1] >= 1)


@pytest.mark.parametrize("text", ["0-99", "bytes 0-99", "bytes 0-99/200", "0-99/*"])
def test_chunks_are_written_in_several_ways(text: str) -> None:
    assert parse_chunk(text) == (0, 100)


@settings(max_examples=50)
@given(NAMES)
def test_every_name_finds_its_way_through_every_path(name: str) -> None:
    assert is_repository(name)
    for rest, route in (
        ("tags/list", Route("tags", name, "tags/list")),
        ("manifests/latest", Route("manifest", name, "latest")),
        (f"blobs/{DIGEST}", Route("blob", name, DIGEST)),
        ("blobs/uploads/", Route("uploads", name, "blobs/uploads/")),
        ("blobs/uploads/x", Route("upload", name, "x")),
        (f"referrers/{DIGEST}", Route("referrers", name, DIGEST)),
    ):
        assert parse_route(f"/v2/{name}/{rest}") == route


@given(st.text(max_size=60))
def test_no_path_breaks_the_grammar(text: str) -> None:
    for path in (f"/{text}", f"/v2/{text}", f"/v2/a/manifests/{text}"):
        parse_route(path)


@given(st.text(max_size=300))
def test_a_name_that_is_one_stays_below_its_root(text: str) -> None:
    if is_repository(text):
        parts = text.split("/")
        assert all(part and part[0] not in "._" and part not in (".", "..") for part in parts)
        assert len(text) <= 255
    if is_tag(text):
        assert "/" not in text
        assert text[0] != "."


RECORDS = st.builds(
    Record,
    digest=st.sampled_from([f"sha256:{number:064x}" for number in range(6)]),
    media_type=st.sampled_from(["a/b", "c/d"]),
    size=st.integers(0, 1000),
    artifact_type=st.sampled_from(["", "x/y"]),
    subject=st.sampled_from(["", f"sha256:{9:064x}"]),
    pushed_ns=st.integers(0, 2**62),
)
TAGS = st.sampled_from(["a", "b", "c"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), RECORDS, st.lists(TAGS, max_size=2)),
        st.tuples(st.just("untag"), TAGS, st.none()),
        st.tuples(st.just("remove"), RECORDS, st.none()),
    ),
    max_size=20,
)


@settings(max_examples=50)
@given(CHANGES)
def test_an_index_is_whole_after_every_change_and_comes_back_from_its_file(changes: list[tuple]) -> None:  # type: ignore[type-arg]
    index = RepositoryIndex()
    for kind, what, tags in changes:
        if kind == "put":
            index = index.with_manifest(what, tags)
            assert all(index.find(tag) is index.manifests[what.digest] for tag in tags)
        elif kind == "untag":
            index = index.without_tags([what])
            assert index.find(what) is None
        else:
            index = index.without_manifests([what.digest])
            assert index.find(what.digest) is None
        assert all(mark.digest in index.manifests for mark in index.tags.values())
        assert {d for found in index.referrers.values() for d in found} == {
            record.digest for record in index.manifests.values() if record.subject
        }
        again = decode_repository_index(encode_repository_index(index))
        assert again.tags == index.tags
        assert set(again.manifests) == set(index.manifests)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "schemaVersion",
                        "mediaType",
                        "config",
                        "layers",
                        "manifests",
                        "subject",
                        "digest",
                        "size",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_whatever_json_is_a_manifest_or_is_refused(value: object) -> None:
    for document in (value, {"schemaVersion": 2, "config": value}, {"schemaVersion": 2, "manifests": value}):
        try:
            decode_document(json.dumps(document).encode())
        except InvalidDocument:
            continue
