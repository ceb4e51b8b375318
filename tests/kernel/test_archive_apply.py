# SPDX-License-Identifier: Apache-2.0
"""Archives onto a real disk: hostile ones stay inside, honest ones arrive complete."""

import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.archive.apply import Applied, apply_layer, extract_archive
from sampan.archive.entry import ArchiveRefused, Entry, InvalidArchive, Kind
from sampan.archive.extract import Limits
from sampan.archive.merged import MergedTree, open_merged
from sampan.archive.pack import pack_tree
from sampan.archive.writer import TarWriter
from sampan.oci.digest import Digest
from suites.private_mounts import run_with_private_mounts


def archive(*members: Entry | tuple[str, bytes]) -> io.BytesIO:
    """A tar of entries, and of (name, content) for plain files."""
    out = io.BytesIO()
    writer = TarWriter(out)
    for member in members:
        if isinstance(member, Entry):
            writer.add(member)
        else:
            name, data = member
            writer.add_bytes(Entry(name, Kind.FILE, size=len(data), mtime_ns=10**9), data)
    writer.close()
    out.seek(0)
    return out


def directory(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, Kind.DIRECTORY, mode=mode, mtime_ns=10**9)


def symlink(name: str, target: str) -> Entry:
    return Entry(name, Kind.SYMLINK, link=target)


def link(name: str, target: str) -> Entry:
    return Entry(name, Kind.LINK, link=target)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory beside the root that nothing may touch."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "precious").write_text("precious")
    before = os.stat(path)
    yield path
    assert os.listdir(path) == ["precious"]
    assert (path / "precious").read_text() == "precious"
    assert os.stat(path).st_mode == before.st_mode
    assert os.stat(path / "precious").st_nlink == 1
    assert os.listxattr(path) == []


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


def apply(stream: io.BytesIO, root: Path, **options: object) -> Applied:
    target = os.open(root, os.O_DIRECTORY)
    try:
        return apply_layer(stream, target, **options)  # type: ignore[arg-type]
    finally:
        os.close(target)


def extract(stream: io.BytesIO, root: Path, **options: object) -> Applied:
    target = os.open(root, os.O_DIRECTORY)
    try:
        return extract_archive(stream, target, **options)  # type: ignore[arg-type]
    finally:
        os.close(target)


HOSTILE = {
    "a name that climbs out": [("../outside/precious", b"evil")],
    "a name that climbs out late": [("a/../../outside/precious", b"evil")],
    "a link to the outside, then through it": [symlink("d", "../outside"), ("d/precious", b"evil")],
    "an absolute link, then through it": [symlink("d", "{outside}"), ("d/precious", b"evil")],
    "links that add up": [
        directory("a"),
        symlink("a/up", ".."),
        symlink("out", "a/up/../outside"),
        ("out/precious", b"evil"),
    ],
    "a hard link to the outside": [link("precious", "../outside/precious"), ("precious", b"evil")],
    "a hard link through a link": [symlink("d", "{outside}"), link("p", "d/precious"), ("p", b"evil")],
    "a link as a file's own name": [symlink("file", "{outside}/precious"), ("file", b"evil")],
    "a directory over a link": [symlink("d", "{outside}"), directory("d", 0o777), ("d/precious", b"evil")],
    "a whiteout through a link": [symlink("d", "{outside}"), ("d/.wh.precious", b"")],
    "an opaque mark through a link": [symlink("d", "{outside}"), ("d/.wh..wh..opq", b"")],
    "a whiteout of the parent": [("d/.wh...", b"")],
    "a whiteout of the root's parent": [(".wh...", b"")],
    "a whiteout of the directory itself": [("d/.wh..", b"")],
    "attributes through a link": [symlink("d", "{outside}"), directory("d/", 0o000)],
}


@pytest.mark.parametrize("is_layered", [True, False], ids=["overlay", "plain"])
@pytest.mark.parametrize("attack", HOSTILE)
def test_nothing_outside_of_the_root_is_touched(
    root: Path, outside: Path, attack: str, is_layered: bool
) -> None:
    from dataclasses import replace

    members = [
        replace(member, link=member.link.format(outside=outside)) if isinstance(member, Entry) else member
        for member in HOSTILE[attack]
    ]
    try:
        apply(archive(*members), root, is_layered=is_layered)
    except (ArchiveRefused, InvalidArchive):
        return
    # What was not refused went somewhere inside; the fixture looks at the outside.
    assert os.listdir(root) != []


@pytest.mark.parametrize("name", ["../x", "a/../../x"])
def test_names_that_climb_out_are_refused_by_name(root: Path, name: str) -> None:
    with pytest.raises(ArchiveRefused, match=f'"{name}": it is outside of the root'):
        extract(archive((name, b"")), root)


