# SPDX-License-Identifier: Apache-2.0
"""`--help` of every command, unknown words, completion: nothing here needs an engine."""

from __future__ import annotations

import subprocess

import pytest

from integration.engine_process import SAMPAN
from sampan.cli.catalogue import COMMANDS

NAMES = sorted(COMMANDS)


def sampan(*args: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "SAMPAN_HOST": "unix:///nonexistent/engine.sock",
        "SAMPAN_RUN_ROOT": "/nonexistent",
        "PATH": "/bin",
    }
    return subprocess.run(
        [*SAMPAN, *args],
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        env=environment,
    )


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str) -> None:
    done = sampan(*name.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage:  sampan ")
    assert COMMANDS[name].summary.split("(")[0].strip() in done.stdout


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_of_everything(words: list[str]) -> None:
    done = sampan(*words)
    assert done.returncode == 0
    for name in ("build", "run", "exec", "ps", "engine", "bootstrap"):
        assert f"  {name} " in done.stdout


def test_an_unknown_command_is_named() -> None:
    done = sampan("biuld")
    assert done.returncode != 0
    assert "biuld" in done.stderr
    assert "did you mean 'build'?" in done.stderr


def test_an_unknown_flag_is_named() -> None:
    done = sampan("ps", "--frobnicate")
    assert done.returncode == 125
    assert "unknown flag: --frobnicate" in done.stderr


def test_missing_arguments() -> None:
    done = sampan("rm")
    assert done.returncode == 1
    assert "requires at least 1 argument" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = sampan("completion", shell)
    assert done.returncode == 0
    assert "sampan" in done.stdout


def test_completion_in_a_real_shell() -> None:
    script = f"""
        sampan() {{ {" ".join(SAMPAN)} "$@"; }}
        source <(sampan completion bash)
        COMP_WORDS=(sampan imp); COMP_CWORD=1; _sampan; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=(sampan run --det); COMP_CWORD=2; _sampan; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20)
    assert "import" in done.stdout.splitlines()[0]
    assert "--detach" in done.stdout.splitlines()[1]


def test_no_engine_and_none_can_start() -> None:
    done = sampan("-H", "unix:///proc/nothing/engine.sock", "ps")
    assert done.returncode == 1
    assert done.stderr.strip()
