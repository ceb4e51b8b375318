# SPDX-License-Identifier: Apache-2.0
"""``sampan compose start|stop|restart|kill|pause|unpause|rm|wait``: containers that are there already."""

from __future__ import annotations

from sampan.cli.command import ANY, Command, Exit, at_least
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import (
    containers_of,
    is_dry_run,
    limited,
    load_or_infer,
    open_progress,
    open_work,
    parallelism,
)
from sampan.cli.confirm import confirm
from sampan.cli.flags import number, switch, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.observed import ObservedContainer

    Action = Callable[[ObservedContainer], None]

_RUNNING = ("running", "paused", "restarting")


def _each(
    context: Context,
    options: Options,
    containers: Sequence[ObservedContainer],
    action: Action,
    working: str,
    done: str,
) -> None:
    from sampan.compose.running.each import do_each

    with open_progress(context) as display:
        if is_dry_run(context, options):
            for each in containers:
                display.notice(f"DRY-RUN MODE - {working.lower()} container {each.name}")
            return
        do_each(containers, action, display, working=working, done=done, at_once=parallelism(context))


def _timeout(options: Options) -> int | None:
    return options.number("timeout") if options.given("timeout") else None


def stop(context: Context, options: Options, arguments: list[str]) -> int:
    """Dependents first."""
    _stop(context, options, arguments, _timeout(options))
    return 0


def _stop(context: Context, options: Options, services: list[str], timeout_s: int | None) -> None:
    project = load_or_infer(context)
    containers_of(context, services)
    with open_progress(context) as display:
        work = open_work(context, options, project, display)
        work.stop(frozenset(services), stop_timeout_s=timeout_s)


def start(context: Context, options: Options, arguments: list[str]) -> int:
    """In the order of depends_on; containers that are missing are not made."""
    from sampan.compose.plan import UpOptions

    found = containers_of(context)
    project = load_or_infer(context, arguments)
    present = {each.service for each in found}
    missing = [name for name in project.services if name not in present and (name in arguments or not found)]
    if missing:
        raise Exit(1, f'service "{missing[0]}" has no container to start')
    project = project.with_selected(sorted(present.intersection(project.services)), dependencies=False)
    for name in project.services:
        project = project.with_scale(name, sum(each.service == name for each in found))
    wanted = UpOptions(
        recreate="never", recreate_dependencies="never", ignore_orphans=True, wait=options.switch("wait")
    )
    with open_progress(context) as display:
        work = open_work(context, options, project, display)
        with limited(work, options.number("wait-timeout")):
            work.start(wanted)
    return 0


def restart(context: Context, options: Options, arguments: list[str]) -> int:
    """In the order of depends_on; those that say so (``depends_on: {db: {restart: true}}``) go along."""
    from sampan.compose.restart_plan import restarted_services

    project = load_or_infer(context)
    services = list(arguments)
    if services and not options.switch("no-deps"):
        services = restarted_services(project, services)
    containers_of(context, services)
    with open_progress(context) as display:
        work = open_work(context, options, project, display)
        work.restart(frozenset(services), stop_timeout_s=_timeout(options))
    return 0


def kill(context: Context, options: Options, arguments: list[str]) -> int:
    """Send a signal to those that run; with --remove-orphans those of services that are gone, too."""
    engine, signal = context.engine, options.text("signal")
    found = [each for each in containers_of(context, arguments) if each.state in _RUNNING]
    if not options.switch("remove-orphans"):
        known = load_or_infer(context).all_services
        found = [each for each in found if each.service in known]
    if not found:
        context.out.note("no container to kill")
        return 0
    _each(
        context,
        options,
        found,
        lambda each: engine.containers.kill(each.id, signal=signal),
        "Killing",
        "Killed",
    )
    return 0


def pause(context: Context, options: Options, arguments: list[str]) -> int:
    """Freeze those that run."""
    engine = context.engine
    found = [each for each in containers_of(context, arguments) if each.state == "running"]
    _each(context, options, found, lambda each: engine.containers.pause(each.id), "Pausing", "Paused")
    return 0


