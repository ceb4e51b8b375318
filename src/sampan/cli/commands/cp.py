# SPDX-License-Identifier: Apache-2.0
"""``sampan cp``: files between a container and this machine, as tar archives.

What goes where is decided in `copying`, archives are made and unpacked in `copied_trees`; here the two ends
are looked at.
"""

from __future__ import annotations

import os
from base64 import b64decode

from sampan.cli.archives import STDIN, iter_descriptor
from sampan.cli.command import Command, Exit, exactly
from sampan.cli.copied_trees import iter_packed, unpack
from sampan.cli.copying import (
    Place,
    place_in_container,
    plan_copy,
    resolve_link,
    split_argument,
    split_path,
)
from sampan.cli.flags import switch
from sampan.cli.output import STDERR, STDOUT, write_all
from sampan.cli.units import format_size
from sampan.client.jsontext import decode_json
from sampan.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.containers import Containers

_STREAM = "-"


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Copy out of or into a container."""
    (from_container, source), (to_container, destination) = map(split_argument, arguments)
    if from_container and to_container:
        raise Exit(1, "copying between containers is not supported")
    if not from_container and not to_container:
        raise Exit(1, "must specify at least one container source")
    containers = context.engine.containers
    if from_container:
        size = copy_out(containers, from_container, source, destination, options)
    else:
        size = copy_in(containers, source, to_container, destination, options)
    if destination != _STREAM and not options.switch("quiet") and os.isatty(STDERR):
        context.out.note(f"Successfully copied {format_size(size, 4)} to {arguments[1]}")
    return 0


# Into a container


def copy_in(containers: Containers, source: str, container: str, destination: str, options: Options) -> int:
    """Send an archive of `source`, or stdin as one; gives the bytes sent."""
    target = _look_in(containers, container, destination, follow=True)
    if source == _STREAM:
        if not target.is_directory:
            raise InvalidArgument(f'destination "{container}:{destination}" must be a directory')
        counted = _Counted(iter_descriptor(STDIN))
        folder = target.path
    else:
        local = look_at(source, follow=options.switch("follow-link"))
        if not local.exists:
            raise NotFound(f"lstat {source}: no such file or directory")
        copy = plan_copy(local, target)
        folder = copy.folder
        counted = _Counted(iter_packed(source, copy.name, follow=options.switch("follow-link")))
    containers.put_archive(container, folder, counted, copy_owners=options.switch("archive"))
    return counted.size_bytes


class _Counted:
    """Counts the bytes that pass."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.size_bytes = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for data in self._pieces:
            self.size_bytes += len(data)
            yield data


def look_at(path: str, *, follow: bool) -> Place:
    """What is at a path of this machine; a slash at its end follows a link, as everywhere."""
    try:
        status = os.stat(path) if follow or path.endswith(("/", "/.")) else os.lstat(path)
    except FileNotFoundError:
        return Place(path, exists=False)
    return Place(path, exists=True, is_directory=(status.st_mode & 0o170000) == 0o040000)


# Out of a container


def copy_out(containers: Containers, container: str, source: str, destination: str, options: Options) -> int:
    """Unpack the engine's archive, or hand it to stdout; gives the bytes received."""
    place = _look_in(containers, container, source, follow=options.switch("follow-link"))
    if not place.exists:
        raise NotFound(f"Could not find the file {source} in container {container}")
    path = _without_dot(place.path)
    copy = None if destination == _STREAM else plan_copy(place, look_at(destination, follow=True))
    counted = _Counted(containers.get_archive(container, path))
    if copy is None:
        for data in counted:
            write_all(STDOUT, data)
    else:
        owner = None if options.switch("archive") else (os.geteuid(), os.getegid())
        unpack(counted, copy, base=split_path(path)[1], owner=owner)
    return counted.size_bytes


def _without_dot(path: str) -> str:
    return path[:-1] if path.endswith("/.") else path


def _look_in(containers: Containers, container: str, path: str, *, follow: bool) -> Place:
    place = _stat_in(containers, container, path)
    if follow and place.link_target:
        return _stat_in(containers, container, resolve_link(path, place.link_target))
    return place


def _stat_in(containers: Containers, container: str, path: str) -> Place:
    try:
        answer = containers.stat_path(container, path)
    except NotFound:
        containers.inspect(container)  # whose absence it is that was meant: the container's has its own words
        return Place(path, exists=False)
    answer.read()
    stat = decode_json(b64decode(answer.fields["x-docker-container-path-stat"]))
    return place_in_container(path, stat)


COMMAND = Command(
    "container cp",
    "cp",
    run=run,
    summary="Copy files/folders between a container and the local filesystem",
    description="Use '-' as the source to read a tar archive from stdin\n"
    "and extract it to a directory destination in a container.\n"
    "Use '-' as the destination to stream a tar archive of a\n"
    "container source to stdout.",
    usage="[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    arity=exactly(2),
    flags=(
        switch("archive", "Archive mode (copy all uid/gid information)", short="a"),
        switch("follow-link", "Always follow symbol link in SRC_PATH", short="L"),
        switch(
            "quiet",
            "Suppress progress output during copy. "
            "Progress output is automatically suppressed if no terminal is attached",
            short="q",
        ),
    ),
)
