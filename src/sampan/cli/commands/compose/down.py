# SPDX-License-Identifier: Apache-2.0
"""``sampan compose down``: stop and remove what `up` has made."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import load_or_infer, open_progress, open_work
from sampan.cli.flags import number, switch, text
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Dependents first; volumes and images only when asked for."""
    from sampan.compose.down_plan import DownOptions

    images = options.text("rmi")
    if images not in ("", "all", "local"):
        raise InvalidArgument(f'invalid value for --rmi: "{images}": use "all" or "local"')
    project = load_or_infer(context)
    for name in arguments:
        if name not in project.all_services:
            raise InvalidArgument(f"no such service: {name}")
    wanted = DownOptions(
        targets=frozenset(arguments),
        volumes=options.switch("volumes"),
        images=images,
        remove_orphans=options.switch("remove-orphans")
        or context.environ.get("COMPOSE_REMOVE_ORPHANS", "") in ("1", "true"),
    )
    timeout_s = options.number("timeout") if options.given("timeout") else None
    with open_progress(context) as display:
        work = open_work(context, options, project, display)
        plan = work.down(wanted, stop_timeout_s=timeout_s)
    if not plan.steps:
        context.out.warn(f"No resource found to remove for project {project.name!r}.".replace("'", '"'))
    return 0


COMMAND = Command(
    "compose down",
    run=run,
    summary="Stop and remove containers, networks",
    usage="[OPTIONS] [SERVICES]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("remove-orphans", "Remove containers for services not defined in the Compose file"),
        text(
            "rmi",
            'Remove images used by services. "local" remove only images that don\'t have a custom tag '
            '("local"|"all")',
        ),
        number("timeout", "Specify a shutdown timeout in seconds", short="t"),
        switch(
            "volumes",
            'Remove named volumes declared in the "volumes" section of the Compose file and anonymous volumes '
            "attached to containers",
            short="v",
        ),
    ),
)