def unpause(context: Context, options: Options, arguments: list[str]) -> int:
    """Let frozen ones go on."""
    engine = context.engine
    found = [each for each in containers_of(context, arguments) if each.state == "paused"]
    _each(context, options, found, lambda each: engine.containers.unpause(each.id), "Unpausing", "Unpaused")
    return 0


def rm(context: Context, options: Options, arguments: list[str]) -> int:
    """Remove those that have stopped, or, with --stop, all; asks first."""
    if options.switch("stop") and not is_dry_run(context, options):
        _stop(context, options, arguments, None)
    found = [each for each in containers_of(context, arguments, one_off=True) if each.state not in _RUNNING]
    if not found:
        context.out.note("No stopped containers")
        return 0
    names = ", ".join(each.name for each in found)
    forced = options.switch("force") or is_dry_run(context, options)
    if not forced and not confirm(context.out, f"Going to remove {names}"):
        return 0
    engine, volumes = context.engine, options.switch("volumes")
    _each(
        context,
        options,
        found,
        lambda each: engine.containers.remove(each.id, force=True, volumes=volumes),
        "Removing",
        "Removed",
    )
    return 0


def wait(context: Context, options: Options, arguments: list[str]) -> int:
    """Until the first of them ends; its status is ours."""
    from queue import SimpleQueue
    from threading import Thread

    found = [each for each in containers_of(context, arguments) if each.state in _RUNNING]
    if not found:
        raise Exit(1, f"no containers for project {load_or_infer(context).name!r}".replace("'", '"'))
    if is_dry_run(context, options):
        for each in found:
            context.out.note(f"DRY-RUN MODE - wait for container {each.name}")
        return 0
    ends: SimpleQueue[tuple[str, int]] = SimpleQueue()

    def watch(each: ObservedContainer) -> None:
        ends.put((each.name, int(context.engine.containers.wait(each.id).json()["StatusCode"])))

    for each in found:
        Thread(target=watch, args=(each,), daemon=True).start()
    status = 0
    for _ in range(1 if options.switch("down-project") else len(found)):
        name, status = ends.get()
        context.out.line(f'container "{name}" exited with status code {status}')
        context.out.flush()
        if status:
            break
    if options.switch("down-project"):
        from sampan.compose.down_plan import DownOptions

        with open_progress(context) as display:
            open_work(context, options, load_or_infer(context), display).down(
                DownOptions(remove_orphans=True)
            )
    return status


_TIMEOUT = number("timeout", "Specify a shutdown timeout in seconds", short="t")

START = Command(
    "compose start",
    run=start,
    summary="Start services",
    usage="[SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("wait", "Wait for services to be running|healthy. Implies detached mode."),
        number("wait-timeout", "Maximum duration in seconds to wait for the project to be running|healthy"),
    ),
)
STOP = Command(
    "compose stop",
    run=stop,
    summary="Stop services",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(DRY_RUN, _TIMEOUT),
)
RESTART = Command(
    "compose restart",
    run=restart,
    summary="Restart service containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(DRY_RUN, switch("no-deps", "Don't restart dependent services"), _TIMEOUT),
)
KILL = Command(
    "compose kill",
    run=kill,
    summary="Force stop service containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("remove-orphans", "Remove containers for services not defined in the Compose file"),
        text("signal", "SIGNAL to send to the container", short="s", default="SIGKILL"),
    ),
)
PAUSE = Command(
    "compose pause", run=pause, summary="Pause services", usage="[SERVICE...]", arity=ANY, flags=(DRY_RUN,)
)
UNPAUSE = Command(
    "compose unpause",
    run=unpause,
    summary="Unpause services",
    usage="[SERVICE...]",
    arity=ANY,
    flags=(DRY_RUN,),
)
RM = Command(
    "compose rm",
    run=rm,
    summary="Removes stopped service containers",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("force", "Don't ask to confirm removal", short="f"),
        switch("stop", "Stop the containers, if required, before removing", short="s"),
        switch("volumes", "Remove any anonymous volumes attached to containers", short="v"),
    ),
)
WAIT = Command(
    "compose wait",
    run=wait,
    summary="Block until containers of all (or specified) services stop.",
    usage="SERVICE [SERVICE...] [OPTIONS]",
    arity=at_least(1),
    flags=(DRY_RUN, switch("down-project", "Drops project when the first container stops")),
)
