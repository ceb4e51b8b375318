# SPDX-License-Identifier: Apache-2.0
"""Trees into archives for people: ``docker export``, ``docker cp`` out of a container.

A tree is given as its layers, uppermost first, so that nothing has to be mounted; a plain directory, such as
the root of a running container, is one layer. What is packed is what a process in the container would see.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence

from sampan.archive.merged import MergedTree, Node
from sampan.archive.tree_writer import TreeWriter
from sampan.archive.writer import Writable


def pack_tree(
    directories: Sequence[str | int],
    path: str,
    out: Writable,
    *,
    name: str = "",
    follow: bool = True,
    owner: tuple[int, int] | None = None,
    mtime_ns: int | None = None,
) -> None:
    """Write what is at `path` inside the merged tree.

    With a `name`, what is there (file or directory) is the member of that name; without one, the content of
    the directory is packed and not the directory itself. With an `mtime_ns`, all files have that time.
    FileNotFoundError and its like are as the kernel's.
    """
    with MergedTree(directories) as tree, tree.open_node(path, follow=follow) as node:
        writer = TreeWriter(out, owner=owner, mtime_ns=mtime_ns)
        if name:
            writer.add(name, node.parent, node.name, node.status)
        if node.is_directory:
            _pack_below(tree, node, writer, f"{name}/" if name else "")
        writer.close()


def pack_folders(
    folders: Mapping[str, Sequence[str | int]], out: Writable, *, mtime_ns: int | None = None
) -> None:
    """Write several merged trees, each below a folder of its name; files are linked inside a tree only."""
    writer = TreeWriter(out, mtime_ns=mtime_ns)
    for name, directories in folders.items():
        with MergedTree(directories) as tree, tree.open_node("/") as node:
            writer.forget_links()
            writer.add(name, node.parent, node.name, node.status)
            _pack_below(tree, node, writer, f"{name}/")
    writer.close()


def _pack_below(tree: MergedTree, node: Node, writer: TreeWriter, prefix: str) -> None:
    for path, child in tree.walk(node):
        if not stat.S_ISSOCK(child.status.st_mode):
            writer.add(prefix + path, child.parent, child.name, child.status)
