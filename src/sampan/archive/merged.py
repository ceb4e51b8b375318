# SPDX-License-Identifier: Apache-2.0
"""The tree that overlayfs would show, read from its layers without mounting anything.

Implements: Linux, overlayfs.rst: the uppermost layer with a name has it; directories merge until one is
opaque, a whiteout or something that is no directory ends it.
Holds: a path is resolved inside the merged root, name by name on descriptors; symbolic links and ``..`` never
leave it, whatever the layers contain. One plain directory is a tree of one layer.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from sampan.archive.whiteout import is_opaque, is_whiteout
from sampan.linux.descent import MOST_OPEN, Descent

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # the kernel's own limit


@dataclass(frozen=True, slots=True)
class Node:
    """Something that exists: `name` in the layer's directory `parent`; valid while its tree is being walked.

    `layers` are the descriptors that a directory is merged from, uppermost first.
    """

    name: str
    parent: int
    status: os.stat_result
    layers: tuple[int, ...] = ()

    @property
    def is_directory(self) -> bool:
        """Whether there are nodes below this one."""
        return stat.S_ISDIR(self.status.st_mode)

    def open(self) -> int:
        """A new descriptor of the regular file or directory, for reading."""
        return os.open(
            self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self.parent
        )

    def readlink(self) -> str:
        """What the symbolic link says."""
        return os.readlink(self.name, dir_fd=self.parent)

    def close(self) -> None:
        """Close the layers; `parent` belongs to the node above."""
        for fd in self.layers:
            os.close(fd)


class MergedTree:
    """Directories laid over each other, the uppermost first (as SnapshotStore.lowers gives them)."""

    def __init__(self, directories: Sequence[str | int]) -> None:
        layers: list[int] = []
        try:
            for directory in directories:
                layers.append(_open_root(directory))  # noqa: PERF401 (what is open must be closed on failure)
            self._root = Node(".", layers[0] if layers else -1, os.fstat(layers[0]), tuple(layers))
        except BaseException:
            for fd in layers:
                os.close(fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all descriptors."""
        self._root.close()

    @contextmanager
    def open_node(self, path: str, *, follow: bool = True) -> Iterator[Node]:
        """What `path` stands for; FileNotFoundError, NotADirectoryError or ELOOP as the kernel would have
        it.
        """
        with self.open_trail(path, follow=follow) as (trail, missing):
            if missing:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            yield trail[-1]

    @contextmanager
    def open_trail(self, path: str, *, follow: bool = True) -> Iterator[tuple[list[Node], list[str]]]:
        """The nodes on the way to `path` from the root on, free of links, and the names that do not exist."""
        resolution = _Resolution(self._root, path, follow=follow)
        try:
            resolution.run()
            yield resolution.trail, resolution.missing
        finally:
            for node in resolution.trail[1:]:
                node.close()

    def walk(
        self, node: Node, *, enters: Callable[[Node], bool] = lambda _: True
    ) -> Iterator[tuple[str, Node]]:
        """All that is below a directory, with paths relative to it: parents first, names in order.

        A node is valid until the next one is asked for; stop early by closing the generator. A directory that
        `enters` refuses is given, but nothing in it.
        """
        place = _Place(node.layers)
        stack = [("", iter(children(node)))]
        try:
            while stack:
                prefix, names = stack[-1]
                name = next(names, None)
                if name is None:
                    stack.pop()
                    if stack:
                        place.leave()
                    continue
                child = place.enter(name)
                if child is None:  # removed meanwhile
                    continue
                yield prefix + name, child
                if child.is_directory and enters(child):
                    stack.append((f"{prefix}{name}/", iter(children(child))))
                elif child.is_directory:
                    place.leave()
        finally:
            place.close()


