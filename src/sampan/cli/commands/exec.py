# SPDX-License-Identifier: Apache-2.0
"""``sampan exec``: one more process in a container that runs."""

from __future__ import annotations

from _signal import SIGWINCH  # type: ignore[import-not-found] # `signal` itself loads enum

from sampan.cli.attached import check_terminal, tell
from sampan.cli.command import Command, Exit, at_least
from sampan.cli.detach_keys import DEFAULT_KEYS, parse_keys
from sampan.cli.env import read_environment
from sampan.cli.flags import several, switch, text
from sampan.cli.stream import Session
from sampan.cli.terminal import STDIN, RawMode, SignalPipe, terminal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.http import Hijacked
    from sampan.client.jsontext import Json


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Prepare it, start it, stay with it; the exit status is the program's."""
    interactive, tty = options.switch("interactive"), options.switch("tty")
    detach = options.switch("detach")
    if not detach:
        check_terminal(wants_stdin=interactive, tty=tty)
    body = plan_exec(context, options, arguments[1:], attach=not detach)
    exec_id = context.engine.containers.exec(arguments[0], body)
    if not exec_id:
        raise Exit(1, "exec ID empty")
    if detach:
        context.engine.execs.start_detached(exec_id, tty=tty)
        return 0
    rows, columns = terminal_size() or (0, 0)
    connection = context.engine.execs.start(exec_id, tty=tty, rows=rows if tty else 0, columns=columns)
    keys = options.text("detach-keys") or DEFAULT_KEYS
    if _stream(context, connection, exec_id, interactive=interactive, tty=tty, keys=keys):
        context.out.note("read escape sequence")
        return 0
    return int(context.engine.execs.inspect(exec_id).get("ExitCode") or 0)


def plan_exec(context: Context, options: Options, words: list[str], *, attach: bool) -> Json:
    """The body of ``POST /containers/{id}/exec``."""
    body: Json = {
        "AttachStdin": attach and options.switch("interactive"),
        "AttachStdout": attach,
        "AttachStderr": attach,
        "Tty": options.switch("tty"),
        "Privileged": options.switch("privileged"),
        "User": options.text("user"),
        "WorkingDir": options.text("workdir"),
        "DetachKeys": options.text("detach-keys"),
        "Env": read_environment(options.several("env-file"), options.several("env"), context.environ),
        "Cmd": words,
    }
    size = terminal_size()
    if body["Tty"] and size is not None:
        body["ConsoleSize"] = list(size)
    return body


def _stream(
    context: Context, connection: Hijacked, exec_id: str, *, interactive: bool, tty: bool, keys: str
) -> bool:
    """Copy to the end; True when the user detached. Signals are not passed on: docker does not either."""
    with SignalPipe((SIGWINCH,)) as pipe:
        session = Session(
            connection,
            multiplexed=not tty,
            stdin=STDIN if interactive else None,
            keys=parse_keys(keys) if tty and interactive else b"",
            signals=pipe,
            on_signal=lambda _number: _resize(context, exec_id, tty=tty),
        )
        if not (tty and interactive):
            return session.run()
        with RawMode():
            return session.run()


def _resize(context: Context, exec_id: str, *, tty: bool) -> None:
    size = terminal_size()
    if size is None or not tty:
        return
    rows, columns = size
    tell(lambda: context.engine.execs.resize(exec_id, rows=rows, columns=columns))


COMMAND = Command(
    "container exec",
    "exec",
    run=run,
    summary="Execute a command in a running container",
    usage="[OPTIONS] CONTAINER COMMAND [ARG...]",
    flags=(
        switch("detach", "Detached mode: run command in the background", short="d"),
        text("detach-keys", "Override the key sequence for detaching a container"),
        several("env", "Set environment variables", short="e"),
        several("env-file", "Read in a file of environment variables"),
        switch("interactive", "Keep STDIN open even if not attached", short="i"),
        switch("privileged", "Give extended privileges to the command"),
        switch("tty", "Allocate a pseudo-TTY", short="t"),
        text("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', short="u"),
        text("workdir", "Working directory inside the container", short="w"),
    ),
    arity=at_least(2),
    interspersed=False,
)
