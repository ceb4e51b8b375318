# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sampan

SOURCE = str(Path(__file__).parents[3] / "src")
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import sampan
sampan.__version__
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("name", sampan.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(sampan, name) is not None
    assert name in dir(sampan)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'sampan' has no attribute 'conect'"):
        _ = sampan.conect  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, SOURCE], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["__future__", "sampan"]
