# SPDX-License-Identifier: Apache-2.0
"""Running a piece of a test in a mount namespace of its own, so that nothing stays mounted whatever happens."""

import subprocess
import sys

_PROLOGUE = """
import os, sys
from sampan.linux.mount import mount
from sampan.linux.namespace import unshare
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
unshare(CLONE_NEWNS)
mount(None, "/", None, MS_REC | MS_PRIVATE)
"""


def run_with_private_mounts(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code (with os, sys and `mount` at hand) and expect it to succeed."""
    done = subprocess.run(
        [sys.executable, "-c", _PROLOGUE + program, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done
