# SPDX-License-Identifier: Apache-2.0
"""The registry's storage by itself: blobs that are links, uploads that go on, garbage, retention, quotas."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sampan.oci.descriptor import Descriptor, encode_descriptor
from sampan.oci.digest import Digest
from sampan.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from sampan.registry.server.contents import Contents
from sampan.registry.server.errors import Refusal
from sampan.registry.server.storage.collect import Grace, collect
from sampan.registry.server.storage.quota import Quotas, repository_bytes
from sampan.registry.server.storage.repository import Repository
from sampan.registry.server.storage.retention import RetentionRule, retain
from sampan.registry.server.storage.store import Store

NOW = Grace(blobs_s=-1.0, uploads_s=-1.0)
"""No grace at all: everything that nothing needs is old enough."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "root"))


def push_blob(store: Store, name: str, data: bytes) -> Digest:
    digest = Digest.of(data)
    upload = store.uploads.start(name)
    upload.write([data])
    store.keep(upload, digest)
    return digest


def manifest(
    *layers: bytes, config: bytes = b"{}", subject: Descriptor | None = None, **fields: object
) -> bytes:
    source = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": encode_descriptor(Descriptor.of(config, OCI_CONFIG)),
        "layers": [encode_descriptor(Descriptor.of(layer, OCI_LAYER)) for layer in layers],
        **({"subject": encode_descriptor(subject)} if subject else {}),
        **fields,
    }
    return json.dumps(source).encode()


def push_image(
    store: Store, name: str, *tags: str, layers: tuple[bytes, ...] = (), **fields: object
) -> bytes:
    for data in (b"{}", *layers):
        push_blob(store, name, data)
    raw = manifest(*layers, **fields)  # type: ignore[arg-type]
    put(store, name, raw, *tags)
    return raw


def put(store: Store, name: str, raw: bytes, *tags: str, kind: str = OCI_MANIFEST) -> None:
    store.put_manifest(store.repository(name), raw, kind, None, tags)


def put_index(store: Store, name: str, tag: str, *children: bytes) -> bytes:
    items = [encode_descriptor(Descriptor.of(child, OCI_MANIFEST)) for child in children]
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": items}).encode()
    put(store, name, raw, tag, kind=OCI_INDEX)
    return raw


def blobs(repository: Repository) -> set[str]:
    return {str(digest) for digest, _ in repository.walk_blobs()}


def pool(store: Store) -> set[str]:
    return set(os.listdir(f"{store.tree.root}/blobs/sha256"))


def test_a_blob_of_two_repositories_is_one_file(store: Store) -> None:
    digest = push_blob(store, "a", b"shared")
    push_blob(store, "b", b"shared")
    assert store.mount(store.repository("c/d"), digest, store.repository("a"))
    places = [store.repository(name).blob(digest) for name in ("a", "b", "c/d")]
    assert len({os.stat(path).st_ino for path in (*places, store.tree.blob(digest))}) == 1
    assert list(store.repositories()) == ["a", "b", "c/d"]
    assert store.stored_bytes() == len(b"shared")


def test_an_upload_goes_on_in_another_process_and_after_a_kill(store: Store) -> None:
    data = os.urandom(3000)
    upload = store.uploads.start("a")
    upload.suspend()
    first = store.uploads.resume("a", upload.name)
    first.write([data[:1000]])
    first.suspend()
    other = Store(store.tree.root)  # knows nothing but the files
    second = other.uploads.resume("a", upload.name)
    assert second.size == 1000
    second.write([data[1000:2000]])
    second.close()  # as a killed process would leave it: not suspended
    third = store.uploads.resume("a", upload.name)
    assert third.size == 2000
    third.write([data[2000:]])
    store.keep(third, Digest.of(data))
    assert store.repository("a").blob_size(Digest.of(data)) == 3000
    assert os.listdir(store.tree.uploads) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_the_algorithm_of_a_digest_may_be_known_at_the_end_only(store: Store, algorithm: str) -> None:
    upload = store.uploads.start("a")
    upload.write([b"some", b"", b"thing"])
    digest = Digest.of(b"something", algorithm)
    store.keep(upload, digest)
    with open(store.repository("a").blob(digest), "rb") as file:
        assert file.read() == b"something"


