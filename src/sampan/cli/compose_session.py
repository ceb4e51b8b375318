# SPDX-License-Identifier: Apache-2.0
"""What compose's commands share when they have effects: the project's work, a display, and flags of ours."""

from __future__ import annotations

from contextlib import contextmanager

from sampan.cli.compose import load_project, make_invocation, make_load_options
from sampan.cli.compose_display import Display, open_display
from sampan.cli.flags import switch
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.build_plan import BuildSettings
    from sampan.compose.observed import ObservedContainer
    from sampan.compose.project import Project
    from sampan.compose.running.project_work import ProjectWork

REMOVES = "`sampan compose down` removes what there is"
HOST_CA = switch("host-ca", "Trust the host's certificate authorities while images are built")


def open_work(context: Context, options: Options, project: Project, display: Display) -> ProjectWork:
    """The project at the engine, with what the flags say of how."""
    from sampan.compose.running.project_work import ProjectWork

    return ProjectWork(
        context.engine,
        project,
        display,
        environ=context.environ,
        at_once=parallelism(context),
        dry_run=is_dry_run(context, options),
    )


@contextmanager
def limited(work: ProjectWork, timeout_s: int) -> Iterator[None]:
    """End the block's work after so many seconds (0: never), and say so."""
    from threading import Timer

    from sampan.errors import Cancelled

    timer = Timer(timeout_s, work.interruption.interrupt)
    timer.daemon = True
    if timeout_s > 0:
        timer.start()
    try:
        yield
    except Cancelled as error:
        raise Cancelled(f"application not healthy after {timeout_s}s") from error
    finally:
        timer.cancel()


def tell_left(work: ProjectWork) -> str:
    """What a failure leaves, and what to do about it; nothing where nothing has begun."""
    if not work.has_changed:
        return ""
    from sampan.compose.running.scene import observe_containers

    try:
        found = observe_containers(work.engine, work.project.name)
    except SampanError:
        return f"the engine does not say what is left: {REMOVES}"
    if not found:
        return "no container has been made"
    return f"left: {', '.join(f'{each.name} ({each.state})' for each in found)}; {REMOVES}"


def add_hint(error: SampanError, hint: str) -> None:
    """Behind the one that it has."""
    if hint:
        error.hint = f"{error.hint}; {hint}" if error.hint else hint


def is_dry_run(context: Context, options: Options) -> bool:
    """Whether only to tell what would be done."""
    own = options.declares("dry-run") and options.switch("dry-run")
    return own or context.compose.switch("dry-run")


def parallelism(context: Context) -> int:
    """``--parallel`` or COMPOSE_PARALLEL_LIMIT; 0 where neither limits it."""
    given = context.compose.number("parallel")
    if not context.compose.given("parallel"):
        text = context.environ.get("COMPOSE_PARALLEL_LIMIT", "")
        given = int(text) if text.lstrip("-").isdecimal() else -1
    return max(given, 0)


def building(context: Context, options: Options) -> BuildSettings:
    """How images are built: SAMPAN_HOST_CA is for people who always sit behind such a proxy."""
    from sampan.compose.build_plan import BuildSettings

    host_ca = True if context.environ.get("SAMPAN_HOST_CA") == "1" else None
    if options.given("host-ca"):
        host_ca = options.switch("host-ca")
    quiet = options.declares("quiet-build") and options.switch("quiet-build")
    return BuildSettings(host_ca=host_ca, quiet=quiet)


def load_or_infer(context: Context, services: Sequence[str] = ()) -> Project:
    """The project of the files; where there are none, the one that the named project's containers tell of."""
    from sampan.compose.errors import NoComposeFileError

    try:
        return load_project(context, services)
    except NoComposeFileError:
        name = context.compose.text("project-name") or context.environ.get("COMPOSE_PROJECT_NAME", "")
        if not name:
            raise
    from sampan.compose.observed import infer_project
    from sampan.compose.running.scene import observe

    return infer_project(name, observe(context.engine, name))


def project_name(context: Context) -> str:
    """The project's name, without reading more than is needed for it."""
    from sampan.compose.loading import load_tree

    name = context.compose.text("project-name") or context.environ.get("COMPOSE_PROJECT_NAME", "")
    if name:
        return name
    found, _ = load_tree(make_invocation(context), make_load_options(context))
    return found.name


def containers_of(
    context: Context, services: Sequence[str] = (), *, one_off: bool = False
) -> list[ObservedContainer]:
    """The project's containers; a service that the project does not have is an error."""
    from sampan.compose.errors import ComposeError
    from sampan.compose.running.scene import observe_containers

    project = load_or_infer(context)
    for service in services:
        if service not in project.all_services:
            raise ComposeError(f"no such service: {service}")
    return observe_containers(context.engine, project.name, services=list(services), one_off=one_off)


def open_progress(context: Context, *, quiet: bool = False, live: bool = True) -> Display:
    """The display of a command with effects; what goes on for hours, or beside logs, is not `live`."""
    return open_display(context, quiet=quiet, live=live)
