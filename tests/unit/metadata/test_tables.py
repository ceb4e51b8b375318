# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.metadata.build_cache import BuildCacheTable
from sampan.metadata.containers import ContainerNameTaken, ContainerRecord, ContainerTable
from sampan.metadata.database import Database
from sampan.metadata.images import ImageRecord, ImageTable, LayerRecord, LayerTable
from sampan.metadata.networks import NetworkRecord, NetworkTable
from sampan.metadata.volumes import VolumeRecord, VolumeTable

ONE, TWO = "1a" * 32, "1b" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"{tmp_path}/state.db") as opened:
        yield opened


@pytest.fixture
def containers(database: Database) -> ContainerTable:
    table = ContainerTable(database)
    table.put(ContainerRecord(ONE, "web", 1, {"State": {"Running": True}, "Name": "wëb"}))
    table.put(ContainerRecord(TWO, "abc", 2, {}))
    return table


@pytest.mark.parametrize(
    ("term", "found"), [(ONE, ONE), ("web", ONE), ("1a", ONE), ("abc", TWO), ("1b1b", TWO)]
)
def test_a_container_is_found_by_id_name_and_prefix(
    containers: ContainerTable, term: str, found: str
) -> None:
    assert containers.find(term).id == found


@pytest.mark.parametrize("term", ["", "we", "1c", "%", "_", "1A", "zz"])
def test_an_unknown_container_has_dockers_words(containers: ContainerTable, term: str) -> None:
    with pytest.raises(NotFound, match=rf"^No such container: {term}$"):
        containers.find(term)


def test_an_ambiguous_prefix_is_refused(containers: ContainerTable) -> None:
    with pytest.raises(InvalidArgument, match=r"^multiple IDs found with provided prefix: 1$"):
        containers.find("1")


def test_a_taken_name_has_dockers_words(containers: ContainerTable) -> None:
    words = (
        f'Conflict. The container name "/web" is already in use by container "{ONE}".'
        " You have to remove (or rename) that container to be able to reuse that name."
    )
    with pytest.raises(ContainerNameTaken) as caught:
        containers.put(ContainerRecord("3" * 64, "web", 3, {}))
    assert str(caught.value) == words
    with pytest.raises(ContainerNameTaken) as caught:
        containers.rename(TWO, "web")
    assert str(caught.value) == words
    assert [record.name for record in containers.list()] == ["web", "abc"]


def test_a_record_is_replaced_renamed_and_removed(containers: ContainerTable) -> None:
    containers.put(ContainerRecord(ONE, "web", 1, {"a": [1, None, "ü"]}))
    containers.rename(ONE, "site")
    assert containers.get(ONE) == ContainerRecord(ONE, "site", 1, {"a": [1, None, "ü"]})
    containers.remove(ONE)
    containers.remove(ONE)
    with pytest.raises(NotFound):
        containers.get(ONE)
    with pytest.raises(NotFound):
        containers.rename(ONE, "again")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (lambda database: NetworkTable(database).find("lan"), "network lan not found"),
        (lambda database: VolumeTable(database).find("data"), "get data: no such volume"),
    ],
)
def test_missing_networks_and_volumes_have_dockers_words(
    database: Database, error: object, words: str
) -> None:
    with pytest.raises(NotFound, match=f"^{words}$"):
        error(database)  # type: ignore[operator]


def test_networks_and_volumes_have_one_name_each(database: Database) -> None:
    networks, volumes = NetworkTable(database), VolumeTable(database)
    networks.put(NetworkRecord(ONE, "lan", 1, {}))
    with pytest.raises(Conflict, match=r"^network with name lan already exists$"):
        networks.put(NetworkRecord(TWO, "lan", 1, {}))
    volumes.put(VolumeRecord("data", "data", 1, {}))
    volumes.put(VolumeRecord("data", "data", 1, {"Labels": {}}))
    assert [record.document for record in volumes.list()] == [{"Labels": {}}]


@pytest.fixture
def layers(database: Database) -> LayerTable:
    table = LayerTable(database)
    table.put(LayerRecord("c1", "d1", None, "s1", 10))
    table.put(LayerRecord("c2", "d2", "c1", "s2", 20, {"digest": "x"}))
    return table


def test_an_image_stands_on_its_layers(database: Database, layers: LayerTable) -> None:
    images = ImageTable(database)
    image = ImageRecord("sha256:" + ONE, 5, 30, "c2", None, {"k": "v"})
    images.put(image)
    assert images.get(image.image_id) == image
    assert layers.unused() == []
    with pytest.raises(Conflict):
        layers.remove("c2")
    with pytest.raises(Conflict):
        images.put(ImageRecord("sha256:" + TWO, 5, 30, "missing", None, {}))
    images.remove(image.image_id)
    assert [layer.chain_id for layer in layers.unused()] == ["c2"]
    layers.remove("c2")
    assert layers.list() == [LayerRecord("c1", "d1", None, "s1", 10)]


def test_a_layers_blob_may_come_later(layers: LayerTable) -> None:
    layers.set_blob("c1", {"digest": "y"})
    assert [layer.blob for layer in layers.by_diff_id("d1")] == [{"digest": "y"}]


def test_names_move_between_images_and_go_with_them(database: Database) -> None:
    images = ImageTable(database)
    first, second = "sha256:" + ONE, "sha256:" + TWO
    for image_id in (first, second):
        images.put(ImageRecord(image_id, 1, 0, None, {"size": 3}, {}))
    images.tag("docker.io/library/a:1", first)
    images.tag("docker.io/library/a:1", second)
    images.tag("docker.io/library/b:1", second)
    images.add_repo_digest("docker.io/library/a@sha256:00", second)
    assert images.tagged("docker.io/library/a:1") == second
    assert list(images.references(second)) == ["docker.io/library/a:1", "docker.io/library/b:1"]
    assert images.references(first) == {}
    images.put(ImageRecord(second, 2, 0, None, None, {}))
    assert len(images.references()) == 2
    images.remove(second)
    assert images.references() == images.repo_digests() == {}
    with pytest.raises(NotFound, match=r"^No such image: sha256:0$"):
        images.tag("docker.io/library/a:1", "sha256:0")


def test_images_are_found_by_the_beginning_of_their_id(database: Database) -> None:
    images = ImageTable(database)
    for image_id in ("sha256:1ab", "sha256:1ac", "sha256:1b"):
        images.put(ImageRecord(image_id, 1, 0, None, None, {}))
    assert [image.image_id for image in images.with_prefix("sha256:1a")] == ["sha256:1ab", "sha256:1ac"]


def test_the_build_cache_knows_what_was_used_last(database: Database) -> None:
    cache = BuildCacheTable(database)
    cache.put("a", {"x": 1}, now_ns=1, in_use=True)
    cache.put("b", {}, now_ns=2)
    cache.touch(["a"], now_ns=3, in_use=True)
    assert [(record.key, record.use_count, record.in_use) for record in cache.list()] == [
        ("b", 1, False),
        ("a", 2, True),
    ]
    cache.release()
    cache.remove(["b"])
    assert [(record.key, record.in_use, record.document) for record in cache.list()] == [
        ("a", False, {"x": 1})
    ]
    assert cache.get("b") is None