def test_a_noted_digest_is_not_believed_after_a_restart_of_the_machine(store: Store) -> None:
    upload = store.uploads.start("a")
    upload.write([b"right"])
    upload.suspend()
    with open(upload.path, "wb") as file:
        file.write(b"wrong")  # what a power cut may leave of bytes that were never synced
    other = Store(store.tree.root)
    other.uploads.boot = "another"
    with pytest.raises(Refusal, match="did not match"):
        other.keep(other.uploads.resume("a", upload.name), Digest.of(b"right"))
    assert pool(store) == set()


def test_a_finished_upload_cannot_be_written_to(store: Store) -> None:
    upload = store.uploads.start("a")
    upload.suspend()
    held = store.uploads.resume("a", upload.name)
    failures: list[Refusal] = []

    def write_late() -> None:
        try:
            store.uploads.resume("a", upload.name)
        except Refusal as error:
            failures.append(error)

    held.write([b"blob"])
    write_late()
    store.keep(held, Digest.of(b"blob"))
    write_late()
    assert [failure.status for failure in failures] == [409, 404]


def test_an_index_survives_whatever_a_killed_process_left_beside_it(store: Store) -> None:
    push_image(store, "a", "v1")
    for name in ("0" * 32 + ".data", "1" * 32 + ".json", "2" * 32 + ".tmp", "3" * 32 + ".flight"):
        Path(store.tree.uploads, name).write_bytes(b"half")
    again = Store(store.tree.root)
    assert set(again.repository("a").index().tags) == {"v1"}
    collect(again, NOW)
    assert os.listdir(again.tree.uploads) == []
    push_image(again, "a", "v2")
    assert set(store.repository("a").index().tags) == {"v1", "v2"}, "the other process sees it"


def test_writers_of_one_repository_do_not_lose_each_other_s_tags(store: Store) -> None:
    push_blob(store, "a", b"{}")
    stores = [Store(store.tree.root) for _ in range(4)]

    def push(number: int) -> None:
        for count in range(10):
            put(stores[number], "a", manifest(annotations={"n": f"{number}.{count}"}), f"t{number}.{count}")

    threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.repository("a").index().tags) == 40


def test_collecting_keeps_what_is_needed_and_what_is_young(store: Store) -> None:
    raw = push_image(store, "a", "v1", layers=(b"layer",))
    stray = push_blob(store, "a", b"stray")
    assert collect(store, Grace()).blobs == 0
    trial = collect(store, NOW, is_trial=True)
    assert (trial.blobs, stray in {digest for digest, _ in store.repository("a").walk_blobs()}) == (1, True)
    assert collect(store, NOW).blobs == 1
    assert blobs(store.repository("a")) == {str(Digest.of(data)) for data in (raw, b"{}", b"layer")}
    collect(store, NOW)
    assert stray.hex not in pool(store)
    assert Digest.of(b"layer").hex in pool(store)


def test_a_blob_that_somebody_was_told_of_is_young_again(store: Store) -> None:
    digest = push_blob(store, "a", b"asked for")
    repository = store.repository("a")
    grace = Grace(blobs_s=0.3)
    time.sleep(0.35)
    assert store.renew(repository, digest) == len(b"asked for")
    assert collect(store, grace).blobs == 0
    time.sleep(0.35)
    assert collect(store, grace).blobs == 1
    assert store.renew(repository, digest) is None


def test_a_repository_that_is_empty_goes_and_comes_again(store: Store) -> None:
    push_blob(store, "a/b", b"x")
    push_blob(store, "a/b/c", b"x")
    push_image(store, "kept", "v1")
    collect(store, NOW)
    assert list(store.repositories()) == ["kept"]
    assert not os.path.exists(f"{store.tree.repositories}/a")
    push_image(store, "a/b", "v1")
    assert list(store.repositories()) == ["a/b", "kept"]


