# SPDX-License-Identifier: Apache-2.0
"""``build --reproducible``, and SOURCE_DATE_EPOCH: which time is in what a build makes.

Implements: reproducible-builds.org, SOURCE_DATE_EPOCH; buildx hands the variable of who builds on as a build
argument. Holds: git is asked here, by who builds and in their own folder, and never by the engine.
"""

from __future__ import annotations

import os

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.cli.options import Options

EPOCH = "SOURCE_DATE_EPOCH"
_TIMEOUT_S = 20


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


def read_commit_time(folder: str) -> int | None:
    """When the commit that a folder is a checkout of was made; None if it is none, or has been changed since."""
    if not _git(folder, "ls-files", "--", ".") or _git(folder, "status", "--porcelain", "--", ".") != "":
        return None
    text = _git(folder, "log", "-1", "--format=%ct")
    return int(text) if text is not None and text.strip().isdigit() else None


def _git(folder: str, *words: str) -> str | None:
    """What git prints; None if it fails, or is not on this machine."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", folder, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
