# SPDX-License-Identifier: Apache-2.0
"""A skopeo that knows sigstore: Debian 12 has taken that out of its own, Debian 13 has not.

Its package and the libraries that it needs are fetched once, by apt from the mirror that this machine uses, with apt's
lists in a folder of their own, and unpacked beside each other; its own loader runs it. Nothing is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

SUITE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sampan-tests" / f"skopeo-{SUITE}"
LIMIT_S = 120


def newer_skopeo() -> list[str]:
    """The words that run it; raises if it cannot be had."""
    if not (FOLDER / "whole").exists():
        _fetch()
        (FOLDER / "whole").touch()
    usr = FOLDER / "root" / "usr"
    loader = next((usr / "lib64").glob("ld-linux-*"))
    libraries = next((usr / "lib").glob("*-linux-gnu"))
    return [str(loader), "--library-path", str(libraries), str(usr / "bin" / "skopeo")]


def _fetch() -> None:
    for folder in ("state/lists/partial", "cache/archives/partial", "root"):
        (FOLDER / folder).mkdir(parents=True, exist_ok=True)
    (FOLDER / "state/status").touch()
    (FOLDER / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} main\n")
    options = {
        "Dir::State": FOLDER / "state",
        "Dir::State::status": FOLDER / "state/status",
        "Dir::Cache": FOLDER / "cache",
        "Dir::Etc::sourcelist": FOLDER / "sources.list",
        "Dir::Etc::sourceparts": "-",
    }
    apt = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    _run(*apt, "update")
    _run(*apt, "install", "-y", "--no-install-recommends", "--download-only", "skopeo")
    for package in sorted((FOLDER / "cache/archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(FOLDER / "root"))
        package.unlink()


def _mirror() -> str:
    """Where this machine has its own Debian from."""
    said = _run("apt-get", "update", "--print-uris")
    match = re.search(r"'(\S+/debian)/dists/[a-z]+/(?:In)?Release'", said)
    assert match is not None, said
    return match[1]


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout
