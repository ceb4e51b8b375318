# SPDX-License-Identifier: Apache-2.0
"""``sampan cp``: files between a container and this machine, as tar archives.

Paths are copied by `sampan.client.path_copy`; here are archives on stdin and stdout.
"""

from __future__ import annotations

import os

from sampan.cli.archives import STDIN
from sampan.cli.command import Command, Exit, exactly
from sampan.cli.flags import switch
from sampan.cli.output import STDERR, STDOUT, write_all
from sampan.cli.units import format_size
from sampan.client.copying import split_argument
from sampan.client.path_copy import Counted, copy_in, copy_out, find_in, look_in, without_dot
from sampan.client.pieces import iter_descriptor
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    follow, keep_owners = options.switch("follow-link"), options.switch("archive")
    if from_container and destination == _STREAM:
        size = write_out(containers, from_container, source, follow=follow)
    elif from_container:
        size = copy_out(
            containers, from_container, source, destination, follow=follow, keep_owners=keep_owners
        )
    elif source == _STREAM:
        size = read_in(containers, to_container, destination, keep_owners=keep_owners)
    else:
        size = copy_in(containers, source, to_container, destination, follow=follow, keep_owners=keep_owners)
    if destination != _STREAM and not options.switch("quiet") and os.isatty(STDERR):
        context.out.note(f"Successfully copied {format_size(size, 4)} to {arguments[1]}")
    return 0


def read_in(containers: Containers, container: str, folder: str, *, keep_owners: bool) -> int:
    """Extract the archive that comes on stdin; gives its bytes."""
    target = look_in(containers, container, folder, follow=True)
    if not target.is_directory:
        raise InvalidArgument(f'destination "{container}:{folder}" must be a directory')
    counted = Counted(iter_descriptor(STDIN))
    containers.put_archive(container, target.path, counted, copy_owners=keep_owners)
    return counted.size_bytes


def write_out(containers: Containers, container: str, source: str, *, follow: bool) -> int:
    """Hand the engine's archive to stdout; gives its bytes."""
    place = find_in(containers, container, source, follow=follow)
    counted = Counted(containers.get_archive(container, without_dot(place.path)))
    for data in counted:
        write_all(STDOUT, data)
    return counted.size_bytes


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
