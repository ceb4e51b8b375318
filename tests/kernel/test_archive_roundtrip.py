# SPDX-License-Identifier: Apache-2.0
"""Random trees through our tar, GNU tar and back: what comes out is what went in, to the byte."""

import io
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.archive.apply import apply_layer
from sampan.archive.diff import write_layer, write_tree_diff
from sampan.archive.walk import iter_tree

names = st.one_of(
    st.sampled_from(["a", "b", "c", "ä", "x" * 120, " ", "-f", "new\nline", "\udcff"]),
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=9),
).filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
leaves = st.one_of(
    st.binary(max_size=2000),
    st.sampled_from(["->/etc", "-> .", "fifo", "null", "=link"]),
)
trees = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=12)
roots = st.dictionaries(names, trees, max_size=5)


def build(directory: str, tree: dict[str, object], files: list[str], seed: int = 0) -> None:
    """Make a tree; modes, owners and times vary with the position."""
    for position, (name, node) in enumerate(tree.items(), start=seed):
        path = f"{directory}/{name}"
        if isinstance(node, dict):
            os.mkdir(path)
            build(path, node, files, position)
        elif isinstance(node, bytes):
            Path(path).write_bytes(node)
            files.append(path)
            os.setxattr(path, "user.position", b"%d" % position)
        elif node.startswith("->"):  # type: ignore[attr-defined]
            os.symlink(node[2:], path)  # type: ignore[index]
        elif node == "=link" and files:
            os.link(files[position % len(files)], path)
            continue
        elif node == "null":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        else:
            os.mkfifo(path)
        os.chown(path, position, position * 7, follow_symlinks=False)
        if not os.path.islink(path):
            os.chmod(path, [0o755, 0o600, 0o4711, 0o1777][position % 4])
    for position, name in enumerate(tree):
        os.utime(f"{directory}/{name}", (position, 1_000_000_000 + position), follow_symlinks=False)


def snapshot(root: str) -> dict[str, object]:
    """Everything that an archive should keep of a tree. Hard links are told by their first name."""
    first: dict[int, str] = {}
    found: dict[str, object] = {}
    fd = os.open(root, os.O_DIRECTORY)
    for item in iter_tree(fd):
        status, path = item.status, f"{root}/{item.path}"
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = Path(path).read_bytes(), os.getxattr(path, "user.position")
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        link = item.path if stat.S_ISDIR(status.st_mode) else first.setdefault(status.st_ino, item.path)
        found[item.path] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            int(status.st_mtime),
            status.st_rdev,
            link,
            content,
        )
    os.close(fd)
    return found


@pytest.fixture
def place() -> Iterator[str]:
    path = tempfile.mkdtemp()
    yield path
    shutil.rmtree(path)


def fresh(place: str, name: str) -> str:
    shutil.rmtree(f"{place}/{name}", ignore_errors=True)
    os.mkdir(f"{place}/{name}")
    return f"{place}/{name}"


def applied(layer: bytes, root: str, **options: object) -> None:
    target = os.open(root, os.O_DIRECTORY)
    try:
        apply_layer(io.BytesIO(layer), target, **options)  # type: ignore[arg-type]
    finally:
        os.close(target)


quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(roots)
def test_a_tree_survives_its_layer(place: str, tree: dict[str, object]) -> None:
    root = fresh(place, "root")
    build(root, tree, [])
    layer = io.BytesIO()
    made = write_layer(root, layer)
    assert len(layer.getvalue()) == made.size_bytes
    copy = fresh(place, "copy")
    applied(layer.getvalue(), copy)
    assert snapshot(copy) == snapshot(root)
    assert write_layer(copy, None) == made
    assert write_tree_diff(None, root, None) == made


@quick
@given(roots)
def test_gnu_tar_extracts_what_we_write(place: str, tree: dict[str, object]) -> None:
    root = fresh(place, "root")
    build(root, tree, [])
    layer = io.BytesIO()
    write_layer(root, layer)
    copy = fresh(place, "copy")
    command = ["tar", "-C", copy, "--xattrs", "--xattrs-include=user.*", "--same-owner", "-pxf", "-"]
    subprocess.run(command, input=layer.getvalue(), check=True, capture_output=True)
    assert snapshot(copy) == snapshot(root)


@quick
@given(roots)
def test_we_extract_what_gnu_tar_writes(place: str, tree: dict[str, object]) -> None:
    root = fresh(place, "root")
    build(root, tree, [])
    copy = fresh(place, "copy")
    for form in ("gnu", "posix"):
        command = ["tar", "-C", root, f"--format={form}", "-cf", "-", "."]
        if form == "posix":
            command.insert(1, "--xattrs")
        layer = subprocess.run(command, check=True, capture_output=True).stdout
        copy = fresh(place, "copy")
        applied(layer, copy)
        if form == "posix":
            assert snapshot(copy) == snapshot(root)


@quick
@given(roots, roots)
def test_the_difference_of_two_trees_makes_one_the_other(
    place: str, before: dict[str, object], after: dict[str, object]
) -> None:
    old, new = fresh(place, "old"), fresh(place, "new")
    build(old, before, [])
    build(new, before | after, [], seed=1)
    for name in list(before)[::2]:
        if name not in after:
            path = f"{new}/{name}"
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    layer = io.BytesIO()
    write_tree_diff(old, new, layer)
    applied(layer.getvalue(), old, is_layered=False)
    kept = {path: entry[:3] + entry[6:] for path, entry in snapshot(new).items()}  # type: ignore[index]
    assert {path: entry[:3] + entry[6:] for path, entry in snapshot(old).items()} == kept  # type: ignore[index]
