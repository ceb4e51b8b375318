# SPDX-License-Identifier: Apache-2.0
"""``sampan compose exec|attach|export|commit|cp|port``: the command of that name, on one container of a service."""

from __future__ import annotations

import os

from sampan.cli.command import Command, at_least, between, exactly
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import containers_of, is_dry_run
from sampan.cli.flags import number, several, switch, text
from sampan.cli.options import Options
from sampan.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.compose.observed import ObservedContainer

_STDIN, _STDOUT = 0, 1
_INDEX = number("index", "Index of the container if service has multiple replicas")


def find_one(context: Context, service: str, index: int = 0, *, running: bool = True) -> ObservedContainer:
    """The service's container of that number, or its first; NotFound says what there is not."""
    found = [each for each in containers_of(context, [service]) if not index or each.number == index]
    wanted = [each for each in found if each.is_running] if running else found
    if wanted:
        return wanted[0]
    if running:
        raise NotFound(
            f'service "{service}" is not running' + (f" container #{index}" if index else ""),
            hint="start it with `sampan compose up -d`",
        )
    raise NotFound(f'no container found for service "{service}"')


def _is_only_told(context: Context, options: Options, words: str) -> bool:
    if is_dry_run(context, options):
        context.out.note(f"DRY-RUN MODE - {words}")
        return True
    return False


def exec_in(context: Context, options: Options, arguments: list[str]) -> int:
    """A terminal unless told otherwise, when there is one."""
    from sampan.cli.commands.exec import run

    service, *words = arguments
    container = find_one(context, service, options.number("index"))
    if _is_only_told(context, options, f"exec in container {container.name}: {' '.join(words)}"):
        return 0
    tty = not options.switch("no-tty") and os.isatty(_STDIN) and os.isatty(_STDOUT)
    detach = options.switch("detach")
    given = Options(
        {
            "detach": detach,
            "detach-keys": "",
            "env": options.several("env"),
            "env-file": [],
            "interactive": not detach and options.switch("interactive"),
            "privileged": options.switch("privileged"),
            "tty": tty,
            "user": options.text("user"),
            "workdir": options.text("workdir"),
        }
    )
    return run(context, given, [container.id, *words])


def attach(context: Context, options: Options, arguments: list[str]) -> int:
    """Join its streams."""
    from sampan.cli.commands.attach import run

    container = find_one(context, arguments[0], options.number("index"))
    if _is_only_told(context, options, f"attach to container {container.name}"):
        return 0
    return run(context, options, [container.id])


def export(context: Context, options: Options, arguments: list[str]) -> int:
    """Its filesystem as a tar archive."""
    from sampan.cli.commands.export import run

    container = find_one(context, arguments[0], options.number("index"), running=False)
    if _is_only_told(context, options, f"export container {container.name}"):
        return 0
    return run(context, options, [container.id])


def commit(context: Context, options: Options, arguments: list[str]) -> int:
    """An image of what it has changed."""
    from sampan.cli.commands.commit import run

    service, *names = arguments
    container = find_one(context, service, options.number("index"), running=False)
    if _is_only_told(context, options, f"commit container {container.name}"):
        return 0
    given = Options(
        {
            "author": options.text("author"),
            "change": options.several("change"),
            "message": options.text("message"),
            "no-pause": False,
            "pause": options.switch("pause"),
        }
    )
    return run(context, given, [container.id, *names])


def cp(context: Context, options: Options, arguments: list[str]) -> int:
    """Into all containers of a service, or out of one."""
    from sampan.cli.commands.cp import run
    from sampan.client.copying import split_argument

    (from_service, source), (to_service, destination) = map(split_argument, arguments)
    if bool(from_service) == bool(to_service):
        raise InvalidArgument("one of source and destination must be SERVICE:PATH, the other a path here")
    given = Options(
        {
            "archive": options.switch("archive"),
            "follow-link": options.switch("follow-link"),
            "quiet": False,
        }
    )
    index = options.number("index")
    if from_service:
        container = find_one(context, from_service, index, running=False)
        if _is_only_told(context, options, f"copy {container.name}:{source} to {destination}"):
            return 0
        return run(context, given, [f"{container.id}:{source}", destination])
    found = containers_of(context, [to_service], one_off=options.switch("all"))
    if index:
        found = [each for each in found if each.number == index]
    if not found:
        raise NotFound(f'no container found for service "{to_service}"')
    for each in found:
        if not _is_only_told(context, options, f"copy {source} to {each.name}:{destination}"):
            run(context, given, [source, f"{each.id}:{destination}"])
    return 0


