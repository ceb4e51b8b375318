# SPDX-License-Identifier: Apache-2.0
"""The image store on a real disk: what comes in, what goes out, and what a bad day leaves."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from image_archives import make_config, make_docker_archive, make_layout, make_tar, sha256
from sampan.archive.packing import Packing
from sampan.content.store import ContentStore
from sampan.errors import Conflict, DataCorrupt, DiskFull, InvalidArgument, SampanError
from sampan.image.packaging import kept_manifest, make_manifest
from sampan.image.store import ImageNotFound, ImageStore, LayerInfo
from sampan.metadata.database import Database
from sampan.oci.media_type import Compression
from sampan.oci.run_config import RunConfig
from sampan.snapshot.store import SnapshotStore

BASE = make_tar([("etc/hostname", b"base\n"), ("bin/sh", b"#!"), ("gone", b"x")])
TOP = make_tar([("etc/hostname", b"top\n"), (".wh.gone", b"")])


class Scene:
    """A store in a folder, opened again as after a restart by `reopen`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reopen()

    def reopen(self) -> None:
        self.database = Database(str(self.root / "state.db"))
        self.snapshots = SnapshotStore(str(self.root / "snapshots"), self.database)
        self.content = ContentStore(str(self.root / "content"))
        self.store = ImageStore(self.database, self.content, self.snapshots)
        self.snapshots.sweep()
        self.store.sweep()

    def close(self) -> None:
        self.database.close()

    def load(self, archive: bytes) -> list[tuple[str, list[str]]]:
        return [(str(image.id), names) for image, names in self.store.load(io.BytesIO(archive))]

    def blobs(self) -> set[str]:
        return {digest.hex for digest, _ in self.content.walk()}

    def is_empty(self) -> bool:
        leftovers = [name for name in os.listdir(self.root / "snapshots") if not name.startswith(".")]
        return not (self.store.list() or self.blobs() or self.snapshots.walk() or leftovers)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.close()


def test_a_docker_archive_is_loaded_with_its_names(scene: Scene) -> None:
    config = make_config([BASE, TOP], Cmd=["sh"])
    loaded = scene.load(make_docker_archive([BASE, TOP], "x:1", "y:2", config=config))
    assert loaded == [(f"sha256:{sha256(config)}", ["x:1", "y:2"])]
    image = scene.store.resolve("x:1")
    assert image.run_config == {"Cmd": ["sh"]}
    assert image.size_bytes == len(b"base\n#!x") + len(b"top\n")
    assert image.chain_id is not None
    upper, lower = scene.snapshots.lowers(image.chain_id)
    assert Path(upper, "etc/hostname").read_text() == "top\n"
    assert Path(lower, "etc/hostname").read_text() == "base\n"
    assert os.stat(f"{upper}/gone").st_rdev == 0


def test_an_oci_layout_is_loaded_too(scene: Scene) -> None:
    layout = make_layout([BASE], {"io.containerd.image.name": "docker.io/library/x:1"})
    assert [names for _, names in scene.load(layout)] == [["x:1"]]
    assert scene.store.resolve("x:1").manifest is not None


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_archives_may_be_compressed_and_their_layers_too(scene: Scene, pack: object) -> None:
    assert callable(pack)
    config = make_config([BASE])
    manifest = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["layer"]}]
    archive = make_tar(
        [("layer", pack(BASE)), ("c.json", config), ("manifest.json", json.dumps(manifest).encode())]
    )
    scene.load(pack(archive))
    assert saved_layer(scene, "x:1") == BASE


def test_layers_in_an_archive_may_be_links_as_skopeo_writes_them(scene: Scene) -> None:
    config = make_config([BASE])
    manifest = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["id/layer.tar"]}]
    archive = make_tar(
        [
            ("real.tar", BASE),
            ("id/layer.tar", "../real.tar"),
            ("c.json", config),
            ("manifest.json", json.dumps(manifest).encode()),
        ]
    )
    assert [names for _, names in scene.load(archive)] == [["x:1"]]


def test_shared_layers_are_unpacked_once_and_kept_while_needed(scene: Scene) -> None:
    scene.load(make_docker_archive([BASE], "below:1"))
    scene.load(make_docker_archive([BASE, TOP], "above:1"))
    assert len(scene.snapshots.walk()) == 2
    below = scene.store.resolve("below:1")
    assert scene.store.remove("below:1") == [{"Untagged": "below:1"}, {"Deleted": str(below.id)}]
    above = scene.store.resolve("above:1")
    top, base = (str(chain) for chain in reversed(above.chain_ids))
    assert scene.store.remove("above:1") == [
        {"Untagged": "above:1"},
        {"Deleted": str(above.id)},
        {"Deleted": top},
        {"Deleted": base},
    ]
    assert scene.is_empty()


