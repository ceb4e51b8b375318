# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.content.store import BlobNotFound, ContentStore
from sampan.content.writer import SizeMismatch
from sampan.errors import DataCorrupt, InvalidArgument
from sampan.oci.digest import Digest, DigestMismatch


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(f"{tmp_path}/content")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.binary(), max_size=5))
def test_what_is_written_is_read_under_its_digest(store: ContentStore, pieces: list[bytes]) -> None:
    with store.writer() as writer:
        for piece in pieces:
            assert writer.write(memoryview(piece)) == len(piece)
        digest = writer.commit()
    data = b"".join(pieces)
    assert digest == Digest.of(data)
    assert store.read(digest) == data
    assert store.size(digest) == len(data)
    assert (digest, len(data)) in store.walk()
    assert os.listdir(store.root + "/ingest") == []


def test_it_is_an_oci_layout(store: ContentStore) -> None:
    digest = store.write(b"{}")
    assert json.loads(Path(store.root, "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(Path(store.root, "index.json").read_bytes())["schemaVersion"] == 2
    assert Path(store.root, "blobs", "sha256", digest.hex).read_bytes() == b"{}"


def test_sha512_has_its_own_place(store: ContentStore) -> None:
    digest = Digest.of(b"x", "sha512")
    assert store.write(b"x", digest) == digest
    assert store.read(digest) == b"x"


def test_other_bytes_than_announced_are_never_named(store: ContentStore) -> None:
    expected = Digest.of(b"expected")
    with store.writer(expected) as writer:
        writer.write(b"actual")
        with pytest.raises(DigestMismatch) as caught:
            writer.commit()
    assert (caught.value.expected, caught.value.actual) == (expected, Digest.of(b"actual"))
    with pytest.raises(DigestMismatch):
        store.write(b"actual", expected)
    assert list(store.walk()) == []
    assert os.listdir(store.root + "/ingest") == []


def test_too_many_bytes_are_refused_as_they_come(store: ContentStore) -> None:
    with store.writer(size_bytes=3) as writer:
        writer.write(b"abc")
        with pytest.raises(SizeMismatch):
            writer.write(b"d")
    with store.writer(size_bytes=3) as writer:
        writer.write(b"ab")
        with pytest.raises(SizeMismatch) as caught:
            writer.commit()
    assert (caught.value.expected, caught.value.actual) == (3, 2)


def test_leaving_without_commit_leaves_nothing(store: ContentStore) -> None:
    with store.writer() as writer:
        writer.write(b"abc")
    assert list(store.walk()) == []
    assert os.listdir(store.root + "/ingest") == []


def test_the_same_blob_twice_is_one(store: ContentStore) -> None:
    for _ in range(2):
        with store.writer() as writer:
            writer.write(b"abc")
            writer.commit()
    assert len(list(store.walk())) == 1


def test_a_damaged_blob_is_noticed_when_read(store: ContentStore) -> None:
    digest = store.write(b"abc")
    Path(store.path(digest)).write_bytes(b"abd")
    with pytest.raises(DigestMismatch):
        store.read(digest)


def test_a_document_that_is_too_large_is_not_read(store: ContentStore) -> None:
    digest = store.write(b"abcdef")
    with pytest.raises(DataCorrupt, match="larger than 5 bytes"):
        store.read(digest, 5)


def test_missing_blobs_are_named(store: ContentStore) -> None:
    digest = Digest.of(b"missing")
    assert not store.has(digest)
    store.remove(digest)
    for look in (store.open, store.read, store.size):
        with pytest.raises(BlobNotFound, match=str(digest)):
            look(digest)


@pytest.mark.parametrize("digest", [Digest("sha256", "../" * 21 + "x"), Digest("..", "a" * 64)])
def test_a_forged_digest_is_no_path(store: ContentStore, digest: Digest) -> None:
    with pytest.raises(InvalidArgument):
        store.path(digest)


def test_kill_9_in_the_middle_of_a_blob_leaves_a_store_that_opens(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from sampan.content.store import ContentStore\n"
        "store = ContentStore(sys.argv[1])\n"
        "store.write(b'whole')\n"
        "with store.writer() as writer:\n"
        "    writer.write(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path / "ingest") != []
    store = ContentStore(str(tmp_path))
    assert os.listdir(tmp_path / "ingest") == []
    assert list(store.walk()) == [(Digest.of(b"whole"), 5)]