def test_a_link_inside_is_followed_inside(root: Path) -> None:
    apply(archive(directory("usr"), directory("usr/lib"), symlink("lib", "/usr/lib"), ("lib/x", b"1")), root)
    assert (root / "usr/lib/x").read_bytes() == b"1"
    assert os.readlink(root / "lib") == "/usr/lib"


def test_everything_a_member_can_have_arrives(root: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    xattrs = {"user.a": b"1", "security.capability": capability, "trusted.overlay.redirect": b"/etc"}
    out = io.BytesIO()
    writer = TarWriter(out)
    owned = {"uid": 1, "gid": 2, "mtime_ns": 5 * 10**9}
    writer.add(Entry("d", Kind.DIRECTORY, mode=0o1750, **owned))
    writer.add_bytes(Entry("d/file", Kind.FILE, mode=0o6755, size=3, xattrs=xattrs, **owned), b"abc")
    writer.add(Entry("d/link", Kind.LINK, link="d/file", mode=0o6755, **owned))
    writer.add(Entry("d/symlink", Kind.SYMLINK, link="../nowhere", **owned))
    writer.add(Entry("d/null", Kind.CHARACTER, mode=0o666, major=1, minor=3, **owned))
    writer.add(Entry("d/disk", Kind.BLOCK, mode=0o660, major=8, minor=0, **owned))
    writer.add(Entry("d/fifo", Kind.FIFO, mode=0o622, **owned))
    writer.close()
    out.seek(0)
    apply(out, root)

    def seen(name: str) -> tuple[int, int, int, int]:
        status = os.lstat(root / name)
        return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns

    assert seen("d") == (0o1750, 1, 2, 5 * 10**9)
    assert seen("d/file") == (0o6755, 1, 2, 5 * 10**9)
    assert seen("d/null") == (0o666, 1, 2, 5 * 10**9)
    assert seen("d/disk") == (0o660, 1, 2, 5 * 10**9)
    assert seen("d/fifo") == (0o622, 1, 2, 5 * 10**9)
    assert seen("d/symlink")[1:] == (1, 2, 5 * 10**9)
    assert os.lstat(root / "d/link").st_ino == os.lstat(root / "d/file").st_ino
    assert os.lstat(root / "d/null").st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK(os.lstat(root / "d/disk").st_mode)
    assert os.getxattr(root / "d/file", "user.a") == b"1"
    assert os.getxattr(root / "d/file", "security.capability") == capability
    # Attributes that steer overlayfs are not for archives to set.
    assert sorted(os.listxattr(root / "d/file")) == ["security.capability", "user.a"]


@pytest.mark.parametrize("form", ["gnu", "pax 0.0", "pax 0.1", "pax 1.0"])
def test_gnu_tars_sparse_files_arrive(tmp_path: Path, root: Path, form: str) -> None:
    name = "sparse-" + "n" * 120
    with open(tmp_path / name, "wb") as file:
        for position in range(0, 60 << 16, 1 << 16):
            file.seek(position)
            file.write(b"%d" % position)
        file.truncate(1 << 24)
    version = ["--format=gnu"] if form == "gnu" else ["--format=posix", f"--sparse-version={form[4:]}"]
    subprocess.run(["tar", "-C", tmp_path, "-S", *version, "-cf", tmp_path / "a.tar", name], check=True)
    assert os.stat(tmp_path / "a.tar").st_size < 1 << 20
    extract(io.BytesIO((tmp_path / "a.tar").read_bytes()), root)
    assert (root / name).read_bytes() == (tmp_path / name).read_bytes()
    assert os.stat(root / name).st_blocks * 512 < 1 << 20


def test_a_truncated_layer_names_its_member_and_is_no_half_success(root: Path) -> None:
    whole = archive(("first", b"1" * 2000), ("second", b"2" * 2000)).getvalue()
    with pytest.raises(InvalidArchive, match="truncated in member second"):
        apply(io.BytesIO(whole[:4000]), root)


def test_the_diff_id_is_of_the_whole_stream_compressed_or_not(root: Path) -> None:
    import gzip

    plain = archive(("a", b"1")).getvalue() + bytes(20 * 512)
    for stream in (plain, gzip.compress(plain)):
        applied = apply(io.BytesIO(stream), root)
        assert applied == Applied(Digest.of(plain), 1, 1)


@pytest.mark.parametrize(
    ("limits", "word"), [(Limits(max_bytes=10), "10 bytes"), (Limits(max_entries=1), "1 member")]
)
def test_bombs_are_stopped(root: Path, limits: Limits, word: str) -> None:
    with pytest.raises(ArchiveRefused, match=word):
        apply(archive(("a", b"1" * 6), ("b", b"1" * 6)), root, limits=limits)
    assert not (root / "b").exists()


def test_a_hard_link_to_nothing_is_an_error(root: Path) -> None:
    with pytest.raises(InvalidArchive, match="member a is a hard link to b, which does not exist"):
        apply(archive(link("a", "b")), root)


def test_later_members_replace_earlier_ones(root: Path) -> None:
    members = [
        ("file", b"1"),
        ("file", b"2"),
        directory("kind"),
        ("kind/inner", b""),
        ("kind", b"now a file"),
        ("other", b""),
        directory("other"),
        ("other/inner", b"3"),
        symlink("link", "file"),
        ("link", b"4"),
        directory("mode", 0o700),
        directory("mode", 0o711),
    ]
    extract(archive(*members), root)
    assert (root / "file").read_bytes() == b"2"
    assert (root / "kind").read_bytes() == b"now a file"
    assert (root / "other/inner").read_bytes() == b"3"
    assert not (root / "link").is_symlink()
    assert stat.S_IMODE(os.stat(root / "mode").st_mode) == 0o711


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    path = tmp_path / "lower"
    (path / "usr/lib").mkdir(parents=True)
    (path / "usr/lib/old").write_text("old")
    (path / "lib").symlink_to("usr/lib")
    (path / "private").mkdir(mode=0o700)
    os.chmod(path / "private", 0o2710)
    os.chown(path / "private", 7, 8)
    os.setxattr(path / "private", "user.x", b"y")
    (path / "private/secret").write_text("secret")
    os.utime(path / "private", ns=(3 * 10**9, 3 * 10**9))
    return path


def merged(*directories: Path) -> dict[str, str]:
    """Path to content of the merged tree (directories: empty)."""
    found = {}
    with MergedTree([str(path) for path in directories]) as tree, tree.open_node("/") as node:
        for path, child in tree.walk(node):
            if stat.S_ISREG(child.status.st_mode):
                with open_merged([str(directory) for directory in directories], path) as fd:
                    found[path] = os.read(fd, 1000).decode()
            else:
                found[path] = ""
    return found


def test_parents_that_exist_only_below_keep_their_attributes(root: Path, lower: Path) -> None:
    apply(archive(("private/new", b"new")), root, lowers=[str(lower)])
    status = os.stat(root / "private")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o2710, 7, 8)
    assert status.st_mtime_ns == 3 * 10**9
    assert os.getxattr(root / "private", "user.x") == b"y"
    assert merged(root, lower)["private/secret"] == "secret"


