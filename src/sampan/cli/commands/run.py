# SPDX-License-Identifier: Apache-2.0
"""``sampan run``: create a container, start it and stay with it."""

from __future__ import annotations

from sampan.cli.attached import (
    EX_ENGINE,
    Attachment,
    check_terminal,
    remove_quietly,
    start_attached,
    start_failure_status,
)
from sampan.cli.command import Command, Exit, at_least
from sampan.cli.creation import create_container
from sampan.cli.run_flags import RUN_FLAGS
from sampan.cli.run_options import plan_container
from sampan.cli.terminal import terminal_size
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.cli.run_options import ContainerRequest


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Create, attach, start, stream; the exit status is the program's."""
    detach = options.switch("detach")
    if detach and options.several("attach"):
        raise Exit(EX_ENGINE, "conflicting options: cannot specify both --attach and --detach")
    request = plan_container(options, arguments[0], arguments[1:], context.environ)
    if not detach:
        check_terminal(wants_stdin="stdin" in request.streams, tty=request.tty)
    if request.tty:
        _add_console_size(request)
    container = create_container(
        context,
        request,
        pull=options.text("pull"),
        cidfile=options.text("cidfile"),
        quiet=options.switch("quiet"),
    )
    if detach or not request.streams:
        return _start_detached(context, container, removes_itself=request.auto_remove)
    attachment = Attachment(
        container,
        streams=request.streams,
        tty=request.tty,
        detach_keys=options.text("detach-keys"),
        proxy=options.switch("sig-proxy"),
    )
    try:
        return start_attached(context, attachment, removes_itself=request.auto_remove)
    except SampanError as error:
        raise Exit(start_failure_status(error.message), error.message, hint=error.hint) from error


def _add_console_size(request: ContainerRequest) -> None:
    """The terminal inside has our size from its first moment."""
    size = terminal_size()
    host = request.document["HostConfig"]
    if size is not None and isinstance(host, dict):
        host["ConsoleSize"] = list(size)


def _start_detached(context: Context, container: str, *, removes_itself: bool) -> int:
    try:
        context.engine.containers.start(container)
    except SampanError as error:
        context.out.line(container)
        if removes_itself:
            remove_quietly(context, container)
        raise Exit(start_failure_status(error.message), error.message, hint=error.hint) from error
    context.out.line(container)
    return 0


COMMAND = Command(
    "container run",
    "run",
    run=run,
    summary="Create and run a new container from an image",
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=RUN_FLAGS,
    arity=at_least(1),
    interspersed=False,
    failure=EX_ENGINE,
)
