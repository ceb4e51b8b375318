# SPDX-License-Identifier: Apache-2.0
"""Decide what ``cp`` puts where, before anything is copied.

Implements: docker cp's rules for SRC_PATH and DEST_PATH, whichever of them is in the container: a copy
becomes one member called `name` in the folder `folder`; with an empty name, the content of a folder goes
straight into it. Pure: both ends are described as facts first.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument, NotFound

_GO_DIRECTORY = 1 << 31
_GO_SYMLINK = 1 << 27


class Place:
    """A path as the user wrote it, and what is there."""

    __slots__ = ("exists", "is_directory", "link_target", "path")

    def __init__(self, path: str, *, exists: bool, is_directory: bool = False, link_target: str = "") -> None:
        self.path = path
        self.exists = exists
        self.is_directory = is_directory
        self.link_target = link_target

    @property
    def content_only(self) -> bool:
        """Whether ``/.`` asks for what is in the folder, not the folder."""
        return self.path.endswith("/.") or self.path in (".", "/")

    @property
    def base(self) -> str:
        """The last component."""
        return split_path(self.path)[1]


class Copy:
    """Where the copy goes: into `folder`, as `name`."""

    __slots__ = ("folder", "name")

    def __init__(self, folder: str, name: str) -> None:
        self.folder = folder
        self.name = name


def split_argument(argument: str) -> tuple[str, str]:
    """``CONTAINER:PATH`` in two; a path of this machine has no container."""
    container, colon, path = argument.partition(":")
    if argument.startswith("/") or not colon or container.startswith("."):
        return "", argument
    return container, path


def split_path(path: str) -> tuple[str, str]:
    """Folder and last component, whatever slashes and dots the path ends with."""
    trimmed = path
    while len(trimmed) > 1 and trimmed.endswith(("/", "/.")):
        trimmed = trimmed[:-1] if trimmed.endswith("/") else trimmed[:-2]
    folder, slash, base = trimmed.rpartition("/")
    return (folder or "/") if slash else ".", base


def place_in_container(path: str, stat: dict[str, object]) -> Place:
    """What the field X-Docker-Container-Path-Stat says: modes are Go's os.FileMode."""
    mode = stat.get("mode")
    bits = mode if isinstance(mode, int) else 0
    target = str(stat.get("linkTarget") or "") if bits & _GO_SYMLINK else ""
    return Place(path, exists=True, is_directory=bool(bits & _GO_DIRECTORY), link_target=target)


def resolve_link(path: str, target: str) -> str:
    """Where a link at `path` leads."""
    return target if target.startswith("/") else f"{split_path(path)[0].rstrip('/')}/{target}"


def plan_copy(source: Place, destination: Place) -> Copy:
    """The rules of cp(1) as docker has them."""
    if destination.exists and destination.is_directory:
        return Copy(destination.path, "" if source.is_directory and source.content_only else source.base)
    if not source.is_directory and destination.path.endswith("/"):
        raise NotFound(f"no such directory: {destination.path}")
    if destination.exists and source.is_directory:
        raise InvalidArgument(f"cannot copy directory to a file: {destination.path}")
    return Copy(*split_path(destination.path))
