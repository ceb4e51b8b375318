# SPDX-License-Identifier: Apache-2.0
"""Copy a path of this machine into a container and back, by the archive calls.

What goes where is decided in `copying`, archives are made and unpacked in `copied_trees`, which is loaded
only when something is copied; here the two ends are looked at.
"""

from __future__ import annotations

import os
from base64 import b64decode

from sampan.client.copying import Place, place_in_container, plan_copy, resolve_link, split_path
from sampan.client.jsontext import decode_json
from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sampan.client.containers import Containers


class Counted:
    """Counts the bytes that pass."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.size_bytes = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for data in self._pieces:
            self.size_bytes += len(data)
            yield data


def copy_in(
    containers: Containers,
    source: str,
    container: str,
    destination: str,
    *,
    follow: bool = False,
    keep_owners: bool = False,
) -> int:
    """Copy `source` to `destination` by cp(1)'s rules; gives the archive's bytes."""
    from sampan.client.copied_trees import iter_packed

    target = look_in(containers, container, destination, follow=True)
    local = look_at(source, follow=follow)
    if not local.exists:
        raise NotFound(f"lstat {source}: no such file or directory")
    copy = plan_copy(local, target)
    counted = Counted(iter_packed(source, copy.name, follow=follow))
    containers.put_archive(container, copy.folder, counted, copy_owners=keep_owners)
    return counted.size_bytes


def copy_out(
    containers: Containers,
    container: str,
    source: str,
    destination: str,
    *,
    follow: bool = False,
    keep_owners: bool = False,
) -> int:
    """Copy `source` of the container to `destination`; gives the archive's bytes."""
    from sampan.client.copied_trees import unpack

    place = find_in(containers, container, source, follow=follow)
    copy = plan_copy(place, look_at(destination, follow=True))
    path = without_dot(place.path)
    counted = Counted(containers.get_archive(container, path))
    owner = None if keep_owners else (os.geteuid(), os.getegid())
    unpack(counted, copy, base=split_path(path)[1], owner=owner)
    return counted.size_bytes


def look_at(path: str, *, follow: bool) -> Place:
    """What is at a path of this machine; a slash at its end follows a link, as everywhere."""
    try:
        status = os.stat(path) if follow or path.endswith(("/", "/.")) else os.lstat(path)
    except FileNotFoundError:
        return Place(path, exists=False)
    return Place(path, exists=True, is_directory=(status.st_mode & 0o170000) == 0o040000)


def find_in(containers: Containers, container: str, path: str, *, follow: bool) -> Place:
    """What is at a path in a container, where something must be."""
    place = look_in(containers, container, path, follow=follow)
    if not place.exists:
        raise NotFound(f"Could not find the file {path} in container {container}")
    return place


def look_in(containers: Containers, container: str, path: str, *, follow: bool) -> Place:
    """What is at a path in a container."""
    place = _stat_in(containers, container, path)
    if follow and place.link_target:
        return _stat_in(containers, container, resolve_link(path, place.link_target))
    return place


def without_dot(path: str) -> str:
    """``folder/.`` as the archive calls want it: with the slash that asks for the content."""
    return path[:-1] if path.endswith("/.") else path


def _stat_in(containers: Containers, container: str, path: str) -> Place:
    try:
        answer = containers.stat_path(container, path)
    except NotFound:
        containers.inspect(container)  # whose absence it is that was meant: the container's has its own words
        return Place(path, exists=False)
    answer.read()
    stat = decode_json(b64decode(answer.fields["x-docker-container-path-stat"]))
    return place_in_container(path, stat)