class _Place:
    """A directory of the merged tree while it is walked: a descent in each layer, of which a deep tree, as a
    container may make it, keeps few descriptors open.
    """

    def __init__(self, layers: Sequence[int]) -> None:
        share = MOST_OPEN // len(layers)
        self._levels = [[Descent(layer, share) for layer in layers]]

    def enter(self, name: str) -> Node | None:
        """One name here; if it is a directory, that is the place now."""
        layers = self._levels[-1]
        entered: list[Descent] = []
        found: Node | None = None
        for position, layer in enumerate(layers):
            try:
                status = os.stat(name, dir_fd=layer.fd, follow_symlinks=False)
                if is_whiteout(status):
                    break
                if not stat.S_ISDIR(status.st_mode):
                    if found is None:
                        return Node(name, layer.fd, status)
                    break
                parent = layer.fd
                layer.enter(name)
            except (FileNotFoundError, NotADirectoryError):  # or removed meanwhile
                continue
            entered.append(layer)
            found = found or Node(name, parent, status)
            if position + 1 < len(layers) and is_opaque(layer.fd):
                break
        if found is None:
            return None
        self._levels.append(entered)
        return replace(found, layers=tuple(layer.fd for layer in entered))

    def leave(self) -> None:
        """Go up again."""
        for layer in self._levels.pop():
            layer.leave()

    def close(self) -> None:
        """Close all that is open below the root."""
        for layer in self._levels[0]:
            layer.close()


@contextmanager
def open_merged(directories: Sequence[str], path: str) -> Iterator[int]:
    """A descriptor of the regular file or the uppermost directory that `path` stands for in the merged
    tree.
    """
    with MergedTree(directories) as tree, tree.open_node(path) as node:
        fd = node.open()
        try:
            yield fd
        finally:
            os.close(fd)


def lookup(directory: Node, name: str) -> Node | None:
    """One name in a merged directory."""
    found: Node | None = None
    layers: list[int] = []
    for position, layer in enumerate(directory.layers):
        try:
            status = os.stat(name, dir_fd=layer, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if is_whiteout(status):
            break
        if not stat.S_ISDIR(status.st_mode):
            return found or Node(name, layer, status)
        layers.append(os.open(name, _DIRECTORY, dir_fd=layer))
        found = Node(name, found.parent if found else layer, found.status if found else status, tuple(layers))
        if position + 1 < len(directory.layers) and is_opaque(layers[-1]):
            break
    return found


def children(directory: Node) -> list[str]:
    """The names in a merged directory, sorted."""
    seen: set[str] = set()
    names: list[str] = []
    for layer in directory.layers:
        with os.scandir(layer) as entries:
            for entry in entries:
                if entry.name not in seen:
                    seen.add(entry.name)
                    if not _hides(entry):
                        names.append(entry.name)
    return sorted(names)


class _Resolution:
    """One path on its way: what is behind (`trail`), what is ahead, and what turned out not to exist."""

    def __init__(self, root: Node, path: str, *, follow: bool) -> None:
        self.trail = [root]
        self.missing: list[str] = []
        self._path = path
        self._follow = follow or path.endswith("/")
        self._pending = _components(path)
        self._links = 0

    def run(self) -> None:
        """Take one name after the other."""
        while self._pending:
            name = self._pending.pop()
            if name == "..":
                self._up()
            elif self.missing:
                self.missing.append(name)
            else:
                self._down(name)

    def _up(self) -> None:
        if self.missing:
            self.missing.pop()
        elif len(self.trail) > 1:
            self.trail.pop().close()

    def _down(self, name: str) -> None:
        if not self.trail[-1].is_directory:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._path)
        node = lookup(self.trail[-1], name)
        if node is None:
            self.missing.append(name)
        elif stat.S_ISLNK(node.status.st_mode) and (self._pending or self._follow):
            self._follow_link(node.readlink())
        else:
            self.trail.append(node)

    def _follow_link(self, target: str) -> None:
        self._links += 1
        if self._links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._path)
        while target.startswith("/") and len(self.trail) > 1:
            self.trail.pop().close()
        self._pending += _components(target)


def _components(path: str) -> list[str]:
    """The names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _open_root(directory: str | int) -> int:
    if isinstance(directory, int):
        return os.open(".", _DIRECTORY, dir_fd=directory)
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _hides(entry: os.DirEntry[str]) -> bool:
    """Whether this is a whiteout; only for what may be a device is there need to ask the disk."""
    plain = entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False) or entry.is_symlink()
    return not plain and is_whiteout(entry.stat(follow_symlinks=False))
