# SPDX-License-Identifier: Apache-2.0
"""An SSH agent with one key, and programs of this machine for images that have none of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.engine_process import wait_until


@contextmanager
def running_agent(folder: Path) -> Iterator[str]:
    """The path where an agent listens that has a key called "the key"."""
    path = str(folder / "agent.sock")
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as agent:
        try:
            wait_until(lambda: os.path.exists(path), "the agent listens")
            key = str(folder / "key")
            generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "the key", "-f", key]
            subprocess.run(generate, check=True)
            subprocess.run(["ssh-add", "-q", key], env=os.environ | {"SSH_AUTH_SOCK": path}, check=True)
            yield path
        finally:
            agent.terminate()


def copy_program(name: str, root: Path) -> None:
    """A program of this machine with the libraries that it needs, below a root of its own."""
    path = shutil.which(name)
    assert path is not None
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    libraries = [word for line in listed.splitlines() for word in line.split() if word.startswith("/")]
    for source in (path, *libraries):
        target = root / source.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
