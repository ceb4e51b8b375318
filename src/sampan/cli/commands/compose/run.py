# SPDX-License-Identifier: Apache-2.0
"""``sampan compose run``: one more container of a service, for one command."""

from __future__ import annotations

import os

from sampan.cli.attached import Attachment, start_attached, start_failure_status
from sampan.cli.command import Command, Exit, UsageError, at_least
from sampan.cli.compose import load_project
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import HOST_CA, building, is_dry_run, open_progress, open_work
from sampan.cli.env import read_environment, read_labels
from sampan.cli.flags import several, switch, text
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.model import Service
    from sampan.compose.one_off import Overrides
    from sampan.compose.project import Project
    from sampan.compose.running.project_work import ProjectWork, UpSettings

_STDIN = 0
_SLUG_BYTES = 6


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Start what the service needs, then the command; its status is ours."""
    if options.switch("service-ports") and options.several("publish"):
        raise UsageError("--service-ports and --publish are incompatible")
    name, *words = arguments
    project = load_project(context, [name])
    service = project.service(name)
    tty = not options.switch("detach") and _wants_tty(options)
    container, auto_remove = _make(
        context, options, project, service, _overrides(context, options, words, tty)
    )
    if not container:
        return 0
    if options.switch("detach"):
        context.engine.containers.start(container)
        context.out.line(container)
        return 0
    streams = {"stdout", "stderr"} | ({"stdin"} if options.switch("interactive") else set())
    attachment = Attachment(container, streams=streams, tty=tty, proxy=not tty)
    try:
        return start_attached(context, attachment, removes_itself=auto_remove)
    except SampanError as error:
        raise Exit(start_failure_status(error.message), error.message, hint=error.hint) from error


def _wants_tty(options: Options) -> bool:
    return not options.switch("no-tty") and os.isatty(_STDIN)


def _make(
    context: Context, options: Options, project: Project, service: Service, given: Overrides
) -> tuple[str, bool]:
    """Its needs running, its image there, itself made; empty for a dry run."""
    from sampan.compose.one_off import override_service
    from sampan.compose.plan import UpOptions

    settings = _settings(context, options)
    with open_progress(context, quiet=options.switch("quiet")) as display:
        work = open_work(context, options, project, display)
        if not options.switch("no-deps"):
            needs = [name for name in project.services if name != service.name]
            if needs:
                rest = project.with_selected(needs, dependencies=False)
                below = open_work(context, options, rest, display)
                below.up(
                    UpOptions(
                        recreate="never",
                        recreate_dependencies="never",
                        remove_orphans=options.switch("remove-orphans"),
                        ignore_orphans=True,
                    ),
                    settings,
                )
                _wait_for_needs(work, service, below)
        work.images_only([service.name], settings)
        if is_dry_run(context, options):
            words = " ".join(given.command or ()) or "its own command"
            display.notice(f"DRY-RUN MODE - run {words} in a container of {service.name}")
            return "", False
        changed = override_service(service, given, cwd=os.getcwd())
        container = work.make_one_off(
            service,
            changed,
            slug=os.urandom(_SLUG_BYTES).hex(),
            auto_remove=options.switch("rm"),
            use_aliases=options.switch("use-aliases"),
        )
    return container, options.switch("rm")


def _wait_for_needs(work: ProjectWork, service: Service, below: ProjectWork) -> None:
    """As ``depends_on`` of the service says."""
    from sampan.compose.running.scene import observe_containers
    from sampan.compose.running.waiting import wait_for_container

    for name, need in service.depends_on.items():
        if need.condition in ("", "service_started"):
            continue
        for each in observe_containers(work.engine, work.project.name, services=[name]):
            wait_for_container(
                work.engine, each.id, need.condition, report=below.report, interruption=below.interruption
            )


def _settings(context: Context, options: Options) -> UpSettings:
    from sampan.compose.running.project_work import UpSettings

    pull = options.text("pull")
    return UpSettings(
        pull="" if pull == "policy" else pull,
        build=options.switch("build"),
        quiet_pull=options.switch("quiet-pull"),
        building=building(context, options),
    )


def _overrides(context: Context, options: Options, words: list[str], tty: bool) -> Overrides:
    from sampan.compose.one_off import Overrides
    from sampan.compose.shellwords import split_words

    environment: dict[str, str | None] = {}
    for line in read_environment(options.several("env-from-file"), options.several("env"), context.environ):
        key, equals, value = line.partition("=")
        environment[key] = value if equals else None
    return Overrides(
        command=tuple(words),
        entrypoint=tuple(split_words(options.text("entrypoint"))) if options.given("entrypoint") else None,
        environment=environment,
        labels=read_labels((), options.several("label")),
        user=options.text("user"),
        working_dir=options.text("workdir"),
        volumes=tuple(options.several("volume")),
        publish=tuple(options.several("publish")),
        service_ports=options.switch("service-ports"),
        cap_add=tuple(options.several("cap-add")),
        cap_drop=tuple(options.several("cap-drop")),
        tty=tty,
        interactive=options.switch("interactive") and not options.switch("detach"),
        name=options.text("name"),
    )


COMMAND = Command(
    "compose run",
    run=run,
    summary="Run a one-off command on a service",
    usage="[OPTIONS] SERVICE [COMMAND] [ARGS...]",
    arity=at_least(1),
    interspersed=False,
    flags=(
        switch("build", "Build image before starting container"),
        several("cap-add", "Add Linux capabilities"),
        several("cap-drop", "Drop Linux capabilities"),
        switch("detach", "Run container in background and print container ID", short="d"),
        DRY_RUN,
        text("entrypoint", "Override the entrypoint of the image"),
        several("env", "Set environment variables", short="e", shows="stringArray"),
        several("env-from-file", "Set environment variables from file", shows="stringArray"),
        HOST_CA,
        switch("interactive", "Keep STDIN open even if not attached", short="i", default=True),
        several("label", "Add or override a label", short="l", shows="stringArray"),
        text("name", "Assign a name to the container"),
        switch("no-deps", "Don't start linked services"),
        switch("no-tty", "Disable pseudo-TTY allocation (default: auto-detected)", short="T"),
        several("publish", "Publish a container's port(s) to the host", short="p", shows="stringArray"),
        text("pull", 'Pull image before running ("always"|"missing"|"never")', default="policy"),
        switch("quiet", "Don't print anything to STDOUT", short="q"),
        switch("quiet-build", "Suppress progress output from the build process"),
        switch("quiet-pull", "Pull without printing progress information"),
        switch("remove-orphans", "Remove containers for services not defined in the Compose file"),
        switch("rm", "Automatically remove the container when it exits"),
        switch(
            "service-ports",
            "Run command with all service's ports enabled and mapped to the host",
            short="P",
        ),
        switch("tty", "", short="t", default=True, hidden=True),
        switch(
            "use-aliases", "Use the service's network useAliases in the network(s) the container connects to"
        ),
        text("user", "Run as specified username or uid", short="u"),
        several("volume", "Bind mount a volume", short="v", shows="stringArray"),
        text("workdir", "Working directory inside the container", short="w"),
    ),
)