def test_links_below_are_followed(root: Path, lower: Path) -> None:
    apply(archive(("lib/new", b"new")), root, lowers=[str(lower)])
    assert (root / "usr/lib/new").read_text() == "new"
    assert not (root / "lib").exists()


def test_a_hard_link_may_have_its_target_below(root: Path, lower: Path) -> None:
    apply(archive(link("private/again", "private/secret")), root, lowers=[str(lower)])
    assert (root / "private/again").read_text() == "secret"
    assert os.stat(root / "private/again").st_ino == os.stat(root / "private/secret").st_ino
    assert os.stat(lower / "private/secret").st_nlink == 1


@pytest.mark.parametrize("order", [1, -1], ids=["whiteout first", "whiteout last"])
def test_a_whiteout_is_about_the_layers_below_only(root: Path, lower: Path, order: int) -> None:
    members = [("usr/.wh.lib", b""), directory("usr/lib"), ("usr/lib/new", b"new")]
    if order < 0:
        members = [directory("usr/lib"), ("usr/lib/new", b"new"), ("usr/.wh.lib", b"")]
    apply(archive(*members), root, lowers=[str(lower)])
    seen = merged(root, lower)
    assert "usr/lib/old" not in seen
    assert seen["usr/lib/new"] == "new"


@pytest.mark.parametrize("order", [1, -1], ids=["mark first", "mark last"])
def test_an_opaque_directory_hides_what_is_below(root: Path, lower: Path, order: int) -> None:
    members = [("usr/lib/.wh..wh..opq", b""), ("usr/lib/new", b"new")][::order]
    apply(archive(*members), root, lowers=[str(lower)])
    seen = merged(root, lower)
    assert "usr/lib/old" not in seen
    assert seen["usr/lib/new"] == "new"
    assert seen["private/secret"] == "secret"