def test_an_image_is_found_by_every_name_it_has(scene: Scene) -> None:
    ((image_id, _),) = scene.load(make_docker_archive([BASE], "repo.test/dir/x:1"))
    digits = image_id.removeprefix("sha256:")
    for name in ("repo.test/dir/x:1", image_id, digits, digits[:12], digits[:4], f"sha256:{digits[:7]}"):
        assert str(scene.store.resolve(name).id) == image_id
    assert scene.store.find(image_id) is not None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("busybox", "busybox:latest"),
        ("docker.io/library/busybox:1", "busybox:1"),
        ("reg.test:5000/a/b", "reg.test:5000/a/b:latest"),
        ("ab" * 32, "ab" * 32),
        ("sha256:" + "ab" * 32, "sha256:" + "ab" * 32),
    ],
)
def test_what_is_not_here_is_named_as_docker_names_it(scene: Scene, name: str, shown: str) -> None:
    with pytest.raises(ImageNotFound) as caught:
        scene.store.resolve(name)
    assert str(caught.value) == f"No such image: {shown}"


def test_a_name_that_is_none_is_refused(scene: Scene) -> None:
    with pytest.raises(InvalidArgument, match="invalid reference format"):
        scene.store.resolve("Not/A Name")


def test_a_beginning_that_two_ids_share_is_no_name(scene: Scene) -> None:
    ids: dict[str, str] = {}
    for number in range(40):
        config = make_config([BASE], Env=[f"N={number}"])
        first = sha256(config)[0]
        if first in ids:
            break
        ids[first] = sha256(config)
        scene.load(make_docker_archive([BASE], config=config))
    scene.load(make_docker_archive([BASE], config=config))
    with pytest.raises(ImageNotFound):
        scene.store.resolve(first)


def test_a_tag_moves_and_leaves_the_old_image_nameless(scene: Scene) -> None:
    ((old, _),) = scene.load(make_docker_archive([BASE], "x:1"))
    ((new, _),) = scene.load(make_docker_archive([TOP], "x:1"))
    assert str(scene.store.resolve("x:1").id) == new
    assert scene.store.get(old).references == ()
    removed, freed = scene.store.prune(lambda _: True)
    assert {"Deleted": old} in removed
    assert freed == len(b"base\n") + len(b"#!") + len(b"x")
    assert [str(image.id) for image in scene.store.list()] == [new]


def test_prune_leaves_what_containers_use_and_what_the_test_refuses(scene: Scene) -> None:
    ((used, _),) = scene.load(make_docker_archive([BASE]))
    ((young, _),) = scene.load(make_docker_archive([TOP]))
    removed, _ = scene.store.prune(
        lambda image: str(image.id) != young,
        in_use=lambda image_id: [("c1", False)] if image_id == used else [],
    )
    assert removed == []
    assert len(scene.store.list()) == 2


def test_a_container_keeps_the_layers_of_a_removed_image(scene: Scene) -> None:
    scene.load(make_docker_archive([BASE], "x:1"))
    image = scene.store.resolve("x:1")
    scene.snapshots.prepare("container", image.chain_id)
    with pytest.raises(Conflict, match="must force"):
        scene.store.remove("x:1", in_use=lambda _: [("c" * 64, False)])
    lines = scene.store.remove("x:1", force=True, in_use=lambda _: [("c" * 64, False)])
    assert lines == [{"Untagged": "x:1"}, {"Deleted": str(image.id)}]
    scene.snapshots.remove("container")
    scene.reopen()
    assert scene.is_empty()


