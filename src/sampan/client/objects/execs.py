# SPDX-License-Identifier: Apache-2.0
"""One more program in a running container."""

from __future__ import annotations

from contextlib import closing
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypedDict

from sampan.client.objects.options import plan_environment, split_command
from sampan.client.objects.result import TimedOut
from sampan.client.objects.streams import Dialogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.objects.options import Command
    from sampan.client.objects.result import Result

UNKNOWN_EXIT_CODE = -1
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.1


class ExecOptions(TypedDict, total=False):
    """Options of `Container.exec`; all may be left out."""

    environment: Mapping[str, str]
    user: str  # name or uid, optionally ``:group``
    workdir: str
    privileged: bool
    tty: bool


def plan_exec(command: Command, options: ExecOptions) -> Json:
    """The body of ``POST /containers/{id}/exec`` (pure)."""
    return {
        "Cmd": split_command(command),
        "Env": plan_environment(options.get("environment")),
        "User": options.get("user", ""),
        "WorkingDir": options.get("workdir", ""),
        "Privileged": options.get("privileged", False),
        "Tty": options.get("tty", False),
    }


def run_exec(
    engine: Engine,
    container_id: str,
    body: Json,
    *,
    stdin: bytes | None,
    timeout_s: float | None,
    limit_bytes: int | None,
) -> Result:
    """Start it, stay with it to the end of its output, and ask for its exit code."""
    body |= {"AttachStdin": stdin is not None, "AttachStdout": True, "AttachStderr": True}
    deadline = None if timeout_s is None else monotonic() + timeout_s
    exec_id = engine.containers.exec(container_id, body)
    connection = engine.execs.start(exec_id, tty=body["Tty"])
    dialogue = Dialogue(connection, stdin=stdin, tty=body["Tty"], limit_bytes=limit_bytes)

    def give_up() -> None:
        raise TimedOut(
            f"exec in container {container_id[:12]}: still running after {timeout_s:g} s",
            dialogue.result(UNKNOWN_EXIT_CODE),
        )

    with closing(dialogue):
        dialogue.run(timeout_s, give_up)
    pause_s = _FIRST_PAUSE_S
    # A program may close its output long before it ends, and the API has no call that waits for an exec.
    while (state := engine.execs.inspect(exec_id)).get("Running"):
        if deadline is not None and monotonic() > deadline:
            give_up()
        sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return dialogue.result(int(state.get("ExitCode") or 0))
