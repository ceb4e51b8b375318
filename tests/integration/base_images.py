# SPDX-License-Identifier: Apache-2.0
"""Base images for tests that build real applications: bootstrapped once a machine, then loaded from that cache."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from integration.engine_process import SAMPAN, EngineProcess

PYTHON = "python:3.13-slim-trixie"
POSTGRES = "postgres:17-trixie"
FIRST_TIME_S = 600
"""The first bootstrap on a machine fetches some two hundred packages."""

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.append(str(TOOLS))
from walkthrough import wants_host_ca  # noqa: E402 - the demos decide it, and the tests as they do


def build_environment() -> dict[str, str]:
    """Lends builds the host's certificates where the demos would."""
    return {"SAMPAN_HOST_CA": "1"} if wants_host_ca("auto") else {}


def cache_home() -> Path:
    """Where bootstrapped archives are kept between runs; engines of tests have homes of their own."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def ensure_bases(engine: EngineProcess, *names: str) -> None:
    """Bring them into the engine."""
    cache = cache_home()
    environment = engine.environment | {"XDG_CACHE_HOME": str(cache)}

    def bootstrap(name: str) -> None:
        with _one_at_a_time(cache / "sampan" / f"bootstrapping-{name.replace(':', '-')}"):
            subprocess.run(
                [*SAMPAN, "bootstrap", "--quiet", name], env=environment, check=True, timeout=FIRST_TIME_S
            )

    with ThreadPoolExecutor() as pool:
        list(pool.map(bootstrap, names))


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Another worker that wants the same image waits, and then finds it in the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """A port that nobody has, and that no connection gets from the kernel: it is taken again at each restart."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port is free")
