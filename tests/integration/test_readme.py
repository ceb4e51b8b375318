# SPDX-License-Identifier: Apache-2.0
"""The README's commands are run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from integration.engine_process import EngineProcess

pytestmark = pytest.mark.long

README = (Path(__file__).parents[2] / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    return [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]


def test_every_command_of_the_readme_works(own_engine: EngineProcess, tmp_path: Path):
    shims = tmp_path / "bin"
    shims.mkdir()
    (shims / "sampan").write_text(f'#!/bin/sh\nexec {sys.executable} -m sampan.cli.main "$@"\n')
    (shims / "sampan").chmod(0o755)
    environment = own_engine.environment | {"PATH": f"{shims}:{own_engine.environment['PATH']}"}
    assert len(commands()) >= 6
    output = {}
    for command in commands():
        line = command.replace("unix:///run/sampan/engine.sock", f"unix://{own_engine.socket}")
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            pytest.fail(f"$ {line}\n{done.stdout}{done.stderr}")
        output[command] = done.stdout
    assert output["sampan run --rm greeting"] == "built by Sampan\n"
