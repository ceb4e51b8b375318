# SPDX-License-Identifier: Apache-2.0
"""Docker's own clients as tests run them: the command line with its plugins, and an older one."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from integration.engine_process import COMMAND_LIMIT_S, EngineProcess

_TOOL = Path(__file__).parents[2] / "tools" / "docker_clients.py"


def _load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docker_clients_tool", _TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def client_path(name: str) -> str:
    """A client of Docker's, fetched from Debian the first time it is needed on this machine."""
    return str(_load_tool().ensure_client(name))


class DockerClient:
    """A command line with a configuration of its own, on one engine."""

    def __init__(
        self, engine: EngineProcess, config: Path, *, program: str = "", plugins: bool = True
    ) -> None:
        self.program = program or shutil.which("docker") or client_path("docker")
        self.environment = {
            **{name: value for name, value in engine.environment.items() if name != "DOCKER_BUILDKIT"},
            "DOCKER_CONFIG": str(config),
            "BUILDKIT_PROGRESS": "plain",
            "DOCKER_CLI_HINTS": "false",
        }
        (config / "cli-plugins").mkdir(parents=True, exist_ok=True)
        if plugins:
            self.add_plugin("buildx")
            self.add_plugin("compose")

    def add_plugin(self, name: str) -> None:
        """Let the command line have a plugin, in place of another of its kind."""
        path = client_path(name)
        link = Path(self.environment["DOCKER_CONFIG"]) / "cli-plugins" / os.path.basename(path)
        link.unlink(missing_ok=True)
        link.symlink_to(path)

    def __call__(self, *args: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        settings: dict[str, object] = {} if "input" in options else {"stdin": subprocess.DEVNULL}
        settings |= {"capture_output": True, "text": True, "timeout": COMMAND_LIMIT_S}
        settings |= {"env": self.environment} | options
        done = subprocess.run([self.program, *args], **settings)  # type: ignore[call-overload]
        if check and done.returncode != 0:
            raise AssertionError(f"{args} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done  # type: ignore[no-any-return]

    def out(self, *args: str, **options: object) -> str:
        """What it prints, without the newline."""
        return self(*args, **options).stdout.strip()

    def fails(self, *args: str, **options: object) -> str:
        """It fails with 1; what it says on stderr."""
        done = self(*args, check=False, **options)
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        return done.stderr

    @contextlib.contextmanager
    def running(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """It runs as long as the block, in a process group of its own; killed at its end."""
        with subprocess.Popen(
            [self.program, *args],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