def saved_layer(scene: Scene, name: str) -> bytes:
    out = io.BytesIO()
    scene.store.save([name], out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        return archive.extractfile(manifest[0]["Layers"][-1]).read()


def test_a_saved_image_is_the_same_when_it_is_loaded_again(scene: Scene, tmp_path: Path) -> None:
    scene.load(make_docker_archive([BASE, TOP], "x:1", "x:2", "y:1"))
    out = io.BytesIO()
    scene.store.save(["x"], out)
    other = Scene(tmp_path / "other")
    assert other.load(out.getvalue()) == [(str(scene.store.resolve("x:1").id), ["x:1", "x:2"])]
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        assert json.load(archive.extractfile("repositories"))["x"].keys() == {"1", "2"}
        for member in archive:
            if member.name.startswith("blobs/sha256/"):
                data = archive.extractfile(member).read()
                assert member.name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    again = io.BytesIO()
    other.store.save(["x"], again)
    other.close()
    assert again.getvalue() == out.getvalue()


def test_foreign_layers_come_out_as_they_came_in(scene: Scene) -> None:
    scene.load(make_docker_archive([BASE], "x:1"))
    assert saved_layer(scene, "x:1") == BASE


def test_an_image_made_here_has_its_layer_made_again(scene: Scene) -> None:
    image = make_image_here(scene)
    assert scene.blobs() == {image}
    layer = saved_layer(scene, "made:1")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.extractfile("hello").read() == b"hi"


def test_a_snapshot_that_was_tampered_with_is_not_saved(scene: Scene) -> None:
    make_image_here(scene)
    chain = scene.store.resolve("made:1").chain_id
    assert chain is not None
    Path(scene.snapshots.fs_path(chain), "hello").write_text("ho")
    with pytest.raises(DataCorrupt, match="expected sha256:"):
        scene.store.save(["made:1"], io.BytesIO())


def make_image_here(scene: Scene) -> str:
    from sampan.archive.diff import write_layer

    scene.snapshots.prepare("work")
    Path(scene.snapshots.upper_path("work"), "hello").write_text("hi")
    written = write_layer(scene.snapshots.upper_path("work"), None)
    scene.snapshots.commit("work", str(written.diff_id))
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [str(written.diff_id)]},
        }
    ).encode()
    return scene.store.create(config, [LayerInfo(written.diff_id)], references=["made:1"]).id.hex


def test_a_blob_of_two_places_goes_with_the_last_of_them(scene: Scene) -> None:
    other = make_tar([("other", b"")])
    scene.load(make_docker_archive([BASE, TOP], "a:1"))
    scene.load(make_docker_archive([other, TOP], "b:1"))
    layers = scene.store.layers
    layers.table.set_blob(str(scene.store.resolve("b:1").chain_ids[-1]), None)
    layers.is_pinned = lambda _: True
    scene.store.remove("a:1")
    scene.store.remove("b:1")
    assert scene.blobs()
    layers.is_pinned = lambda _: False
    layers.remove_unused()
    assert scene.is_empty()


def test_a_blob_that_only_a_manifest_names_lives_as_long_as_the_image(scene: Scene) -> None:
    make_image_here(scene)
    image = scene.store.resolve("made:1")
    (chain,) = map(str, image.chain_ids)
    scene.store.layers.ensure_blob(chain)
    forced = scene.store.layers.ensure_blob(chain, Packing(Compression.ZSTD, is_forced=True))
    assert forced.media_type.endswith("+zstd")
    manifest = make_manifest(scene.store, image, [forced])
    scene.store.keep([(image.config, manifest)], names=["made:1"], documents=[manifest.raw])
    scene.reopen()
    assert kept_manifest(scene.store, scene.store.resolve("made:1")) == manifest
    scene.store.remove("made:1")
    assert scene.is_empty()


def test_import_makes_an_image_of_a_tar(scene: Scene) -> None:
    image = scene.store.import_tar(io.BytesIO(BASE), "fs:1", config=RunConfig(cmd=("sh",)), message="hello")
    assert image.run_config == {"Cmd": ["sh"]}
    assert scene.store.inspect(image)["Comment"] == "hello"
    assert scene.store.history(image)[0]["Size"] == image.size_bytes
    assert saved_layer(scene, "fs:1") == BASE


def test_skopeo_reads_what_we_save_and_we_read_what_it_writes(scene: Scene, tmp_path: Path) -> None:
    scene.load(make_docker_archive([BASE, TOP], "x:1"))
    saved = tmp_path / "saved.tar"
    with saved.open("wb") as out:
        scene.store.save(["x:1"], out)
    for source, target in (
        (f"docker-archive:{saved}:x:1", f"oci-archive:{tmp_path}/oci.tar:y:2"),
        (f"docker-archive:{saved}:x:1", f"docker-archive:{tmp_path}/docker.tar:z:3"),
    ):
        subprocess.run(["skopeo", "copy", "--quiet", "--insecure-policy", source, target], check=True)
    ((from_oci, names),) = scene.load((tmp_path / "oci.tar").read_bytes())
    assert names == ["y:2"]
    assert scene.store.get(from_oci).chain_ids == scene.store.resolve("x:1").chain_ids
    assert scene.load((tmp_path / "docker.tar").read_bytes()) == [
        (str(scene.store.resolve("x:1").id), ["z:3"])
    ]


