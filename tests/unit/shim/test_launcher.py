# SPDX-License-Identifier: Apache-2.0
"""What the launcher loads, so that the shims share it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from sampan.shim.launcher import _load_everything
_load_everything()
before = set(sys.modules)
import sampan.shim.shim, sampan.shim.maker, sampan.shim.native, sampan.shim.external
import sampan.runtime.init, sampan.runtime.execute, sampan.network.endpoint
"x".encode("ascii"), "x".encode("latin-1")
import codecs; codecs.lookup("ascii"); codecs.lookup("latin-1")
import json; print(json.dumps(sorted(set(sys.modules) - before)))
"""
SOURCE = str(Path(__file__).resolve().parents[3] / "src")


def test_a_shim_finds_everything_loaded() -> None:
    """What each shim loads for itself costs a millisecond and a hundred kilobytes, once a container."""
    done = subprocess.run(
        [sys.executable, "-IS", "-c", PROGRAM, SOURCE], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
