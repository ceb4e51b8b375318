#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetch Docker's own clients and cosign from Debian, for tests only: they are unpacked into a cache, not installed.

    tools/docker_clients.py

Suites that this host does not run are asked with an apt of their own: its lists and its state lie in a folder that is
gone afterwards; keys and mirror are the host's. What is in the cache already is not fetched again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sampan.bootstrap.host import ARCHIVE_KEYRING, read_host_facts

CLIENTS = {
    "buildx": ("sid", "docker-buildx", "usr/libexec/docker/cli-plugins/docker-buildx"),
    "buildx-0.13": ("trixie", "docker-buildx", "usr/libexec/docker/cli-plugins/docker-buildx"),
    "compose": ("sid", "docker-compose", "usr/libexec/docker/cli-plugins/docker-compose"),
    "cosign": ("sid", "cosign", "usr/bin/cosign"),
    "cosign-2": ("trixie", "cosign", "usr/bin/cosign"),
    "docker": ("sid", "docker-cli", "usr/bin/docker"),
    "docker-20.10": ("bookworm", "docker.io", "usr/bin/docker"),
}


def cache_folder() -> Path:
    """Where the clients are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", "/root"), ".cache")
    return Path(base) / "sampan" / "docker-clients"


def ensure_client(name: str) -> Path:
    """The program of that name, fetched if it is not there."""
    suite, package, program = CLIENTS[name]
    path = cache_folder() / name / os.path.basename(program)
    if not path.exists():
        print(f"fetching {package} from Debian {suite}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="docker-clients-") as work:
            unpacked = fetch(suite, package, Path(work))
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
            shutil.copy(unpacked / program, partial)
            partial.replace(path)
    return path


def fetch(suite: str, package: str, work: Path) -> Path:
    """Download a package and unpack it below `work`."""
    mirror = read_host_facts(mirror=None, ca_bundle=None).mirror
    if mirror is None:
        raise SystemExit("error: this host has no Debian mirror to fetch Docker's clients from")
    for folder in ("lists/partial", "cache/archives/partial", "unpacked"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"deb [signed-by={ARCHIVE_KEYRING}] {mirror} {suite} main\n")
    settings = {
        "Dir::State::Lists": work / "lists",
        "Dir::State::Status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    for command in (["update", "-qq"], ["download", "-qq", package]):
        subprocess.run(["apt-get", *options, *command], cwd=work, check=True, stdout=subprocess.DEVNULL)
    (archive,) = work.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, work / "unpacked"], check=True)
    return work / "unpacked"


if __name__ == "__main__":
    for client in CLIENTS:
        ensure_client(client)
