# SPDX-License-Identifier: Apache-2.0
"""``sampan create``: make a container without starting it."""

from __future__ import annotations

from sampan.cli.command import Command, Exit, at_least
from sampan.cli.creation import create_container
from sampan.cli.flags import FlagError
from sampan.cli.run_flags import CREATE_FLAGS
from sampan.cli.run_options import plan_container
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options

_BAD_OPTIONS = 125


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Create it and print its id."""
    try:
        request = plan_container(options, arguments[0], arguments[1:], context.environ)
    except FlagError:
        raise
    except InvalidArgument as error:
        raise Exit(_BAD_OPTIONS, error.message, hint=error.hint) from error
    container = create_container(
        context,
        request,
        pull=options.text("pull"),
        cidfile=options.text("cidfile"),
        quiet=options.switch("quiet"),
    )
    context.out.line(container)
    return 0


COMMAND = Command(
    "container create",
    "create",
    run=run,
    summary="Create a new container",
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    flags=CREATE_FLAGS,
    arity=at_least(1),
    interspersed=False,
)
