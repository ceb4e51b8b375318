# SPDX-License-Identifier: Apache-2.0
"""``build --reproducible``, and SOURCE_DATE_EPOCH: which time is in what a build makes.

Implements: reproducible-builds.org, SOURCE_DATE_EPOCH; buildx hands the variable of who builds on as a build
argument.
"""

from __future__ import annotations

import os

from sampan.cli.build_git import read_commit_time
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.cli.options import Options

EPOCH = "SOURCE_DATE_EPOCH"


def plan_reproducible(options: Options) -> str | None:
    """``yes``, ``check`` (every step runs twice and must give the same), or None."""
    word = options.text("reproducible").lower()
    if word not in ("", "true", "1", "false", "0", "check"):
        raise InvalidArgument(f"--reproducible={word}: true, false or check is supported")
    return {"check": "check", "true": "yes", "1": "yes"}.get(word)


def date_environment(options: Options, environ: Mapping[str, str], place: str) -> Mapping[str, str]:
    """The environment, with the time of the context's git commit where a time is wanted and none is given."""
    given = any(word.partition("=")[0] == EPOCH for word in options.several("build-arg"))
    if plan_reproducible(options) is None or given or environ.get(EPOCH) or not os.path.isdir(place):
        return environ
    time_s = read_commit_time(place)
    return environ if time_s is None else {**environ, EPOCH: str(time_s)}
