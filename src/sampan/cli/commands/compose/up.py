# SPDX-License-Identifier: Apache-2.0
"""``sampan compose up``: create and start containers, and stay with them unless told not to."""

from __future__ import annotations

from sampan.cli.command import ANY, Command, Exit, UsageError
from sampan.cli.compose import load_project
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import (
    HOST_CA,
    add_hint,
    building,
    is_dry_run,
    limited,
    open_progress,
    open_work,
    tell_left,
)
from sampan.cli.flags import number, several, switch, text
from sampan.errors import InvalidArgument, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.plan import UpOptions
    from sampan.compose.project import Project
    from sampan.compose.running.project_work import ProjectWork, UpSettings

INTERRUPTED = 130
_ABORTS = ("abort-on-container-exit", "abort-on-container-failure")


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Bring it up; the exit status is 0, or what --exit-code-from and Ctrl-C make of it."""
    check_flags(options)
    project = scaled(select(context, options, arguments), options.several("scale"))
    if not project.services:
        raise InvalidArgument("no service selected")
    wanted, settings = plan_options(context, options, arguments), up_settings(context, options)
    stays = not (options.switch("detach") or options.switch("wait") or options.switch("no-start"))
    if stays and not is_dry_run(context, options):
        from sampan.cli.compose_attached import stay

        return stay(context, options, project, wanted, settings)
    with open_progress(context) as display:
        work = open_work(context, options, project, display)
        bring_up(work, wanted, settings, timeout_s=options.number("wait-timeout"))
    return 0


def bring_up(work: ProjectWork, wanted: UpOptions, settings: UpSettings, *, timeout_s: int = 0) -> None:
    """As `ProjectWork.up`; who is interrupted, and an error, which a time limit is one of, say what is left."""
    try:
        with limited(work, timeout_s):
            work.up(wanted, settings)
    except KeyboardInterrupt:
        raise Exit(INTERRUPTED, "interrupted", hint=tell_left(work)) from None
    except SampanError as error:
        add_hint(error, tell_left(work))
        raise


def select(context: Context, options: Options, arguments: list[str]) -> Project:
    """The project, narrowed to the named services and, unless told otherwise, what they need."""
    if not options.switch("no-deps") or not arguments:
        return load_project(context, arguments)
    project = load_project(context).with_enabled(arguments)
    return project.with_selected(arguments, dependencies=False).with_needed_resources()


def scaled(project: Project, words: list[str]) -> Project:
    """The project with ``--scale SERVICE=NUMBER`` put in."""
    for word in words:
        name, equals, replicas = word.partition("=")
        if not equals or not replicas.isdecimal():
            raise InvalidArgument(f"invalid --scale option {word!r}: should be SERVICE=NUM".replace("'", '"'))
        project = project.with_scale(name, int(replicas))
    if words:
        from sampan.compose.consistency import check_container_names

        check_container_names(project)
    return project


def plan_options(context: Context, options: Options, arguments: list[str]) -> UpOptions:
    """What the flags say of the plan."""
    from sampan.compose.plan import UpOptions

    recreate = "diverged"
    if options.switch("force-recreate"):
        recreate = "force"
    elif options.switch("no-recreate"):
        recreate = "never"
    dependencies = "never" if options.switch("no-recreate") else "diverged"
    if options.switch("always-recreate-deps"):
        dependencies = "force"
    environ = context.environ
    return UpOptions(
        recreate=recreate,
        recreate_dependencies=dependencies,
        targets=frozenset(arguments),
        remove_orphans=options.switch("remove-orphans")
        or environ.get("COMPOSE_REMOVE_ORPHANS", "") in ("1", "true"),
        ignore_orphans=environ.get("COMPOSE_IGNORE_ORPHANS", "") in ("1", "true"),
        recreate_volumes=options.switch("yes"),
        start=not options.switch("no-start"),
        wait=options.switch("wait"),
    )


def up_settings(context: Context, options: Options) -> UpSettings:
    """What the flags say of the rest."""
    from sampan.compose.running.project_work import UpSettings

    pull = options.text("pull")
    if pull not in ("policy", "always", "missing", "never", "build"):
        raise InvalidArgument(f'invalid --pull option "{pull}"')
    return UpSettings(
        pull="" if pull == "policy" else pull,
        build=options.switch("build"),
        no_build=options.switch("no-build"),
        quiet_pull=options.switch("quiet-pull"),
        stop_timeout_s=options.number("timeout") if options.given("timeout") else None,
        renew_anonymous_volumes=options.switch("renew-anon-volumes"),
        building=building(context, options),
    )


def check_flags(options: Options) -> None:
    """Refuse what contradicts itself, in docker compose's words."""
    aborts = [name for name in _ABORTS if options.switch(name)]
    leaves = options.switch("detach") or options.switch("wait")
    if leaves and (aborts or options.several("attach") or options.switch("attach-dependencies")):
        words = "--abort-on-container-exit, --abort-on-container-failure, --attach or --attach-dependencies"
        raise UsageError(f"--detach cannot be combined with {words}")
    if leaves and options.switch("watch"):
        raise UsageError("--detach and --watch cannot be combined")
    for one, other in (
        ("force-recreate", "no-recreate"),
        ("always-recreate-deps", "no-recreate"),
        ("renew-anon-volumes", "no-recreate"),
        ("build", "no-build"),
        (*_ABORTS,),
    ):
        if options.switch(one) and options.switch(other):
            raise UsageError(f"--{one} and --{other} are incompatible")


