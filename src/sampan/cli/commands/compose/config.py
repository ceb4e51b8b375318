# SPDX-License-Identifier: Apache-2.0
"""``sampan compose config``: the project as it is understood, or one thing of it."""

from __future__ import annotations

import os

from sampan.cli.command import ANY, Command
from sampan.cli.compose import load_project, load_tree
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.flags import switch, text
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.project import Project


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Print what is asked for: the first of the listing flags, or the whole project."""
    for flag, show in _LISTINGS.items():
        if options.switch(flag):
            show(context, options, arguments)
            return 0
    if options.text("hash"):
        _show_hashes(context, options)
        return 0
    content = _render(context, options, arguments)
    if options.switch("quiet"):
        return 0
    if options.text("output"):
        _save(options.text("output"), content)
    else:
        context.out.text(content)
    return 0


def _load_flags(options: Options) -> dict[str, bool]:
    return {
        "keep_label_files": False,
        "interpolate": not options.switch("no-interpolate"),
        "resolve_paths": not options.switch("no-path-resolution"),
        "check_consistency": not options.switch("no-consistency"),
        "resolve_environment": not options.switch("no-env-resolution"),
        **({"normalize": False} if options.switch("no-normalize") else {}),
    }


def _load(context: Context, options: Options, services: list[str], *, environment: bool = True) -> Project:
    flags = _load_flags(options)
    flags["resolve_environment"] = flags["resolve_environment"] and environment
    return load_project(context, services, **flags)


# The whole project


def _render(context: Context, options: Options, services: list[str]) -> str:
    kind = options.text("format") or "yaml"
    if kind not in ("yaml", "json"):
        raise InvalidArgument(f'unsupported format "{kind}"')
    if options.switch("no-interpolate"):
        return _format(_plain_tree(context, options), kind)
    project = _load(context, options, services)
    if options.switch("resolve-image-digests") or options.switch("lock-image-digests"):
        from sampan.cli.compose_digests import pin_images

        project = pin_images(context, project)
    if not options.switch("no-consistency"):
        from sampan.compose.consistency import check_container_names

        check_container_names(project)
    if options.switch("lock-image-digests"):
        images = {
            name: {"image": service.image} for name, service in project.services.items() if service.image
        }
        return _format({"services": images}, kind)
    from sampan.compose.render import render_project

    return _format(render_project(project, json=kind == "json"), kind).replace("$", "$$")


def _plain_tree(context: Context, options: Options) -> object:
    """Variables stand as they are written, so there is no model: the tree itself, sorted."""
    _, tree = load_tree(context, **_load_flags(options))
    from sampan.compose.render import sort_keys
    from sampan.compose.sources import VALUE_KEY

    for section in ("secrets", "configs"):
        for entry in (tree.get(section) or {}).values():
            entry.pop(VALUE_KEY, None)
    return sort_keys(tree)


def _format(value: object, kind: str) -> str:
    if kind == "json":
        from sampan.compose.json_text import format_json

        return format_json(value, indent="  ")
    from sampan.compose.yaml_text import format_yaml

    return format_yaml(value)


def _save(path: str, content: str) -> None:
    """The file appears whole: it may be one that the project was read from."""
    beside = f"{path}.{os.getpid()}.tmp"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


# One thing of it


def _show_services(context: Context, options: Options, _services: list[str]) -> None:
    if options.switch("no-interpolate"):
        _, tree = load_tree(context, **_load_flags(options))
        _lines(context, sorted(tree.get("services") or ()))
        return
    from sampan.compose.graph import order_by_need

    services = _load(context, options, [], environment=False).services
    _lines(context, order_by_need({name: service.depends_on for name, service in services.items()}))


def _show_volumes(context: Context, options: Options, _services: list[str]) -> None:
    _lines(context, sorted(_load(context, options, [], environment=False).volumes))


def _show_networks(context: Context, options: Options, _services: list[str]) -> None:
    _lines(context, sorted(_load(context, options, [], environment=False).networks))


def _show_models(context: Context, options: Options, _services: list[str]) -> None:
    """A project with models is refused when it is read, so there are none to show."""
    _load(context, options, [], environment=False)


def _show_profiles(context: Context, options: Options, services: list[str]) -> None:
    project = _load(context, options, services, environment=False)
    _lines(context, sorted({word for each in project.all_services.values() for word in each.profiles}))


def _show_images(context: Context, options: Options, services: list[str]) -> None:
    from sampan.compose.naming import image_name

    project = _load(context, options, services, environment=False)
    _lines(context, [image_name(project.name, service) for service in project.services.values()])


def _show_environment(context: Context, options: Options, services: list[str]) -> None:
    environment = _load(context, options, services).environment
    _lines(context, sorted(f"{name}={value}" for name, value in environment.items()))


def _show_variables(context: Context, options: Options, _services: list[str]) -> None:
    from sampan.compose.variable_uses import find_uses

    flags = _load_flags(options) | {"interpolate": False}
    _, tree = load_tree(context, **flags)
    uses = find_uses(tree)
    kind = options.text("format")
    if kind in ("json", "yaml"):
        documents = {use.name: use.document(yaml=kind == "yaml") for use in uses}
        if kind == "yaml":
            context.out.text(_format(documents, kind))
            return
        from sampan.compose.json_text import format_json

        context.out.line(format_json(documents, indent="    "))
        return
    rows = [("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")]
    rows += [(use.name, "true" if use.required else "false", use.default, use.alternate) for use in uses]
    widths = [max(20, *(len(row[column]) + 3 for row in rows)) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        context.out.line("".join([*cells, row[3]]))


def _show_hashes(context: Context, options: Options) -> None:
    from sampan.compose.hashing import hash_service

    project = _load(context, options, [], environment=False)
    asked = options.text("hash")
    names = sorted(project.services) if asked == "*" else sorted(asked.split(","))
    _lines(context, [f"{name} {hash_service(project.service(name))}" for name in names])


def _lines(context: Context, lines: list[str]) -> None:
    for line in lines:
        context.out.line(line)


_LISTINGS: dict[str, Callable[[Context, Options, list[str]], None]] = {
    "services": _show_services,
    "volumes": _show_volumes,
    "networks": _show_networks,
    "models": _show_models,
    "profiles": _show_profiles,
    "images": _show_images,
    "variables": _show_variables,
    "environment": _show_environment,
}

COMMAND = Command(
    "compose config",
    "compose convert",
    run=run,
    summary="Parse, resolve and render compose file in canonical format",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("environment", "Print environment used for interpolation."),
        text("format", "Format the output. Values: [yaml | json]"),
        text("hash", "Print the service config hash, one per line."),
        switch("images", "Print the image names, one per line."),
        switch("lock-image-digests", "Produces an override file with image digests"),
        switch("models", "Print the model names, one per line."),
        switch("networks", "Print the network names, one per line."),
        switch(
            "no-consistency", "Don't check model consistency - warning: may produce invalid Compose output"
        ),
        switch("no-env-resolution", "Don't resolve service env files"),
        switch("no-interpolate", "Don't interpolate environment variables"),
        switch("no-normalize", "Don't normalize compose model"),
        switch("no-path-resolution", "Don't resolve file paths"),
        text("output", "Save to file (default to stdout)", short="o"),
        switch("profiles", "Print the profile names, one per line."),
        switch("quiet", "Only validate the configuration, don't print anything", short="q"),
        switch("resolve-image-digests", "Pin image tags to digests"),
        switch("services", "Print the service names, one per line."),
        switch("variables", "Print model variables and default values."),
        switch("volumes", "Print the volume names, one per line."),
    ),
)
