# SPDX-License-Identifier: Apache-2.0
"""``sampan registry serve``: a registry in the foreground, without an engine; ``gc``, ``retain`` and ``du`` look after
what it keeps, also while it serves.
"""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import number, switch, text
from sampan.cli.units import format_size
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.registry.server.worker import Plan

DEFAULT_LISTEN = "127.0.0.1:5000"

_PLACE = (
    text("config", "Configuration file", shows="FILE"),
    text("root", "Directory to keep images in", shows="DIR"),
)
_TRIAL = switch("dry-run", "Say what would be removed, and remove nothing")


def split_address(address: str) -> tuple[str, int]:
    """``ADDR:PORT``; an IPv6 address stands in brackets, and no address means all."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InvalidArgument(f"{address}: not ADDR:PORT", hint="for example 127.0.0.1:5000 or [::]:5000")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - as asked for


def run_serve(context: Context, options: Options, _arguments: list[str]) -> int:
    """Listen, say where, and serve until a signal comes."""
    from dataclasses import replace

    from sampan.registry.server.serve import default_workers, listen, prepare, serve
    from sampan.registry.server.worker import Certificate

    plan, address, workers = _read_plan(context, options)
    if options.text("tls-cert"):
        plan = replace(plan, certificate=Certificate(options.text("tls-cert"), options.text("tls-key")))
    if options.text("htpasswd"):
        plan = replace(plan, htpasswd=options.text("htpasswd"))
    host, port = split_address(address)
    prepare(plan)
    sockets = listen(host, port, workers or default_workers())
    scheme = "https" if plan.certificate else "http"
    shown = f"[{host}]" if ":" in host else host
    context.out.note(f"registry listens on {scheme}://{shown}:{sockets[0].getsockname()[1]}")
    return serve(plan, sockets)


def run_gc(context: Context, options: Options, _arguments: list[str]) -> int:
    """Collect garbage now."""
    from dataclasses import replace

    from sampan.daemon.registry_server_configuration import parse_duration
    from sampan.registry.server.storage.collect import collect
    from sampan.registry.server.storage.store import Store
    from sampan.registry.server.upkeep import upkeep_lock

    plan = _read_plan(context, options)[0]
    grace = plan.upkeep.grace
    for flag, field in (("grace", "blobs_s"), ("untagged", "untagged_s")):
        if options.text(flag):
            seconds = parse_duration(options.text(flag))
            if seconds is None:
                raise InvalidArgument(
                    f"--{flag}: {options.text(flag)!r} is not a time like 90s, 10m, 1h or 7d"
                )
            grace = replace(grace, **{field: seconds})
    store = Store(plan.root)
    with upkeep_lock(store, wait=True):
        found = collect(store, grace, is_trial=options.switch("dry-run"))
    verb = "would remove" if options.switch("dry-run") else "removed"
    context.out.line(
        f"{verb} {found.manifests} manifests, {found.blobs} blobs of repositories, {found.uploads} uploads; "
        f"{format_size(found.bytes)} freed"
    )
    return 0


def run_retain(context: Context, options: Options, _arguments: list[str]) -> int:
    """Apply the rules of the configuration file now."""
    from sampan.registry.server.storage.retention import retain
    from sampan.registry.server.storage.store import Store
    from sampan.registry.server.upkeep import upkeep_lock

    plan = _read_plan(context, options)[0]
    if not plan.upkeep.retention:
        raise InvalidArgument(
            "there are no rules", hint="[[retention]] in the file of --config; see docs/registry.md"
        )
    store = Store(plan.root)
    with upkeep_lock(store, wait=True):
        removed = retain(store, plan.upkeep.retention, is_trial=options.switch("dry-run"))
    for name, tags in removed.items():
        for tag in tags:
            context.out.line(f"{name}:{tag}")
    return 0


def run_du(context: Context, options: Options, _arguments: list[str]) -> int:
    """What repositories take."""
    from sampan.cli.table import format_table
    from sampan.registry.server.storage.quota import repository_bytes
    from sampan.registry.server.storage.store import Store

    plan = _read_plan(context, options)[0]
    store = Store(plan.root)
    rows: list[list[str]] = []
    for name in store.repositories():
        repository = store.repository(name)
        index = repository.index()
        size = format_size(repository_bytes(repository))
        rows.append([name, str(len(index.tags)), str(len(index.manifests)), size])
    for line in format_table([["REPOSITORY", "TAGS", "MANIFESTS", "SIZE"], *rows]):
        context.out.line(line)
    total, waiting = store.stored_bytes(), store.uploads.total_bytes()
    context.out.line(
        f"blobs, each counted once: {format_size(total)}; uploads in progress: {format_size(waiting)}"
    )
    return 0


def _read_plan(context: Context, options: Options) -> tuple[Plan, str, int]:
    """The plan, where to listen, and how many workers: of the file, and of the flags, which go before it."""
    import os

    from sampan.daemon.registry_server_configuration import (
        ServerConfiguration,
        plan_server,
        read_server_configuration,
    )

    path = options.text("config")
    source, document = read_server_configuration(path) if path else (ServerConfiguration(), "")
    below = os.path.join(os.path.dirname(path), source.root) if source.root else ""
    root = options.text("root") or below
    if not root:
        raise InvalidArgument(
            "a directory to keep images in is needed", hint="--root DIR, or `root` in --config FILE"
        )
    plan = plan_server(source, document, path, root, context.environ)
    if not options.declares("listen"):
        return plan, "", 0
    listen = options.text("listen") or source.listen or DEFAULT_LISTEN
    return plan, listen, options.number("workers") or source.workers


SERVE = Command(
    "registry serve",
    run=run_serve,
    summary="Run a registry in the foreground",
    usage="[OPTIONS]",
    flags=(
        *_PLACE,
        text("htpasswd", "File of users and their passwords (bcrypt)", shows="FILE"),
        text("listen", "Address to listen on", shows="ADDR:PORT", shows_default=DEFAULT_LISTEN),
        text("tls-cert", "TLS certificate with its chain", shows="FILE"),
        text("tls-key", "Key of the TLS certificate", shows="FILE"),
        number("workers", "Number of processes (0: two a processor)"),
    ),
)
GC = Command(
    "registry gc",
    run=run_gc,
    summary="Remove what no image of a registry needs",
    usage="[OPTIONS]",
    flags=(
        *_PLACE,
        _TRIAL,
        text("grace", "Age that blobs must have (default 1h)", shows="TIME"),
        text("untagged", "Remove manifests without a tag that are older, too", shows="TIME"),
    ),
)
RETAIN = Command(
    "registry retain",
    run=run_retain,
    summary="Remove tags of a registry by the rules of its configuration",
    usage="[OPTIONS]",
    flags=(*_PLACE, _TRIAL),
)
DU = Command(
    "registry du",
    run=run_du,
    summary="Show what the repositories of a registry take",
    usage="[OPTIONS]",
    flags=_PLACE,
)
