# SPDX-License-Identifier: Apache-2.0
"""How much memory an engine takes beside its containers: the Pss of its own processes.

Pss counts a page that several processes share in equal parts, so the sum over forked processes is right. An engine's
own processes are those of its kind of program; a container's are not among them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from engines import Engine

KIB = 1024
PROGRAMS = {
    "docker": ("dockerd", "containerd", "containerd-shim", "docker-proxy"),
    "podman": ("conmon", "podman", "aardvark-dns", "netavark"),
}


def engine_memory(engine: Engine) -> int:
    """Bytes of the engine's processes and of those that mind its containers."""
    pids = _sampan_pids(engine.run_root) if engine.is_sampan else _program_pids(engine)
    return sum(map(_pss_bytes, pids))


def _sampan_pids(run_root: str) -> Iterator[int]:
    """The engine, and what came of it and bears its name: the launcher and the shims."""
    with open(f"{run_root}/engine.pid", encoding="ascii") as file:
        engine = int(file.read())
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        children.setdefault(_parent(pid), []).append(pid)
    waiting = [engine]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += [child for child in children.get(pid, ()) if _read(child, "comm").startswith(b"sampan")]


def _parent(pid: int) -> int:
    # The name, in parentheses, may hold spaces.
    after_name = _read(pid, "stat").rpartition(b")")[2].split()
    return int(after_name[1]) if after_name else 0


def _program_pids(engine: Engine) -> Iterator[int]:
    kind = "podman" if "podman" in engine.command[-1] else "docker"
    for pid in _all_pids():
        # The kernel keeps the first 15 letters of a program's name.
        if _read(pid, "comm").decode(errors="replace").strip().startswith(PROGRAMS[kind]):
            yield pid


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _pss_bytes(pid: int) -> int:
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * KIB
    return 0


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:  # it has ended
        return b""
