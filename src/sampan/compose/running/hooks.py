# SPDX-License-Identifier: Apache-2.0
"""``post_start`` and ``pre_stop``: commands that are run in a container on its way."""

from __future__ import annotations

from itertools import chain

from sampan.client.api import Engine
from sampan.client.frames import iter_frames
from sampan.compose.model_hooks import Hook
from sampan.compose.running.report import Report
from sampan.errors import SampanError, Unavailable

_READ_BYTES = 1 << 16


class HookFailed(Unavailable):
    """A hook ended with another status than 0."""


def run_hooks(engine: Engine, container_id: str, name: str, hooks: tuple[Hook, ...], report: Report) -> None:
    """One after the other; HookFailed names the container and the status."""
    for hook in hooks:
        code = run_hook(engine, container_id, name, hook, report)
        if code:
            raise HookFailed(f"container {name}: hook exited with status {code}")


def run_hook(engine: Engine, container_id: str, name: str, hook: Hook, report: Report) -> int:
    """Run one to its end; its output is told line by line, its status given."""
    body = {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": list(hook.command or ()),
        "User": hook.user,
        "Privileged": hook.privileged,
        "WorkingDir": hook.working_dir,
        "Env": [word if value is None else f"{word}={value}" for word, value in hook.environment.items()],
    }
    exec_id = engine.containers.exec(container_id, body)
    connection = engine.execs.start(exec_id, tty=False)
    try:
        received = iter(lambda: connection.socket.recv(_READ_BYTES), b"")
        for _, data in iter_frames(chain((connection.initial,), received)):
            report.output(f"Container {name}", data.decode(errors="replace"))
    finally:
        connection.socket.close()
    return int(engine.execs.inspect(exec_id).get("ExitCode") or 0)


def try_hooks(engine: Engine, container_id: str, name: str, hooks: tuple[Hook, ...], report: Report) -> None:
    """As `run_hooks`, but a failure is only told: a container that is to stop, stops."""
    try:
        run_hooks(engine, container_id, name, hooks, report)
    except SampanError as error:
        report.notice(f"pre_stop: {error.message}")
