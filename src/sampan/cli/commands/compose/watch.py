# SPDX-License-Identifier: Apache-2.0
"""``sampan compose watch``: keep running containers up to date with the source."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.commands.compose.up import bring_up
from sampan.cli.compose import load_project
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import HOST_CA, building, is_dry_run, open_progress, open_work
from sampan.cli.compose_watch import make_rules, make_watcher, watch
from sampan.cli.flags import switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Bring the services up, then react to changes until Ctrl-C."""
    from sampan.compose.plan import UpOptions
    from sampan.compose.running.project_work import UpSettings

    project = load_project(context, arguments)
    rules = make_rules(project.with_selected(arguments, dependencies=False), context.out.note)
    settings = building(context, options)
    if not options.switch("no-up"):
        with open_progress(context, quiet=options.switch("quiet")) as display:
            work = open_work(context, options, project, display)
            bring_up(work, UpOptions(), UpSettings(build=True, building=settings))
    if is_dry_run(context, options):
        return 0
    with open_progress(context, quiet=options.switch("quiet"), live=False) as display:
        watcher = make_watcher(context, options, project, rules, display, settings)
        watch(watcher, rules, lambda: context.out.note("Watch enabled"))
    return 0


COMMAND = Command(
    "compose watch",
    run=run,
    summary="Watch build context for service and rebuild/refresh containers when files are updated",
    usage="[SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        HOST_CA,
        switch("no-up", "Do not build & start services before watching"),
        switch("prune", "Prune dangling images on rebuild", default=True),
        switch("quiet", "hide build output"),
    ),
)