def test_untagged_manifests_go_with_time_but_not_what_tags_lead_to(store: Store) -> None:
    child = push_image(store, "a", annotations={"n": "child"})
    put_index(store, "a", "multi", child)
    signature = push_image(store, "a", subject=Descriptor.of(child, OCI_MANIFEST))
    lonely = push_image(store, "a", annotations={"n": "lonely"})
    orphan = push_image(store, "a", subject=Descriptor.of(lonely, OCI_MANIFEST))
    assert collect(store, Grace(blobs_s=-1)).manifests == 0
    assert collect(store, Grace(blobs_s=-1, untagged_s=-1)).manifests == 2
    left = store.repository("a").index().manifests
    assert {str(Digest.of(raw)) in left for raw in (child, signature)} == {True}
    assert {str(Digest.of(raw)) in left for raw in (lonely, orphan)} == {False}


def test_nothing_is_removed_beside_a_manifest_that_cannot_be_read(store: Store) -> None:
    raw = push_image(store, "a", "v1", layers=(b"layer",))
    stray = push_blob(store, "a", b"stray")
    os.unlink(store.repository("a").blob(Digest.of(raw)))
    collect(store, NOW)
    assert str(stray) in blobs(store.repository("a"))
    assert str(Digest.of(b"layer")) in blobs(store.repository("a"))


def test_retention_removes_old_tags_with_their_images_and_signatures(store: Store) -> None:
    images = [push_image(store, "a", f"pr-{number}", annotations={"n": str(number)}) for number in range(5)]
    push_image(store, "a", "latest", annotations={"n": "latest"})
    old = Digest.of(images[0])
    push_image(store, "a", f"sha256-{old.hex}.sig", annotations={"n": "signature"})
    push_image(store, "a", subject=Descriptor.of(images[1], OCI_MANIFEST))
    rule = RetentionRule("a", tags=("*",), except_tags=("latest",), keep_last=2)
    planned = retain(store, [rule], is_trial=True)
    assert retain(store, [rule]) == planned
    assert planned == {"a": ["pr-0", "pr-1", "pr-2", f"sha256-{old.hex}.sig"]}
    index = store.repository("a").index()
    assert set(index.tags) == {"latest", "pr-3", "pr-4"}
    assert len(index.manifests) == 3, "the images, the signature by tag, and the one by its subject are gone"
    assert retain(store, [rule]) == {}


def test_retention_keeps_an_image_that_another_tag_or_index_has(store: Store) -> None:
    shared = push_image(store, "a", "pr-1", annotations={"n": "1"})
    put(store, "a", shared, "release")
    child = push_image(store, "a", "pr-2", annotations={"n": "2"})
    put_index(store, "a", "multi", child)
    rule = RetentionRule("*", tags=("pr-*",), keep_last=0)
    assert retain(store, [rule]) == {"a": ["pr-1", "pr-2"]}
    index = store.repository("a").index()
    assert set(index.tags) == {"multi", "release"}
    assert {str(Digest.of(raw)) for raw in (shared, child)} <= set(index.manifests)


def test_retention_by_age_and_number_keeps_what_either_keeps(store: Store) -> None:
    for number in range(3):
        push_image(store, "a", f"t{number}", annotations={"n": str(number)})
    assert retain(store, [RetentionRule("a", keep_last=1, max_age_s=3600)]) == {}
    assert retain(store, [RetentionRule("b", keep_last=0)]) == {}
    assert retain(store, [RetentionRule("a", max_age_s=-1)]) == {"a": ["t0", "t1", "t2"]}


def test_quotas_of_a_repository_and_of_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "root"), Quotas(total_bytes=250, repositories=[("small/*", 100)]))
    push_blob(store, "small/a", b"x" * 100)
    push_blob(store, "small/a", b"x" * 100)  # here already: it costs nothing
    with pytest.raises(Refusal, match="quota of the repository small/a exceeded"):
        push_blob(store, "small/a", b"y")
    push_blob(store, "large", b"y" * 150)
    with pytest.raises(Refusal, match="quota of the registry exceeded"):
        push_blob(store, "large", b"z")
    assert not store.mount(store.repository("small/b"), Digest.of(b"absent"), store.repository("large"))
    with pytest.raises(Refusal, match="small/b"):
        store.mount(store.repository("small/b"), Digest.of(b"y" * 150), store.repository("large"))
    assert repository_bytes(store.repository("small/a")) == 100
    assert os.listdir(store.tree.uploads) == []


