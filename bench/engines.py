# SPDX-License-Identifier: Apache-2.0
"""The engines that are measured: Sampan on roots of its own, and whichever peers answer.

An engine is a command prefix (`docker`, `podman`, `env DOCKER_HOST=… docker`) that understands docker's words.
Everything that a bench makes has its name below one prefix, so that it can be found and removed again whatever
happened in between.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

SAMPAN = os.path.join(os.path.dirname(sys.executable), "sampan")
PREFIX = f"sampan-bench-{os.getpid()}"
IMAGE = f"localhost/{PREFIX}"
LABEL = f"sampan-bench={os.getpid()}"
"""On the base image, and so on whatever is built on it."""
_numbers = itertools.count(1)
PEERS = ("docker", "podman")
DOCKER_SOCKET = "unix:///var/run/docker.sock"

ANSWER_S = 10.0
LONGEST_S = 300.0


class EngineError(Exception):
    """A command of an engine ended otherwise than it should."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one command took: seconds on the clock, and of processors for itself and its children."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine; `namespace` is the process (or the file with its id) whose network its ports are published in."""

    name: str
    command: tuple[str, ...]
    version: str = ""
    namespace: str = ""
    limit: str = "*"
    run_root: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def is_sampan(self) -> bool:
        return bool(self.run_root)

    @property
    def api_socket(self) -> str:
        """Where its API is, "" where there is none on a unix socket (podman has no engine)."""
        if self.is_sampan:
            return f"{self.run_root}/engine.sock"
        words = [word.removeprefix("DOCKER_HOST=").removeprefix("--host=") for word in self.command]
        hosts = [word for word in [*words, os.environ.get("DOCKER_HOST", "")] if "://" in word]
        path = (hosts or [DOCKER_SOCKET])[0].removeprefix("unix://")
        return path if "docker" in words and os.path.exists(path) else ""

    def takes(self, scenario: str) -> bool:
        return fnmatch.fnmatch(scenario, self.limit)

    def run(self, *words: str, timeout_s: float = LONGEST_S) -> Outcome:
        """Run one command with its output thrown away, and measure it."""
        with tempfile.TemporaryFile() as complaint:
            started = time.monotonic()
            process = self._spawn(words, stdout=subprocess.DEVNULL, stderr=complaint)
            outcome = _measure_until_end(process, started, timeout_s)
            if process.returncode:
                complaint.seek(0)
                raise self._failure(words, complaint.read())
        return outcome

    def ask(self, *words: str, timeout_s: float = LONGEST_S) -> str:
        """The output of one command."""
        process = self._spawn(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            said, complaint = process.communicate(timeout=timeout_s)
        except BaseException:
            _kill(process)
            raise
        if process.returncode:
            raise self._failure(words, complaint)
        return said.decode().strip()

    def _spawn(
        self, words: Sequence[str], *, stdout: int, stderr: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C ends the bench, which then cleans up with commands that it did not reach.
        return subprocess.Popen(
            [*self.command, *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            env=os.environ | self.environment,
        )

    def _failure(self, words: Sequence[str], said: bytes) -> EngineError:
        lines = said.decode(errors="replace").strip().splitlines()
        return EngineError(f"{self.name}: {shlex.join(words)}: {lines[-1] if lines else 'it failed'}")

    def clean(self) -> None:
        """Remove every container and image of this bench, in whatever state it left them."""
        for listing, removal in (
            (("ps", "-aq", "--filter", f"name={PREFIX}"), ("rm", "-f")),
            (("images", "-q", "--filter", f"label={LABEL}"), ("rmi", "-f")),
        ):
            try:
                if found := self.ask(*listing).split():
                    self.run(*removal, *dict.fromkeys(found))
            except (EngineError, subprocess.TimeoutExpired) as error:
                print(f"not removed: {error}", file=sys.stderr)


def fresh_name() -> str:
    """A name that no container has had."""
    return f"{PREFIX}-{next(_numbers)}"


def start_sampan(data_root: str, run_root: str) -> Engine:
    """A new engine on these roots."""
    command = (SAMPAN, "--data-root", data_root, "--run-root", run_root)
    # An address in the environment would win over the roots.
    engine = Engine("sampan", command, run_root=run_root, environment={"SAMPAN_HOST": "", "DOCKER_HOST": ""})
    engine.run("engine", "start")
    version = engine.ask("version", "--format", "{{.Server.Version}}")
    return Engine(engine.name, command, version, run_root=run_root, environment=engine.environment)


def stop_sampan(engine: Engine) -> None:
    """End it; its roots are deleted by who made them."""
    engine.run("engine", "stop")


def find_peers(named: Sequence[str], limits: dict[str, str], namespaces: dict[str, str]) -> list[Engine]:
    """The peers named `NAME=COMMAND PREFIX`, or else docker and podman where they answer."""
    peers = []
    for text in named or [name for name in PEERS if shutil.which(name)]:
        name, _, prefix = text.partition("=")
        command = tuple(shlex.split(prefix or name))
        engine = Engine(name, command, namespace=namespaces.get(name, ""), limit=limits.get(name, "*"))
        try:
            version = _version_of(engine)
        except (EngineError, OSError, subprocess.TimeoutExpired) as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        peers.append(Engine(name, command, version, engine.namespace, engine.limit))
    return peers


def _version_of(engine: Engine) -> str:
    """The version of the engine that answers: docker's server; podman has none and answers for itself."""
    if "podman" in engine.command[-1]:
        return engine.ask("version", "--format", "{{.Client.Version}}", timeout_s=ANSWER_S)
    return engine.ask("version", "--format", "{{.Server.Version}}", timeout_s=ANSWER_S)


def _measure_until_end(process: subprocess.Popen[bytes], started: float, timeout_s: float) -> Outcome:
    """Wait in the kernel: `Popen.wait` with a timeout would sleep between looks."""
    ended = os.pidfd_open(process.pid)
    try:
        if not select.select((ended,), (), (), timeout_s)[0]:
            raise EngineError(f"{shlex.join(process.args)}: not over after {timeout_s:.0f} s")
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        return Outcome(wall_s, usage.ru_utime + usage.ru_stime)
    except BaseException:
        _kill(process)
        raise
    finally:
        os.close(ended)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        process.kill()
        process.wait()
