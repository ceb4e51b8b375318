# SPDX-License-Identifier: Apache-2.0
"""`docker cp`: what a path of a container is, and archives out of and into it, below an open root.

Source: moby `daemon/archive_unix.go`; names and modes are Go's (`os.FileMode`), because clients compare them.
Holds: paths come from clients and links from containers; both are resolved inside the root. What the kernel
makes up (proc, sysfs and the like, and the container's /dev) is not copied, as in Docker.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sampan.archive.apply import extract_archive
from sampan.archive.merged import MergedTree, Node
from sampan.archive.reader import Readable
from sampan.archive.tree_writer import TreeWriter
from sampan.archive.writer import Writable
from sampan.errors import InvalidArgument, NotFound
from sampan.linux.resolve import filesystem_type, open_in_root
from sampan.schema.times import format_time

GO_MODES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
GO_SPECIAL = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}

MADE_UP = frozenset(
    {
        0x9FA0,  # proc
        0x62656572,  # sysfs
        0x27E0EB,  # cgroup
        0x63677270,  # cgroup2
        0x1CD1,  # devpts
        0x19800202,  # mqueue
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x73636673,  # securityfs
        0xCAFE4A11,  # bpf
    }
)


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """Where an archive is unpacked, and how."""

    path: str
    keep_kinds: bool = False
    owner: tuple[int, int] | None = None


def go_mode(mode: int) -> int:
    """st_mode as Go's os.FileMode."""
    special = sum(bit for flag, bit in GO_SPECIAL.items() if mode & flag)
    return GO_MODES.get(stat.S_IFMT(mode), 0) | special | mode & 0o777


def base_name(path: str) -> str:
    """Go's filepath.Base: the last component, `/` of the root and `.` of what ends in a dot."""
    trimmed = path.rstrip("/")
    return trimmed.rpartition("/")[2] if trimmed else "/"


def clean_path(path: str) -> str:
    """Absolute and without `..`, but with the slash or dot at its end, which say that it is a directory."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if path.endswith("/.") or path == ".":
        return cleaned.rstrip("/") + "/."
    return cleaned.rstrip("/") + "/" if path.endswith("/") else cleaned


def stat_path(root_fd: int, path: str, container_id: str) -> dict[str, Any]:
    """The ContainerPathStat; of a symbolic link, also where it leads in the end."""
    with _resolving(path, container_id), MergedTree([root_fd]) as tree:
        with tree.open_node(path, follow=_means_directory(path)) as node:
            _require_directory(node, path)
            status = node.status
        target = _resolved(tree, path) if stat.S_ISLNK(status.st_mode) else ""
    return {
        "name": _shown(base_name(path)),
        "size": status.st_size,
        "mode": go_mode(status.st_mode),
        "mtime": format_time(status.st_mtime_ns),
        "linkTarget": _shown(target),
    }


def pack_path(root_fd: int, path: str, out: Writable, container_id: str) -> None:
    """An archive whose first member is what the path names; a link is not followed unless the path ends in `/`."""
    with (
        _resolving(path, container_id),
        MergedTree([root_fd]) as tree,
        tree.open_node(path, follow=_means_directory(path)) as node,
    ):
        writer = TreeWriter(out)
        name = base_name(path)
        writer.add(name, node.parent, node.name, node.status)
        enters = _plan_entering(root_fd, node)
        if node.is_directory and enters(node):
            prefix = name.rstrip("/") + "/"
            for below, child in tree.walk(node, enters=enters):
                writer.add(prefix + below, child.parent, child.name, child.status)
        writer.close()


def unpack_into(root_fd: int, target: CopyTarget, stream: Readable, container_id: str) -> None:
    """Unpack an archive, compressed or not, in an existing directory; links on the way there are followed."""
    with _resolving(target.path, container_id):
        os.close(open_in_root(root_fd, target.path))
        try:
            os.close(open_in_root(root_fd, target.path, os.O_PATH | os.O_DIRECTORY))
        except NotADirectoryError:
            raise InvalidArgument("extraction point is not a directory") from None
    extract_archive(stream, root_fd, path=target.path, owner=target.owner, keep_kinds=target.keep_kinds)


def resolve_path(root_fd: int, path: str) -> str:
    """The path without links, as far as it exists."""
    with _resolving(path, ""), MergedTree([root_fd]) as tree:
        return _resolved(tree, path)


def _resolved(tree: MergedTree, path: str) -> str:
    with tree.open_trail(path) as (trail, missing):
        return "/" + "/".join([*(node.name for node in trail[1:]), *missing])


def _plan_entering(root_fd: int, asked: Node) -> Callable[[Node], bool]:
    """Not into what the kernel makes up, and into /dev only if that is what was asked for."""
    try:
        device_status = os.stat("dev", dir_fd=root_fd, follow_symlinks=False)
    except FileNotFoundError:
        return _is_of_files
    devices = (device_status.st_dev, device_status.st_ino)

    def enters(node: Node) -> bool:
        is_devices = (node.status.st_dev, node.status.st_ino) == devices
        return _is_of_files(node) and (node is asked or not is_devices)

    return enters


def _is_of_files(node: Node) -> bool:
    return filesystem_type(node.layers[0]) not in MADE_UP


def _means_directory(path: str) -> bool:
    return path.endswith(("/", "/."))


def _require_directory(node: Node, path: str) -> None:
    if _means_directory(path) and not node.is_directory:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


@contextmanager
def _resolving(path: str, container_id: str) -> Iterator[None]:
    """What the kernel, or we in its place, say of a path, in Docker's words."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"Could not find the file {path} in container {container_id}") from None
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise
        raise InvalidArgument(f"{path}: {os.strerror(error.errno).lower()}") from None


def _shown(name: str) -> str:
    """Names need not be text; JSON does."""
    return os.fsencode(name).decode("utf-8", "replace")
