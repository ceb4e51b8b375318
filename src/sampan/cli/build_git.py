# SPDX-License-Identifier: Apache-2.0
"""What git says of the folder that is built: asked by who builds and in their own folder, never by the engine."""

from __future__ import annotations

_TIMEOUT_S = 20


def read_commit_time(folder: str) -> int | None:
    """When the commit that a folder is a checkout of was made; None if it is none, or has been changed since."""
    if not _git(folder, "ls-files", "--", ".") or _is_changed(folder):
        return None
    text = _git(folder, "log", "-1", "--format=%ct")
    return int(text) if text.isdigit() else None


def read_revision(folder: str) -> dict[str, str]:
    """``revision`` (with ``-dirty`` where something has been changed) and ``source``, where there are any."""
    revision = _git(folder, "rev-parse", "HEAD")
    if not revision:
        return {}
    found = {"revision": revision + "-dirty" * _is_changed(folder)}
    source = _git(folder, "remote", "get-url", "origin")
    return {**found, "source": source} if source else found


def _is_changed(folder: str) -> bool:
    return _git(folder, "status", "--porcelain", "--", ".", failed="?") != ""


def _git(folder: str, *words: str, failed: str = "") -> str:
    """What git prints; `failed` if it fails, or is not on this machine."""
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
        return failed
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else failed