def test_uploads_that_are_not_finished_count_against_the_quota_of_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "root"), Quotas(10_000, [("a/*", 5000)]))
    push_blob(store, "b", b"x" * 1000)
    first, second = (store.uploads.start(name) for name in ("a/x", "b"))
    assert (store.room_for(first), store.room_for(second)) == (5000, 9000)
    first.write([b"y" * 3000])
    assert (store.room_for(first), store.room_for(second)) == (2000, 6000)
    first.discard()
    assert store.room_for(second) == 9000
    second.discard()


def test_copies_that_somebody_was_killed_while_making_go_when_they_are_old(store: Store) -> None:
    push_image(store, "a/b", "1", layers=(b"layer",))
    places = [store.repository("a/b").path, store.tree.root]
    partials = [Path(place, "blobs/sha256", f"{'0' * 64}.12345678") for place in places]
    for partial in partials:
        partial.write_bytes(b"half")
    collect(store, replace(NOW, blobs_s=3600.0))
    assert all(partial.exists() for partial in partials), "somebody may be at it"
    collect(store, NOW, is_trial=True)
    assert all(partial.exists() for partial in partials)
    collect(store, NOW)
    assert not any(partial.exists() for partial in partials)


def test_what_a_manifest_consists_of_is_read_once(store: Store) -> None:
    repository = store.repository("a/b")
    small = manifest(b"layer")
    large = manifest(*(b"%d" % number for number in range(200)))
    for raw in (small, large):
        store.put_manifest(repository, raw, OCI_MANIFEST, None, [], is_complete=False)
    contents = Contents()
    layer, many = Digest.of(b"layer"), Digest.of(b"199")
    for digest in (layer, many):
        found = contents.find(repository, digest)
        assert found is not None
        assert found.digest == digest
    assert contents.find(repository, Digest.of(b"none")) is None
    for raw in (small, large):
        os.unlink(repository.blob(Digest.of(raw)))
    assert contents.find(repository, layer) is not None
    assert contents.find(repository, many) is None, "what is large is read each time"


def test_more_names_than_a_file_may_have_become_a_copy(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = push_blob(store, "a", b"popular")
    real = os.link

    def refuse(source: str, target: str) -> None:
        if source.endswith(digest.hex):
            raise OSError(31, "Too many links")
        real(source, target)

    monkeypatch.setattr(os, "link", refuse)
    assert store.mount(store.repository("b"), digest, store.repository("a"))
    copy = store.repository("b").blob(digest)
    assert Path(copy).read_bytes() == b"popular"
    assert os.stat(copy).st_nlink == 1
    assert len(os.listdir(os.path.dirname(copy))) == 1


def test_a_blob_that_was_cut_short_is_replaced_by_the_next_push(store: Store) -> None:
    digest = push_blob(store, "a", b"whole")
    for path in (store.tree.blob(digest), store.repository("a").blob(digest)):
        os.unlink(path)
        Path(path).write_bytes(b"who")  # a disk that lost its end
    push_blob(store, "a", b"whole")
    assert Path(store.repository("a").blob(digest)).read_bytes() == b"whole"


def test_referrers_come_in_pages_in_the_order_of_digests(store: Store) -> None:
    from sampan.registry.server.protocol.listing import _MOST_REFERRERS, _find_referrers

    subject = Descriptor.of(b"subject", OCI_MANIFEST)
    push_image(store, "a", subject=subject)
    repository = store.repository("a")
    index = repository.index()
    (record,) = index.manifests.values()
    for number in range(_MOST_REFERRERS + 10):
        raw = manifest(subject=subject, annotations={"n": str(number)})
        Path(repository.blob(Digest.of(raw))).write_bytes(raw)
        index = index.with_manifest(replace(record, digest=str(Digest.of(raw)), size=len(raw)))
    with repository.lock():
        repository.write_index(index)
    first = _find_referrers(repository, subject.digest, "")
    assert len(first) == _MOST_REFERRERS + 1, "one more than a page, so that it is known that there are more"
    rest = _find_referrers(repository, subject.digest, str(first[_MOST_REFERRERS - 1].digest))
    assert [item.digest for item in rest][:1] == [first[-1].digest]
    assert {str(item.digest) for item in (*first, *rest)} == set(index.manifests)