@pytest.mark.parametrize("order", [1, -1])
def test_whiteouts_remove_from_a_plain_tree(root: Path, order: int) -> None:
    apply(archive(("a/old", b""), ("b/old", b""), ("c", b""), ("d/old", b"")), root, is_layered=False)
    members = [
        ("a/.wh.old", b""),
        ("b/.wh..wh..opq", b""),
        ("b/new", b""),
        (".wh.c", b""),
        (".wh.d", b""),
        ("d/n", b""),
    ]
    apply(archive(*members[::order]), root, is_layered=False)
    assert set(merged(root)) == {"a", "b", "b/new", "d", "d/n"}


def test_an_opaque_root_hides_everything(root: Path, lower: Path) -> None:
    apply(archive((".wh..wh..opq", b""), ("new", b"")), root, lowers=[str(lower)])
    assert set(merged(root, lower)) == {"new"}


def test_extraction_below_a_path_stays_below_it(root: Path) -> None:
    (root / "srv").mkdir()
    (root / "app").symlink_to("srv")
    extract(archive(("/a", b"1"), ("b/c", b"2"), link("d", "b/c")), root, path="/app", owner=(5, 6))
    assert (root / "srv/a").read_bytes() == b"1"
    assert os.stat(root / "srv/d").st_ino == os.stat(root / "srv/b/c").st_ino
    assert os.stat(root / "srv/a").st_uid == 5
    with pytest.raises(ArchiveRefused):
        extract(archive(("../x", b"1")), root, path="/app")


def test_cp_keeps_directories_and_files_apart(root: Path) -> None:
    (root / "d").mkdir()
    (root / "f").write_text("kept")
    with pytest.raises(ArchiveRefused, match='cannot overwrite directory "/d" with non-directory "d"'):
        extract(archive(("d", b"")), root, keep_kinds=True)
    with pytest.raises(ArchiveRefused, match='cannot overwrite non-directory "/f" with directory "f"'):
        extract(archive(directory("f")), root, keep_kinds=True)
    assert (root / "f").read_text() == "kept"


def test_a_file_as_a_parent_is_an_error_that_names_the_member(root: Path) -> None:
    with pytest.raises(InvalidArchive, match="member a/b: not a directory"):
        extract(archive(("a", b""), ("a/b", b"")), root)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "layer.tar").write_bytes(archive(("large", b"x" * (4 << 20))).getvalue())
    program = """
import io
from sampan.archive.apply import apply_layer
from sampan.content.store import ContentStore
from sampan.errors import DiskFull
mount("tmpfs", sys.argv[1], "tmpfs", 0, "size=2m")
data = open(sys.argv[2], "rb").read()
store = ContentStore(sys.argv[1] + "/content")
os.mkdir(sys.argv[1] + "/fs")
target = os.open(sys.argv[1] + "/fs", os.O_DIRECTORY)
try:
    apply_layer(io.BytesIO(data), target)
except DiskFull as error:
    print(error)
os.unlink(sys.argv[1] + "/fs/large")
try:
    store.write(data)
except DiskFull as error:
    print(error)
assert list(store.walk()) == [] and os.listdir(sys.argv[1] + "/content/ingest") == []
"""
    done = run_with_private_mounts(program, str(tmp_path / "small"), str(tmp_path / "layer.tar"))
    assert done.stdout.count("no space left on device") == 2


def test_a_merged_tree_is_packed_as_a_process_would_see_it(root: Path, lower: Path) -> None:
    apply(archive(("lib/new", b"new"), ("private/.wh.secret", b"")), root, lowers=[str(lower)])
    out = io.BytesIO()
    pack_tree([str(root), str(lower)], "/", out)
    out.seek(0)
    with tarfile.open(fileobj=out) as packed:
        assert packed.getnames() == ["lib", "private", "usr", "usr/lib", "usr/lib/new", "usr/lib/old"]
    out = io.BytesIO()
    pack_tree([str(root), str(lower)], "/lib/", out, name="libraries")
    out.seek(0)
    with tarfile.open(fileobj=out) as packed:
        assert packed.getnames() == ["libraries", "libraries/new", "libraries/old"]
        assert packed.extractfile("libraries/new").read() == b"new"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "path", ["/link", "/link/precious", "../outside/precious", "/a/../../outside/precious"]
)
def test_a_merged_tree_has_no_way_out(root: Path, outside: Path, path: str) -> None:
    (root / "link").symlink_to(outside)
    (root / "a").mkdir()
    with MergedTree([str(root)]) as tree, pytest.raises(FileNotFoundError), tree.open_node(path):
        pass


def test_a_loop_of_links_ends(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with (
        MergedTree([str(root)]) as tree,
        pytest.raises(OSError, match="Too many levels"),
        tree.open_node("/a"),
    ):
        pass
