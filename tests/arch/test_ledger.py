# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_ledger_says_what_the_code_does():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "ledger.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr + "\nrun: python tools/ledger.py"
