# SPDX-License-Identifier: Apache-2.0
"""The times in what a build makes: those of the day, or of SOURCE_DATE_EPOCH.

Implements: reproducible-builds.org, SOURCE_DATE_EPOCH, as BuildKit reads it (docs/build-repro.md): the build argument
dates the image and its history; with ``rewrite-timestamp=true`` files that are younger get its time, too.
``--reproducible`` is both, with the time of the newest file of the context where none is given.
Holds: files of the base image keep their times, and so do older files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.build.files.names import Folder
from sampan.build.files.scan import Filters, scan
from sampan.build.keys import dated_key
from sampan.build.origins import open_context
from sampan.build.request import BuildRequest
from sampan.errors import InvalidArgument

VARIABLE = "SOURCE_DATE_EPOCH"
_SECOND_NS = 1_000_000_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NUMBER = re.compile(r"[0-9]{1,12}\Z")
_LAST_S = 253_402_300_799  # of the year 9999, which RFC 3339 ends with


@dataclass(frozen=True, slots=True)
class Times:
    """`created_ns` is the image's time, None for that of its layers; `latest_ns` what no file of a layer is after."""

    created_ns: int | None = None
    latest_ns: int | None = None

    def key(self, key: str) -> str:
        """The key of a step whose files get these times."""
        return key if self.latest_ns is None else dated_key(key, self.latest_ns)


def plan_times(request: BuildRequest, build_args: Mapping[str, str]) -> Times:
    """The times of a build with these arguments."""
    text = build_args.get(VARIABLE, "")
    if not text:
        return Times()
    if not _NUMBER.match(text) or int(text) > _LAST_S:
        raise InvalidArgument(f"invalid {VARIABLE}: {text}", hint="it is a number of seconds since 1970")
    epoch_ns = int(text) * _SECOND_NS
    return Times(epoch_ns, epoch_ns if request.rewrites_times else None)


def date_arguments(request: BuildRequest, build_args: Mapping[str, str]) -> dict[str, str]:
    """The arguments with a time: the one they have, else that of the newest file of the context."""
    if not request.reproducible or build_args.get(VARIABLE):
        return dict(build_args)
    if not request.context:
        raise InvalidArgument(f"--reproducible: the context is brought as needed: give {VARIABLE}")
    return {**build_args, VARIABLE: str(newest_time_ns(request) // _SECOND_NS)}


def newest_time_ns(request: BuildRequest) -> int:
    """When the newest file of a context was changed.

    Folders do not count, whose times any editor changes, nor does what git keeps for itself.
    """
    dockerfile = request.dockerfile if isinstance(request.dockerfile, str) else ""
    context = open_context(request.context, dockerfile=dockerfile)
    root = os.open(context.path, _DIRECTORY)
    try:
        found = scan(root, "", Filters(context.ignored))
        times = [
            entry.status.st_mtime_ns
            for entry in found
            if not entry.is_folder and not entry.path.startswith(".git/")
        ]
        status = Folder(root).lookup(dockerfile) if not times and not os.path.isabs(dockerfile) else None
    finally:
        os.close(root)
    return max(times, default=status.st_mtime_ns if status is not None else 0)