def port(context: Context, options: Options, arguments: list[str]) -> int:
    """Where a port of it is published."""
    service, private = arguments
    if not private.isdecimal():
        raise InvalidArgument(f'invalid port "{private}"')
    container = find_one(context, service, options.number("index"), running=False)
    from sampan.cli.commands.port import iter_addresses

    found = context.engine.containers.inspect(container.id)
    ports = found.get("NetworkSettings", {}).get("Ports") or {}
    wanted = f"{private}/{options.text('protocol')}"
    if not ports.get(wanted):
        raise NotFound(
            f"no port {wanted} for container {container.name}: {', '.join(ports) or 'it has none'}"
        )
    context.out.line(next(iter_addresses(ports, wanted, container.name)))
    return 0


EXEC = Command(
    "compose exec",
    run=exec_in,
    summary="Execute a command in a running container",
    usage="[OPTIONS] SERVICE COMMAND [ARGS...]",
    arity=at_least(2),
    interspersed=False,
    flags=(
        switch("detach", "Detached mode: Run command in the background", short="d"),
        DRY_RUN,
        several("env", "Set environment variables", short="e", shows="stringArray"),
        _INDEX,
        switch("interactive", "Keep STDIN open even if not attached", short="i", default=True, hidden=True),
        switch("no-tty", "Disable pseudo-TTY allocation. By default a TTY is allocated.", short="T"),
        switch("privileged", "Give extended privileges to the process"),
        switch("tty", "", short="t", default=True, hidden=True),
        text("user", "Run the command as this user", short="u"),
        text("workdir", "Path to workdir directory for this command", short="w"),
    ),
)
ATTACH = Command(
    "compose attach",
    run=attach,
    summary="Attach local standard input, output, and error streams to a service's running container",
    usage="[OPTIONS] SERVICE",
    arity=exactly(1),
    flags=(
        text("detach-keys", "Override the key sequence for detaching from a container."),
        DRY_RUN,
        _INDEX,
        switch("no-stdin", "Do not attach STDIN"),
        switch("sig-proxy", "Proxy all received signals to the process", default=True),
    ),
)
EXPORT = Command(
    "compose export",
    run=export,
    summary="Export a service container's filesystem as a tar archive",
    usage="[OPTIONS] SERVICE",
    arity=exactly(1),
    flags=(DRY_RUN, _INDEX, text("output", "Write to a file, instead of STDOUT", short="o")),
)
COMMIT = Command(
    "compose commit",
    run=commit,
    summary="Create a new image from a service container's changes",
    usage="[OPTIONS] SERVICE [REPOSITORY[:TAG]]",
    arity=between(1, 2),
    flags=(
        text("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', short="a"),
        several("change", "Apply Dockerfile instruction to the created image", short="c"),
        DRY_RUN,
        _INDEX,
        text("message", "Commit message", short="m"),
        switch("pause", "Pause container during commit", short="p", default=True),
    ),
)
CP = Command(
    "compose cp",
    run=cp,
    summary="Copy files/folders between a service container and the local filesystem",
    usage="[OPTIONS] SERVICE:SRC_PATH DEST_PATH|- | SRC_PATH|- SERVICE:DEST_PATH",
    arity=exactly(2),
    flags=(
        switch("all", "Include containers created by the run command"),
        switch("archive", "Archive mode (copy all uid/gid information)", short="a"),
        DRY_RUN,
        switch("follow-link", "Always follow symbol link in SRC_PATH", short="L"),
        _INDEX,
    ),
)
PORT = Command(
    "compose port",
    run=port,
    summary="Print the public port for a port binding",
    usage="[OPTIONS] SERVICE PRIVATE_PORT",
    arity=exactly(2),
    flags=(DRY_RUN, _INDEX, text("protocol", "tcp or udp", default="tcp")),
)
