# SPDX-License-Identifier: Apache-2.0
"""``sampan compose publish``: a project as an OCI artifact on a registry, for ``-f oci://NAME``."""

from __future__ import annotations

from sampan.cli.command import Command, exactly
from sampan.cli.commands.compose.making import push_images
from sampan.cli.compose import load_project
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import is_dry_run
from sampan.cli.confirm import confirm
from sampan.cli.flags import switch, text
from sampan.errors import InvalidArgument, SampanError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.artifact import Layer
    from sampan.compose.project import Project


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Check, ask, push the images that are built here, then the project."""
    from sampan.compose.artifact import VERSIONS
    from sampan.compose.publishing import check_publishable

    if options.switch("app"):
        raise Unsupported(
            "--app is not supported: images stay where their names say",
            hint="`sampan copy` brings images to another registry",
        )
    version = options.text("oci-version")
    if version and version not in VERSIONS:
        raise InvalidArgument(f"unsupported OCI version: {version}", hint="use 1.0 or 1.1")
    project = load_project(context, resolve_environment=False).with_profiles(["*"])
    check_publishable(project, with_environment=options.switch("with-env"))
    if not _is_wanted(context, options, project):
        return 0
    layers = _plan(context, options, project)
    name = arguments[0]
    if is_dry_run(context, options):
        for layer in layers:
            context.out.note(f"DRY-RUN MODE - publish {_describe(layer)}")
        return 0
    try:
        push_images(context, options, project)
    except SampanError as error:
        context.out.warn(f"images were not pushed: {error.message}")
    from sampan.cli.compose_published import push_project

    context.out.note(f" {name}  publishing")
    digest = push_project(context, name, layers, version=version)
    context.out.note(f" {name}  published")
    context.out.line(str(digest))
    return 0


def _is_wanted(context: Context, options: Options, project: Project) -> bool:
    from sampan.compose.publishing import list_exposures

    exposed = list_exposures(project)
    if not exposed or options.switch("yes") or is_dry_run(context, options):
        return True
    listed = "".join(f"\n  {line}" for line in exposed)
    return confirm(context.out, f"Whoever may read the published project will see:{listed}")


def _plan(context: Context, options: Options, project: Project) -> list[Layer]:
    from sampan.compose.artifact import compose_layer
    from sampan.compose.publishing import plan_layers

    layers = plan_layers(project, _read)
    if options.switch("resolve-image-digests"):
        from sampan.cli.compose_digests import pin_images
        from sampan.compose.yaml_text import format_yaml

        pinned = pin_images(context, project)
        images = {"services": {name: {"image": each.image} for name, each in pinned.services.items()}}
        layers.append(compose_layer("image-digests.yaml", format_yaml(images).encode()))
    return layers


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidArgument(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _describe(layer: Layer) -> str:
    *_, name = (value for key, value in sorted(layer.annotations.items()) if key.endswith("file"))
    return f"{name} ({len(layer.content)} bytes)"


COMMAND = Command(
    "compose publish",
    run=run,
    summary="Publish compose application",
    usage="[OPTIONS] REPOSITORY[:TAG]",
    arity=exactly(1),
    flags=(
        switch("app", "Published compose application (includes referenced images); not supported"),
        DRY_RUN,
        text("oci-version", "OCI image/artifact specification version (automatically determined by default)"),
        switch("resolve-image-digests", "Pin image tags to digests"),
        switch("with-env", "Include environment variables in the published OCI artifact"),
        switch("yes", 'Assume "yes" as answer to all prompts', short="y"),
    ),
)
