# SPDX-License-Identifier: Apache-2.0
"""``sampan attach``: join the streams of a container that runs."""

from __future__ import annotations

from sampan.cli.attached import Attachment, check_terminal, read_exit_status
from sampan.cli.command import Command, Exit, exactly
from sampan.cli.flags import switch, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Stream until it ends or the user detaches."""
    found = context.engine.containers.inspect(arguments[0])
    check_running(found["State"])
    config = found["Config"]
    wants_stdin = bool(config.get("OpenStdin")) and not options.switch("no-stdin")
    attachment = Attachment(
        found["Id"],
        streams={"stdout", "stderr"} | ({"stdin"} if wants_stdin else set()),
        tty=bool(config.get("Tty")),
        detach_keys=options.text("detach-keys"),
        proxy=options.switch("sig-proxy") and not config.get("Tty"),
    )
    check_terminal(wants_stdin=wants_stdin, tty=attachment.tty)
    waiting = context.engine.containers.wait(attachment.container)
    connection = attachment.open(context)
    if attachment.run(context, connection, lambda: _redraw(context, attachment)):
        waiting.close()
        context.out.note("read escape sequence")
        return 0
    return read_exit_status(context, attachment.container, waiting)


def check_running(state: Json) -> None:
    """Refuse what has no streams to join."""
    if state.get("Paused"):
        raise Exit(1, "cannot attach to a paused container, unpause it first")
    if state.get("Restarting"):
        raise Exit(1, "cannot attach to a restarting container, wait until it is running")
    if not state.get("Running"):
        raise Exit(1, "cannot attach to a stopped container, start it first")


def _redraw(context: Context, attachment: Attachment) -> None:
    """Make a full-screen program draw itself again: it does when its size changes, so it changes twice."""
    if attachment.tty:
        attachment.resize(context, by=1)


COMMAND = Command(
    "container attach",
    "attach",
    run=run,
    summary="Attach local standard input, output, and error streams to a running container",
    usage="[OPTIONS] CONTAINER",
    flags=(
        text("detach-keys", "Override the key sequence for detaching a container"),
        switch("no-stdin", "Do not attach STDIN"),
        switch("sig-proxy", "Proxy all received signals to the process", default=True),
    ),
    arity=exactly(1),
)