def wrong_layer() -> bytes:
    return make_docker_archive([TOP], "x:1", config=make_config([BASE]))


def wrong_blob() -> bytes:
    return make_layout([BASE], {}).replace(b"etc/hostname", b"etc/hostnamf")


def missing_layer() -> bytes:
    manifest = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["nowhere"]}]
    return make_tar([("c.json", make_config([BASE])), ("manifest.json", json.dumps(manifest).encode())])


def escaping_member() -> bytes:
    return make_tar([("../../etc/cron.d/x", b"x")])


def escaping_layer() -> bytes:
    return make_docker_archive([BASE, make_tar([("../../escaped", b"x")])], "x:1")


def looping_links() -> bytes:
    manifest = [{"Config": "a", "RepoTags": ["x:1"], "Layers": []}]
    return make_tar([("a", "b"), ("b", "a"), ("manifest.json", json.dumps(manifest).encode())])


def bad_name() -> bytes:
    return make_docker_archive([BASE], "No Name")


@pytest.mark.parametrize(
    "make",
    [
        wrong_layer,
        wrong_blob,
        missing_layer,
        escaping_member,
        escaping_layer,
        looping_links,
        bad_name,
        lambda: make_docker_archive([BASE], "x:1")[:3000],
        lambda: gzip.compress(make_docker_archive([BASE], "x:1"))[:-400],
        lambda: b"\0" * 4096,
        lambda: b"not a tar at all" * 100,
        lambda: b"",
    ],
)
def test_a_bad_archive_is_refused_and_leaves_nothing(scene: Scene, make: object, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(SampanError):
        scene.load(make())
    assert not (tmp_path.parent / "escaped").exists()
    scene.snapshots.purge()
    assert scene.is_empty()


def test_a_good_image_before_a_bad_one_stays(scene: Scene) -> None:
    good, bad = make_config([BASE]), make_config([b"something else"])
    manifest = [
        {"Config": "good", "RepoTags": ["good:1"], "Layers": ["layer"]},
        {"Config": "bad", "RepoTags": ["bad:1"], "Layers": ["layer"]},
    ]
    archive = make_tar(
        [("layer", BASE), ("good", good), ("bad", bad), ("manifest.json", json.dumps(manifest).encode())]
    )
    with pytest.raises(DataCorrupt):
        scene.load(archive)
    assert [image.references for image in scene.store.list()] == [("docker.io/library/good:1",)]
    assert saved_layer(scene, "good:1") == BASE


def test_a_load_within_a_layers_symbolic_links_stays_inside(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    below = make_tar([("link", str(outside))])
    above = make_tar([("link/file", b"x")])
    try:
        scene.load(make_docker_archive([below, above], "x:1"))
    except SampanError:
        assert scene.is_empty()
    assert list(outside.iterdir()) == []


LOAD = """
import sys
from sampan.content.store import ContentStore
from sampan.image.store import ImageStore
from sampan.metadata.database import Database
from sampan.snapshot.store import SnapshotStore
root = sys.argv[1]
database = Database(root + "/state.db")
store = ImageStore(database, ContentStore(root + "/content"), SnapshotStore(root + "/snapshots", database))
print("ready", flush=True)
store.load(sys.stdin.buffer)
print("loaded", flush=True)
"""


def test_kill_9_in_the_middle_of_a_load_leaves_a_store_without_half_an_image(scene: Scene) -> None:
    big = make_tar([(f"files/{number}", os.urandom(20_000)) for number in range(300)])
    archive = make_docker_archive([BASE, big], "x:1")
    for part in (len(archive) // 3, len(archive) - 2000, len(archive)):
        scene.close()
        kill_while_loading(scene.root, archive[:part])
        scene.reopen()
        names = [image.references for image in scene.store.list()]
        if names:
            assert saved_layer(scene, "x:1") == big
            scene.store.remove("x:1")
        assert scene.is_empty()
    scene.load(archive)
    assert saved_layer(scene, "x:1") == big


def kill_while_loading(root: Path, data: bytes) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(data)
        process.stdin.flush()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    scene = Scene(small_disk)
    scene.load(make_docker_archive([BASE], "small:1"))
    big = make_tar([(f"files/{number}", os.urandom(100_000)) for number in range(40)])
    with pytest.raises(DiskFull):
        scene.load(make_docker_archive([big], "big:1"))
    assert [image.references for image in scene.store.list()] == [("docker.io/library/small:1",)]
    assert saved_layer(scene, "small:1") == BASE
    scene.load(make_docker_archive([TOP], "another:1"))
    scene.close()
    shutil.rmtree(small_disk / "content")
