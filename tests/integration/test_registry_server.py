# SPDX-License-Identifier: Apache-2.0
"""The registry against the distribution specification: the four workflows of its conformance suite, and beside them
what long-lived registries get wrong (each point a test)."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import wait_until
from integration.served_registry import (
    EMPTY,
    INDEX,
    MANIFEST,
    Client,
    ServedRegistry,
    describe,
    digest_of,
    index_of,
    manifest_of,
    served_registry,
)

_numbers = itertools.count()
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRegistry]:
    with served_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture
def client(registry: ServedRegistry) -> Iterator[Client]:
    found = registry.client()
    yield found
    found.close()


@pytest.fixture
def name() -> str:
    """A repository that no other test uses."""
    return f"conformance/case-{next(_numbers)}"


def _random(size: int) -> bytes:
    return os.urandom(size)


# Pull


def test_the_base_says_that_this_is_a_registry(client: Client) -> None:
    answer = client.ask("GET", "/v2/")
    assert answer.status == 200
    assert answer["Docker-Distribution-API-Version"] == "registry/2.0"


def test_a_blob_that_was_never_pushed_is_unknown(client: Client, name: str) -> None:
    path = f"/v2/{name}/blobs/{digest_of(b'dummy')}"
    assert client.ask("HEAD", path).status == 404
    answer = client.ask("GET", path)
    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_a_blob_comes_back_as_it_went(client: Client, name: str) -> None:
    for data in (b"", b"{}", _random(512), _random(3 << 20)):
        digest = client.push_blob(name, data)
        head, answer = (client.ask(method, f"/v2/{name}/blobs/{digest}") for method in ("HEAD", "GET"))
        assert (head.status, head["Content-Length"], head.body) == (200, str(len(data)), b"")
        assert head["Docker-Content-Digest"] == answer["Docker-Content-Digest"] == digest
        assert (answer.status, answer.body) == (200, data)


def test_a_manifest_that_is_not_there_is_unknown(client: Client, name: str) -> None:
    for reference in (".INVALID_MANIFEST_NAME", "absent", digest_of(b"absent")):
        assert client.ask("HEAD", f"/v2/{name}/manifests/{reference}").status == 404
        answer = client.ask("GET", f"/v2/{name}/manifests/{reference}")
        assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_a_manifest_comes_back_as_it_went_by_tag_and_by_digest(client: Client, name: str) -> None:
    digest, raw = client.push_image(name, "tagtest0", [b"layer"])
    for reference in ("tagtest0", digest):
        head, answer = (client.ask(method, f"/v2/{name}/manifests/{reference}") for method in ("HEAD", "GET"))
        for one in (head, answer):
            assert (one.status, one["Docker-Content-Digest"]) == (200, digest)
            assert (one["Content-Type"], one["Content-Length"]) == (MANIFEST, str(len(raw)))
        assert answer.body == raw


def test_errors_are_documents_of_the_specification(client: Client, name: str) -> None:
    answer = client.ask(
        "PUT", f"/v2/{name}/manifests/sha256:totallywrong", b"blablabla", {"Content-Type": MANIFEST}
    )
    assert answer.status == 400
    assert answer["Content-Type"] == "application/json"
    assert set(answer.json()["errors"][0]) >= {"code", "message"}


def test_what_a_client_has_already_is_not_sent_again(client: Client, name: str) -> None:
    digest, _ = client.push_image(name, "latest", [b"layer"])
    blob = digest_of(b"layer")
    for path in (f"/v2/{name}/manifests/latest", f"/v2/{name}/blobs/{blob}"):
        tag = client.ask("GET", path)["ETag"]
        answer = client.ask("GET", path, headers={"If-None-Match": tag})
        assert (answer.status, answer.body) == (304, b"")
        assert client.ask("GET", path, headers={"If-None-Match": '"sha256:other"'}).status == 200
    assert client.ask("HEAD", f"/v2/{name}/manifests/latest")["ETag"] == f'"{digest}"'


RANGES = {
    "bytes=500-1499": (206, slice(500, 1500)),
    "bytes=500-": (206, slice(500, 2048)),
    "bytes=-500": (206, slice(1548, 2048)),
    "bytes=2000-5000": (206, slice(2000, 2048)),
    "bytes=0-0": (206, slice(0, 1)),
    "bytes=-5000": (206, slice(0, 2048)),
    "bytes=500-0": (416, None),
    "bytes=5000-10000": (416, None),
    "bytes=2048-": (416, None),
    "bytes=-0": (416, None),
    "bytes=x-y": (416, None),
    "bytes=0-1,5-6": (200, slice(0, 2048)),
    "lines=0-1": (200, slice(0, 2048)),
}


@pytest.mark.parametrize("text", RANGES)
def test_odd_ranges_are_answered_as_they_should_be(client: Client, name: str, text: str) -> None:
    data = _random(2048)
    digest = client.push_blob(name, data)
    status, part = RANGES[text]
    answer = client.ask("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": text})
    assert answer.status == status
    if part is None:
        assert answer["Content-Range"] == "bytes */2048"
        return
    assert answer.body == data[part]
    if status == 206:
        assert answer["Content-Range"] == f"bytes {part.start}-{part.stop - 1}/2048"


def test_a_large_blob_is_resumed_in_the_middle(client: Client, name: str) -> None:
    data = _random((5 << 20) + 17)
    path = f"/v2/{name}/blobs/{client.push_blob(name, data)}"
    answer = client.ask("GET", path, headers={"Range": f"bytes={1 << 20}-"})
    assert (answer.status, answer.body) == (206, data[1 << 20 :])
    other = client.ask("GET", path, headers={"Range": "bytes=0-9", "If-Range": '"sha256:other"'})
    assert (other.status, len(other.body)) == (200, len(data))


# Push


def _start(client: Client, name: str, **query: str) -> str:
    answer = client.ask("POST", f"/v2/{name}/blobs/uploads/", **query)
    assert answer.status == 202
    assert answer["Range"] == "0-0"
    return answer["Location"]


def _chunk(start: int, data: bytes) -> dict[str, str]:
    return {**OCTETS, "Content-Range": f"{start}-{start + len(data) - 1}"}


ALGORITHMS = pytest.mark.parametrize("algorithm", ["sha256", "sha512"])


def _require_blob(client: Client, name: str, digest: str, data: bytes) -> None:
    answer = client.ask("GET", f"/v2/{name}/blobs/{digest}")
    assert (answer.status, answer.body, answer["Docker-Content-Digest"]) == (200, data, digest)


@ALGORITHMS
def test_an_upload_in_a_single_post(client: Client, name: str, algorithm: str) -> None:
    data = _random(4096)
    digest = digest_of(data, algorithm)
    answer = client.ask("POST", f"/v2/{name}/blobs/uploads/", data, OCTETS, digest=digest)
    assert (answer.status, answer["Docker-Content-Digest"]) == (201, digest)
    _require_blob(client, name, digest, client.ask("GET", answer["Location"]).body)


@ALGORITHMS
def test_an_upload_by_post_and_put(client: Client, name: str, algorithm: str) -> None:
    data = _random(2 << 20)
    digest = digest_of(data, algorithm)
    answer = client.ask("PUT", _start(client, name), data, OCTETS, digest=digest)
    assert (answer.status, answer["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
    _require_blob(client, name, digest, data)


@ALGORITHMS
def test_a_streamed_upload_without_a_length(client: Client, name: str, algorithm: str) -> None:
    parts = [_random(700_000) for _ in range(4)]
    data = b"".join(parts)
    place = client.ask("PATCH", _start(client, name), iter(parts), OCTETS)
    assert (place.status, place["Range"]) == (202, f"0-{len(data) - 1}")
    digest = digest_of(data, algorithm)
    assert client.ask("PUT", place["Location"], digest=digest).status == 201
    _require_blob(client, name, digest, data)


@ALGORITHMS
@pytest.mark.parametrize("last", ["PATCH", "PUT"])
def test_an_upload_in_chunks(client: Client, name: str, algorithm: str, last: str) -> None:
    data = _random(3000)
    place, start = _start(client, name), 0
    for end in (1000, 2000):
        answer = client.ask("PATCH", place, data[start:end], _chunk(start, data[start:end]))
        assert (answer.status, answer["Range"]) == (202, f"0-{end - 1}")
        status = client.ask("GET", place)
        assert (status.status, status["Range"], status["Location"]) == (204, f"0-{end - 1}", place)
        place, start = answer["Location"], end
    digest = digest_of(data, algorithm)
    rest = data[2000:]
    if last == "PATCH":
        place = client.ask("PATCH", place, rest, _chunk(2000, rest))["Location"]
        assert client.ask("PUT", place, digest=digest).status == 201
    else:
        assert client.ask("PUT", place, rest, _chunk(2000, rest), digest=digest).status == 201
    _require_blob(client, name, digest, data)


def test_a_chunk_out_of_order_is_416_and_says_where_to_go_on(client: Client, name: str) -> None:
    data = _random(900)
    place = _start(client, name)
    assert client.ask("PATCH", place, data[300:600], _chunk(300, data[300:600])).status == 416
    assert client.ask("PATCH", place, data[:300], _chunk(0, data[:300])).status == 202
    for start in (0, 600):  # sent again, and skipped ahead
        answer = client.ask(
            "PATCH", place, data[start : start + 300], _chunk(start, data[start : start + 300])
        )
        assert (answer.status, answer["Range"], answer["Location"]) == (416, "0-299", place)
    wrong = client.ask("PUT", place, data[600:], _chunk(600, data[600:]), digest=digest_of(data))
    assert wrong.status == 416
    assert client.ask("GET", place)["Range"] == "0-299"
    done = client.ask("PUT", place, data[300:], _chunk(300, data[300:]), digest=digest_of(data))
    assert done.status == 201
    _require_blob(client, name, digest_of(data), data)


def test_a_chunk_whose_range_is_none_is_416(client: Client, name: str) -> None:
    place = _start(client, name)
    for text in ("500-0", "0-", "x-y", "-1-5"):
        assert client.ask("PATCH", place, b"12345", {**OCTETS, "Content-Range": text}).status == 416


def test_a_chunk_of_another_length_than_it_says_is_refused(client: Client, name: str) -> None:
    place = _start(client, name)
    answer = client.ask("PATCH", place, b"12345", {**OCTETS, "Content-Range": "0-9"})
    assert (answer.status, answer.code) == (400, "SIZE_INVALID")
    more = client.ask("PATCH", place, iter([b"123", b"456"]), {**OCTETS, "Content-Range": "0-2"})
    assert (more.status, more.code) == (400, "SIZE_INVALID")


def test_an_upload_can_be_cancelled(client: Client, name: str) -> None:
    place = _start(client, name)
    assert client.ask("DELETE", place).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.ask(method, place)
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_belongs_to_its_repository(client: Client, name: str) -> None:
    place = _start(client, name)
    assert client.ask("GET", place.replace(name, "conformance/other")).status == 404
    assert client.ask("GET", f"/v2/{name}/blobs/uploads/..%2f..%2fformat").status == 404
    assert client.ask("GET", f"/v2/{name}/blobs/uploads/nobody").status == 404


@ALGORITHMS
def test_another_digest_than_announced_is_400_and_keeps_nothing(
    client: Client, name: str, algorithm: str
) -> None:
    data, other = _random(3000), digest_of(b"other", algorithm)
    place = _start(client, name)
    streamed = client.ask("PATCH", _start(client, name), data, OCTETS)["Location"]
    for answer in (
        client.ask("POST", f"/v2/{name}/blobs/uploads/", data, OCTETS, digest=other),
        client.ask("PUT", place, data, OCTETS, digest=other),
        client.ask("PUT", streamed, digest=other),
    ):
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert client.ask("GET", place).status == 404
    assert client.ask("HEAD", f"/v2/{name}/blobs/{other}").status == 404


@pytest.mark.parametrize(
    "text", ["sha256:totallywrong", "sha256:" + "A" * 64, "md5:" + "0" * 32, "sha256:", ":"]
)
def test_a_malformed_digest_is_400(client: Client, name: str, text: str) -> None:
    answers = [
        client.ask("GET", f"/v2/{name}/blobs/{text}"),
        client.ask("DELETE", f"/v2/{name}/blobs/{text}"),
        client.ask("GET", f"/v2/{name}/manifests/{text}"),
        client.ask("PUT", f"/v2/{name}/manifests/{text}", b"{}"),
        client.ask("GET", f"/v2/{name}/referrers/{text}"),
        client.ask("POST", f"/v2/{name}/blobs/uploads/", digest=text),
        client.ask("POST", f"/v2/{name}/blobs/uploads/", mount=text),
        client.ask("PUT", _start(client, name), digest=text),
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(400, "DIGEST_INVALID")}


@ALGORITHMS
def test_a_blob_is_mounted_from_another_repository(client: Client, name: str, algorithm: str) -> None:
    data = _random(2000)
    digest = client.push_blob(f"{name}/source", data, algorithm)
    answer = client.ask("POST", f"/v2/{name}/blobs/uploads/", mount=digest, **{"from": f"{name}/source"})
    assert (answer.status, answer["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
    _require_blob(client, name, digest, data)


@ALGORITHMS
def test_a_blob_is_mounted_without_naming_the_source(client: Client, name: str, algorithm: str) -> None:
    data = _random(2000)
    digest = client.push_blob(f"{name}/source", data, algorithm)
    answer = client.ask("POST", f"/v2/{name}/blobs/uploads/", mount=digest)
    assert (answer.status, answer["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
    _require_blob(client, name, digest, data)


def test_what_cannot_be_mounted_becomes_an_upload(client: Client, name: str) -> None:
    data = _random(2000)
    for source in (f"{name}/source", "No/Name", "../.."):
        query = {"mount": digest_of(data), "from": source}
        answer = client.ask("POST", f"/v2/{name}/blobs/uploads/", **query)
        assert answer.status == 202
    assert client.ask("PUT", answer["Location"], data, OCTETS, digest=digest_of(data)).status == 201


def _put(client: Client, name: str, reference: str, raw: bytes, kind: str = MANIFEST, **query: str):  # type: ignore[no-untyped-def]
    return client.ask("PUT", f"/v2/{name}/manifests/{reference}", raw, {"Content-Type": kind}, **query)


def test_a_manifest_without_layers_is_one(client: Client, name: str) -> None:
    client.push_image(name, "emptylayer", [])


def test_a_manifest_says_where_it_is(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    raw = manifest_of(b"{}", [])
    answer = _put(client, name, "latest", raw)
    assert (answer.status, answer["Docker-Content-Digest"]) == (201, digest_of(raw))
    assert client.ask("GET", answer["Location"]).body == raw


def test_a_manifest_by_sha512(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    raw = manifest_of(b"{}", [])
    digest = digest_of(raw, "sha512")
    answer = _put(client, name, digest, raw, tag="long")
    assert (answer.status, answer["Docker-Content-Digest"]) == (201, digest)
    for reference in (digest, "long"):
        found = client.ask("GET", f"/v2/{name}/manifests/{reference}")
        assert (found.body, found["Docker-Content-Digest"]) == (raw, digest)


def test_tag_parameters_of_a_push_by_digest(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    raw = manifest_of(b"{}", [])
    path = f"/v2/{name}/manifests/{digest_of(raw)}?tag=1.2.3&tag=1.2&tag=latest"
    answer = client.ask("PUT", path, raw, {"Content-Type": MANIFEST})
    assert answer.status == 201
    assert answer.headers.get_all("OCI-Tag") == ["1.2.3", "1.2", "latest"]
    assert client.ask("GET", f"/v2/{name}/tags/list").json()["tags"] == ["1.2", "1.2.3", "latest"]
    assert _put(client, name, digest_of(raw), raw, tag="no/tag").status == 400


def test_a_manifest_whose_blobs_are_not_here_names_each(client: Client, name: str) -> None:
    client.push_blob(name, b"one")
    answer = _put(client, name, "latest", manifest_of(b"{}", [b"one", b"two"]))
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    missing = {error["detail"]["digest"] for error in answer.json()["errors"]}
    assert missing == {digest_of(b"{}"), digest_of(b"two")}


def test_non_distributable_layers_need_not_be_here(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    client.push_blob(name, b"here")
    kinds = [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ]
    layers = [describe(kind.encode(), kind, urls=["https://store.example.com/x"]) for kind in kinds]
    raw = manifest_of(
        b"{}", [], layers=[*layers, describe(b"here", "application/vnd.oci.image.layer.v1.tar")]
    )
    assert _put(client, name, "latest", raw).status == 201


def test_a_descriptor_that_lies_about_a_size_is_refused(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    client.push_blob(name, b"layer")
    lying = {**describe(b"layer", "application/vnd.oci.image.layer.v1.tar"), "size": 4}
    answer = _put(client, name, "latest", manifest_of(b"{}", [], layers=[lying]))
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")


WRONG_DOCUMENTS = {
    "no JSON": (b"blablabla", MANIFEST),
    "no object": (b"[]", MANIFEST),
    "no config": (b'{"schemaVersion":2}', MANIFEST),
    "schema 1": (b'{"schemaVersion":1,"fsLayers":[]}', MANIFEST),
    "another type than it says": (manifest_of(b"{}", []), INDEX),
    "a type that nobody knows": (manifest_of(b"{}", [], mediaType="text/plain"), "text/plain"),
    "both kinds at once": (manifest_of(b"{}", [], manifests=[]), MANIFEST),
    "deep nesting": (b'{"a":' * 100_000, MANIFEST),
    "more layers than anybody needs": (
        manifest_of(b"{}", [], layers=[describe(b"x", "x/y")] * 20_001),
        MANIFEST,
    ),
}


@pytest.mark.parametrize("case", WRONG_DOCUMENTS)
def test_what_is_no_manifest_is_refused(client: Client, name: str, case: str) -> None:
    client.push_blob(name, b"{}")
    raw, kind = WRONG_DOCUMENTS[case]
    answer = _put(client, name, "latest", raw, kind)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert client.ask("GET", f"/v2/{name}/manifests/latest").status == 404


def test_a_manifest_of_four_megabytes_is_the_largest(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    annotations = {f"large-{number}": "A" * 10_000 for number in range(390)}
    raw = manifest_of(b"{}", [], annotations=annotations)
    assert _put(client, name, "large", raw).status == 201
    assert client.ask("GET", f"/v2/{name}/manifests/large").body == raw
    larger = manifest_of(b"{}", [], annotations={"large": "A" * (4 << 20)})
    assert _put(client, name, "larger", larger).status == 413
    chunked = client.ask("PUT", f"/v2/{name}/manifests/larger", iter([larger]), {"Content-Type": MANIFEST})
    assert chunked.status == 413


def test_an_index_needs_its_manifests(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    child = manifest_of(b"{}", [])
    answer = _put(client, name, "index", index_of(child), INDEX)
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert _put(client, name, digest_of(child), child).status == 201
    for raw in (index_of(child), index_of()):
        assert _put(client, name, "index", raw, INDEX).status == 201
    assert client.ask("GET", f"/v2/{name}/manifests/index")["Content-Type"] == INDEX


def test_a_push_may_demand_what_the_tag_is_now(client: Client, name: str) -> None:
    first, raw = client.push_image(name, "latest", [])
    path, kind = f"/v2/{name}/manifests/latest", {"Content-Type": MANIFEST}
    assert client.ask("PUT", path, raw, {**kind, "If-None-Match": "*"}).status == 412
    assert client.ask("PUT", path, raw, {**kind, "If-Match": '"sha256:other"'}).status == 412
    assert client.ask("PUT", path, raw, {**kind, "If-Match": f'"{first}"'}).status == 201


# Content discovery


def test_tags_are_listed_page_by_page(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    raw = manifest_of(b"{}", [])
    tags = sorted(["test0", "TEST1", "test2", "v1.0_x"])
    for tag in tags:
        assert _put(client, name, tag, raw).status == 201
    path = f"/v2/{name}/tags/list"
    assert client.ask("GET", path).json() == {"name": name, "tags": tags}
    page = client.ask("GET", path, n="3")
    assert page.json()["tags"] == tags[:3]
    link = page["Link"]
    assert link.endswith('; rel="next"')
    rest = client.ask("GET", link[1 : link.index(">")])
    assert (rest.json()["tags"], rest["Link"]) == (tags[3:], "")
    assert client.ask("GET", path, last="test0", n="1").json()["tags"] == ["test2"]
    assert client.ask("GET", path, n="0").json()["tags"] == []
    assert client.ask("GET", path, n="4")["Link"] == ""
    for wrong in ("-1", "many", "1e3"):
        assert client.ask("GET", path, n=wrong).status == 400


def test_the_tags_of_no_repository_are_404(client: Client) -> None:
    answer = client.ask("GET", "/v2/never/pushed/tags/list")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")


def test_the_catalogue_lists_repositories_page_by_page(client: Client, name: str) -> None:
    names = sorted(f"{name}/{end}" for end in ("b", "a", "a/nested", "a-b"))
    for one in names:
        client.push_image(one, "latest", [])
    found: list[str] = []
    path = "/v2/_catalog?n=2"
    while path:
        answer = client.ask("GET", path)
        found += answer.json()["repositories"]
        path = answer["Link"][1 : answer["Link"].find(">")]
    assert [one for one in found if one.startswith(name)] == names
    assert found == sorted(found)


def _push_referrer(client: Client, name: str, subject: bytes, kind: str) -> tuple[str, bytes]:
    client.push_blob(name, b"{}")
    raw = manifest_of(
        b"{}",
        [],
        config=describe(b"{}", EMPTY),
        artifactType=kind,
        subject=describe(subject, MANIFEST),
        annotations={"org.example.kind": kind},
    )
    answer = _put(client, name, digest_of(raw), raw)
    assert (answer.status, answer["OCI-Subject"]) == (201, digest_of(subject))
    return digest_of(raw), raw


def test_nobody_refers_to_an_unknown_digest(client: Client, name: str) -> None:
    answer = client.ask("GET", f"/v2/{name}/referrers/{digest_of(b'unknown')}")
    assert (answer.status, answer["Content-Type"]) == (200, INDEX)
    assert answer.json() == {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}


def test_referrers_are_listed_and_filtered(client: Client, name: str) -> None:
    subject, raw = client.push_image(name, "latest", [])
    pushed = {_push_referrer(client, name, raw, f"application/vnd.{kind}")[0] for kind in ("a", "b")}
    path = f"/v2/{name}/referrers/{subject}"
    found = client.ask("GET", path)
    assert {item["digest"] for item in found.json()["manifests"]} == pushed
    assert found["OCI-Filters-Applied"] == ""
    filtered = client.ask("GET", path, artifactType="application/vnd.a")
    assert filtered["OCI-Filters-Applied"] == "artifactType"
    (item,) = filtered.json()["manifests"]
    assert (item["artifactType"], item["mediaType"]) == ("application/vnd.a", MANIFEST)
    assert item["annotations"] == {"org.example.kind": "application/vnd.a"}


def test_a_referrer_without_an_artifact_type_has_its_config_s(client: Client, name: str) -> None:
    subject, raw = client.push_image(name, "latest", [])
    client.push_image(name, "about", [b"x"], subject=describe(raw, MANIFEST))
    (item,) = client.ask("GET", f"/v2/{name}/referrers/{subject}").json()["manifests"]
    assert item["artifactType"] == "application/vnd.oci.image.config.v1+json"


def test_a_subject_may_come_later(client: Client, name: str) -> None:
    client.push_blob(name, b"{}")
    subject = manifest_of(b"{}", [])
    referrer, _ = _push_referrer(client, name, subject, "application/vnd.early")
    path = f"/v2/{name}/referrers/{digest_of(subject)}"
    assert [item["digest"] for item in client.ask("GET", path).json()["manifests"]] == [referrer]
    assert _put(client, name, "late", subject).status == 201
    assert [item["digest"] for item in client.ask("GET", path).json()["manifests"]] == [referrer]


def test_referrers_of_a_deleted_manifest_go_when_they_are_deleted(client: Client, name: str) -> None:
    subject, raw = client.push_image(name, "latest", [])
    referrer, _ = _push_referrer(client, name, raw, "application/vnd.a")
    assert client.ask("DELETE", f"/v2/{name}/manifests/{referrer}").status == 202
    assert client.ask("GET", f"/v2/{name}/referrers/{subject}").json()["manifests"] == []


def test_the_fallback_tag_of_clients_without_the_api_counts(client: Client, name: str) -> None:
    subject, _ = client.push_image(name, "latest", [])
    listed, child = client.push_image(name, "listed", [b"sbom"])
    fallback = index_of(child)
    assert _put(client, name, subject.replace(":", "-"), fallback, INDEX).status == 201
    found = client.ask("GET", f"/v2/{name}/referrers/{subject}").json()["manifests"]
    assert [item["digest"] for item in found] == [listed]


# Content management


def test_a_tag_is_deleted_and_its_manifest_stays(client: Client, name: str) -> None:
    digest, _ = client.push_image(name, "gone", [])
    client.push_image(name, "kept", [])
    assert client.ask("DELETE", f"/v2/{name}/manifests/gone").status == 202
    assert client.ask("GET", f"/v2/{name}/manifests/gone").status == 404
    assert client.ask("GET", f"/v2/{name}/manifests/{digest}").status == 200
    assert client.ask("GET", f"/v2/{name}/tags/list").json()["tags"] == ["kept"]
    answer = client.ask("DELETE", f"/v2/{name}/manifests/gone")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_a_manifest_is_deleted_with_its_tags_then_its_blobs(client: Client, name: str) -> None:
    digest, _ = client.push_image(name, "latest", [b"layer"])
    blob = f"/v2/{name}/blobs/{digest_of(b'layer')}"
    refused = client.ask("DELETE", blob)
    assert (refused.status, refused.code) == (405, "UNSUPPORTED"), "an image would break"
    assert client.ask("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
    for reference in (digest, "latest"):
        assert client.ask("GET", f"/v2/{name}/manifests/{reference}").status == 404
    assert client.ask("GET", f"/v2/{name}/tags/list").json()["tags"] == []
    assert client.ask("DELETE", blob).status == 202
    assert client.ask("HEAD", blob).status == 404
    assert client.ask("DELETE", blob).status == 404


def test_deleting_a_blob_leaves_it_to_other_repositories(client: Client, name: str) -> None:
    digest = client.push_blob(name, b"shared")
    client.ask("POST", f"/v2/{name}/other/blobs/uploads/", mount=digest, **{"from": name})
    assert client.ask("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
    assert client.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 404
    _require_blob(client, f"{name}/other", digest, b"shared")


def test_what_cannot_be_done_is_405(client: Client, name: str) -> None:
    answer = client.ask("POST", f"/v2/{name}/manifests/latest")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "PUT", "DELETE"}


# Hostile clients


@pytest.mark.parametrize(
    "text",
    [
        "UPPER",
        "..",
        "a/../../b",
        "a//b",
        "a/",
        "-a",
        "a_",
        "a..b",
        "_image",
        "a/_image",
        "a" * 256,
        "a b",
        "ä",
    ],
)
def test_a_name_that_is_none_is_refused_everywhere(
    client: Client, registry: ServedRegistry, text: str
) -> None:
    from urllib.parse import quote

    path = f"/v2/{quote(text, safe='')}"
    for method, rest in (
        ("POST", "/blobs/uploads/"),
        ("PUT", "/manifests/latest"),
        ("GET", f"/blobs/{digest_of(b'')}"),
    ):
        answer = client.ask(method, path + rest, b"{}" if method == "PUT" else b"")
        assert (answer.status, answer.code) == (400, "NAME_INVALID")
    assert {entry.name for entry in registry.root.iterdir()} == {
        "blobs",
        "format.json",
        "repositories",
        "uploads",
    }


def test_a_repository_may_have_the_words_of_the_api_in_its_name(client: Client, name: str) -> None:
    odd = f"{name}/manifests/blobs/uploads/tags/list"
    _, raw = client.push_image(odd, "latest", [b"x"])
    assert client.ask("GET", f"/v2/{odd}/manifests/latest").body == raw
    assert client.ask("GET", f"/v2/{odd}/tags/list").json()["tags"] == ["latest"]


def test_a_body_that_ends_early_keeps_nothing_but_what_a_session_can_resume(
    client: Client, registry: ServedRegistry, name: str
) -> None:
    data = _random(8 << 20)
    place = _start(client, name)
    _send_part(registry, "PATCH", place, data, 6 << 20)
    _send_part(registry, "POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(data)}", data, 6 << 20)
    wait_until(lambda: _only_states(registry), "the POST's part is gone")

    def is_resumed() -> bool:
        start = int(client.ask("GET", place)["Range"].partition("-")[2]) + 1
        rest = data[start:]
        done = client.ask("PUT", place, rest, _chunk(start, rest), digest=digest_of(data))
        assert done.status in (201, 409, 416)
        return start > 2 << 20 and done.status == 201

    wait_until(is_resumed, "the rest is taken after what had come")
    _require_blob(client, name, digest_of(data), data)


def _only_states(registry: ServedRegistry) -> bool:
    """Whether every upload that is left is one of a session."""
    names = {Path(name).stem for name in os.listdir(registry.root / "uploads") if name.endswith(".data")}
    return all((registry.root / "uploads" / f"{name}.json").exists() for name in names)


def _send_part(registry: ServedRegistry, method: str, path: str, data: bytes, count: int) -> None:
    host, port = registry.host.split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data[:count])


def test_two_requests_do_not_write_to_one_upload(client: Client, registry: ServedRegistry, name: str) -> None:
    place = _start(client, name)
    host, port = registry.host.split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # so it has the upload
        for method in ("PATCH", "PUT", "DELETE"):
            assert client.ask(method, place, b"other", digest=digest_of(b"other")).status == 409
        connection.sendall(b"half more!")
        assert connection.recv(100).startswith(b"HTTP/1.1 202")
    assert client.ask("PUT", place, digest=digest_of(b"half more!")).status == 201


def test_who_expects_to_be_refused_sends_no_body(registry: ServedRegistry, name: str) -> None:
    host, port = registry.host.split(":")
    data = b"x" * 1000
    for path, first in (
        (f"/v2/{name}/blobs/uploads/?digest=wrong", b"HTTP/1.1 400"),
        (f"/v2/{name}/blobs/uploads/?digest={digest_of(data)}", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(len(first)) == first
            if b"100" in first:
                connection.sendall(data)
                assert connection.recv(12) == b"HTTP/1.1 201"


def test_a_repository_is_an_image_layout_that_any_tool_reads(
    client: Client, registry: ServedRegistry, name: str
) -> None:
    digest, raw = client.push_image(name, "v1", [_random(10)])
    image = registry.root / "repositories" / name / "_image"
    assert json.loads((image / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (item,) = json.loads((image / "index.json").read_text())["manifests"]
    assert item["annotations"]["org.opencontainers.image.ref.name"] == "v1"
    assert (item["digest"], item["size"], item["mediaType"]) == (digest, len(raw), MANIFEST)
    blob = image / "blobs/sha256" / digest.partition(":")[2]
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    assert blob.stat().st_nlink == 2, "the repository's and the registry's"