COMMAND = Command(
    "compose up",
    run=run,
    summary="Create and start containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        switch(
            "abort-on-container-exit",
            "Stops all containers if any container was stopped. Incompatible with -d",
        ),
        switch(
            "abort-on-container-failure",
            "Stops all containers if any container exited with failure. Incompatible with -d",
        ),
        switch("always-recreate-deps", "Recreate dependent containers. Incompatible with --no-recreate."),
        several(
            "attach",
            "Restrict attaching to the specified services. Incompatible with --attach-dependencies.",
            shows="stringArray",
        ),
        switch("attach-dependencies", "Automatically attach to log output of dependent services"),
        switch("build", "Build images before starting containers"),
        switch("detach", "Detached mode: Run containers in the background", short="d"),
        DRY_RUN,
        text(
            "exit-code-from",
            "Return the exit code of the selected service container. Implies --abort-on-container-exit",
        ),
        switch("force-recreate", "Recreate containers even if their configuration and image haven't changed"),
        HOST_CA,
        switch("menu", "Enable interactive shortcuts when running attached; accepted, there are none"),
        several("no-attach", "Do not attach (stream logs) to the specified services", shows="stringArray"),
        switch("no-build", "Don't build an image, even if it's policy"),
        switch("no-color", "Produce monochrome output"),
        switch("no-deps", "Don't start linked services"),
        switch("no-log-prefix", "Don't print prefix in logs"),
        switch(
            "no-recreate",
            "If containers already exist, don't recreate them. Incompatible with --force-recreate.",
        ),
        switch("no-start", "Don't start the services after creating them"),
        text("pull", 'Pull image before running ("always"|"missing"|"never")', default="policy"),
        switch("quiet-build", "Suppress the build output"),
        switch("quiet-pull", "Pull without printing progress information"),
        switch("remove-orphans", "Remove containers for services not defined in the Compose file"),
        switch(
            "renew-anon-volumes",
            "Recreate anonymous volumes instead of retrieving data from the previous containers",
            short="V",
        ),
        several(
            "scale",
            'Scale SERVICE to NUM instances. Overrides the "scale" setting in the Compose file if present.',
            shows="stringArray",
        ),
        number(
            "timeout",
            "Use this timeout in seconds for container shutdown when attached or when containers are already "
            "running",
            short="t",
        ),
        switch("timestamps", "Show timestamps"),
        switch("wait", "Wait for services to be running|healthy. Implies detached mode."),
        number("wait-timeout", "Maximum duration in seconds to wait for the project to be running|healthy"),
        switch(
            "watch", "Watch source code and rebuild/refresh containers when files are updated.", short="w"
        ),
        switch("yes", 'Assume "yes" as answer to all prompts and run non-interactively', short="y"),
    ),
)
