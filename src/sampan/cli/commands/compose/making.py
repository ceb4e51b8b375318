# SPDX-License-Identifier: Apache-2.0
"""``sampan compose build|pull|push|create|scale``: the parts of `up` one by one."""

from __future__ import annotations

from sampan.cli.command import ANY, Command, at_least
from sampan.cli.commands.compose.up import bring_up, scaled
from sampan.cli.compose import load_project
from sampan.cli.compose_flags import DRY_RUN
from sampan.cli.compose_session import HOST_CA, building, is_dry_run, open_progress, open_work
from sampan.cli.flags import several, switch, text
from sampan.errors import InvalidArgument, SampanError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.build_plan import BuildSettings
    from sampan.compose.project import Project

_REFUSED = {
    "builder": "there is one builder, the engine's",
    "check": "use `sampan build --check` in the context's folder",
    "print": "printing a bake file is not supported",
}


def build(context: Context, options: Options, arguments: list[str]) -> int:
    """Build what has a build section, as many at once as may be."""
    from sampan.compose.image_plan import ImageFacts, plan_images
    from sampan.compose.running.project_work import UpSettings

    for name, reason in _REFUSED.items():
        if options.given(name) and not (name == "builder" and options.text(name) in ("", "default")):
            raise Unsupported(f"--{name}: {reason}")
    project = load_project(context).with_enabled(arguments)
    project = project.with_selected(arguments, dependencies=options.switch("with-dependencies"))
    wanted = {name: service for name, service in project.services.items() if service.build is not None}
    if not wanted:
        context.out.warn("No services to build")
        return 0
    project = project.with_selected(list(wanted), dependencies=False)
    plan = plan_images(project, ImageFacts(), build=True)
    with open_progress(context, quiet=options.switch("quiet")) as display:
        work = open_work(context, options, project, display)
        work.pull(plan, UpSettings(building=_build_settings(context, options, project)))
    if options.switch("push"):
        push_images(context, options, project)
    return 0


def _build_settings(context: Context, options: Options, project: Project) -> BuildSettings:
    from dataclasses import replace

    from sampan.client.sizes import parse_size

    arguments: dict[str, str | None] = {}
    for word in options.several("build-arg"):
        name, equals, value = word.partition("=")
        arguments[name] = value if equals else project.environment.get(name)
    memory = options.text("memory")
    return replace(
        building(context, options),
        all_platforms=True,
        no_cache=options.switch("no-cache"),
        pull=options.switch("pull"),
        build_args=arguments,
        ssh=dict(word.partition("=")[::2] for word in options.text("ssh").split(",") if word),
        memory_bytes=parse_size(memory) if memory not in ("", "0") else 0,
        provenance=options.text("provenance"),
        sbom=options.text("sbom"),
    )


def pull(context: Context, options: Options, arguments: list[str]) -> int:
    """Get the images that are not built here."""
    from sampan.compose.image_plan import plan_images
    from sampan.compose.running.project_work import UpSettings

    policy = options.text("policy") or "always"
    if policy not in ("always", "missing"):
        raise InvalidArgument(f'invalid --policy "{policy}": use "missing" or "always"')
    project = load_project(context).with_enabled(arguments)
    project = project.with_selected(arguments, dependencies=options.switch("include-deps"))
    names = [
        name
        for name, service in project.services.items()
        if service.image and not (service.build and options.switch("ignore-buildable"))
    ]
    if not names:
        return 0
    project = project.with_selected(names, dependencies=False)
    with open_progress(context, quiet=options.switch("quiet")) as display:
        work = open_work(context, options, project, display)
        facts = work.facts().facts()
        plan = plan_images(project, facts, pull="always" if policy == "always" else "missing", no_build=True)
        try:
            work.pull(plan, UpSettings(quiet_pull=options.switch("quiet")))
        except SampanError as error:
            if not options.switch("ignore-pull-failures"):
                raise
            display.notice(error.message)
    return 0


def push(context: Context, options: Options, arguments: list[str]) -> int:
    """Send the images that are built here to their registries."""
    project = load_project(context).with_enabled(arguments)
    project = project.with_selected(arguments, dependencies=options.switch("include-deps"))
    push_images(context, options, project)
    return 0


def push_images(context: Context, options: Options, project: Project) -> None:
    """Send the images of services that are built here."""
    from sampan.cli.pulling import show_transfer, split_reference
    from sampan.client.credentials import CredentialStore

    store = CredentialStore(context.environ)
    for name, service in project.services.items():
        if service.build is None or not service.image:
            continue
        repository, tag = split_reference(service.image)
        context.out.note(f" {name}  Pushing {service.image}")
        if is_dry_run(context, options):
            continue
        try:
            answer = context.engine.images.push(repository, tag, credentials=store.header_for(service.image))
            quiet = options.declares("quiet") and options.switch("quiet")
            show_transfer(context, answer, quiet=quiet, to_stderr=True)
        except SampanError as error:
            if not (options.declares("ignore-push-failures") and options.switch("ignore-push-failures")):
                raise
            context.out.note(f" {name}  {error.message}")


def create(context: Context, options: Options, arguments: list[str]) -> int:
    """Make the containers, and start none."""
    from sampan.compose.plan import UpOptions
    from sampan.compose.running.project_work import UpSettings

    project = scaled(load_project(context, arguments), options.several("scale"))
    recreate = "force" if options.switch("force-recreate") else "diverged"
    if options.switch("no-recreate"):
        recreate = "never"
    wanted = UpOptions(
        recreate=recreate,
        recreate_dependencies="never" if options.switch("no-recreate") else "diverged",
        targets=frozenset(arguments),
        remove_orphans=options.switch("remove-orphans"),
        recreate_volumes=options.switch("yes"),
        start=False,
    )
    pull_policy = options.text("pull")
    settings = UpSettings(
        pull="" if pull_policy == "policy" else pull_policy,
        build=options.switch("build"),
        no_build=options.switch("no-build"),
        quiet_pull=options.switch("quiet-pull"),
        building=building(context, options),
    )
    with open_progress(context) as display:
        bring_up(open_work(context, options, project, display), wanted, settings)
    return 0


def scale(context: Context, options: Options, arguments: list[str]) -> int:
    """Give services other numbers of containers."""
    from sampan.compose.plan import UpOptions
    from sampan.compose.running.project_work import UpSettings

    names = [word.partition("=")[0] for word in arguments]
    project = load_project(context).with_enabled(names)
    project = project.with_selected(names, dependencies=not options.switch("no-deps"))
    project = scaled(project.with_needed_resources(), arguments)
    with open_progress(context) as display:
        work = open_work(context, options, project, display)
        bring_up(work, UpOptions(recreate="never", recreate_dependencies="never"), UpSettings())
    return 0


_PULL = text("pull", 'Pull image before running ("always"|"missing"|"never"|"build")', default="policy")

BUILD = Command(
    "compose build",
    run=build,
    summary="Build or rebuild services",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        several("build-arg", "Set build-time variables for services", shows="stringArray"),
        text("builder", "Set builder to use; there is one"),
        switch("check", "Check build configuration; not supported here"),
        DRY_RUN,
        HOST_CA,
        text("memory", "Set memory limit for the build container.", short="m", default="0", shows="bytes"),
        switch("no-cache", "Do not use cache when building the image"),
        switch("print", "Print equivalent bake file; not supported"),
        text("provenance", "Add a provenance attestation"),
        switch("pull", "Always attempt to pull a newer version of the image"),
        switch("push", "Push service images"),
        switch("quiet", "Suppress the build output", short="q"),
        text("sbom", "Add a SBOM attestation"),
        text(
            "ssh",
            "Set SSH authentications used when building service images (default: the agent of SSH_AUTH_SOCK)",
        ),
        switch("with-dependencies", "Also build dependencies (transitively)"),
    ),
)
PULL = Command(
    "compose pull",
    run=pull,
    summary="Pull service images",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("ignore-buildable", "Ignore images that can be built"),
        switch("ignore-pull-failures", "Pull what it can and ignores images with pull failures"),
        switch("include-deps", "Also pull services declared as dependencies"),
        text("policy", 'Apply pull policy ("missing"|"always")'),
        switch("quiet", "Pull without printing progress information", short="q"),
    ),
)
PUSH = Command(
    "compose push",
    run=push,
    summary="Push service images",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        DRY_RUN,
        switch("ignore-push-failures", "Push what it can and ignores images with push failures"),
        switch("include-deps", "Also push images of services declared as dependencies"),
        switch("quiet", "Push without printing progress information", short="q"),
    ),
)
CREATE = Command(
    "compose create",
    run=create,
    summary="Creates containers for a service",
    usage="[OPTIONS] [SERVICE...]",
    arity=ANY,
    flags=(
        switch("build", "Build images before starting containers"),
        DRY_RUN,
        switch("force-recreate", "Recreate containers even if their configuration and image haven't changed"),
        HOST_CA,
        switch("no-build", "Don't build an image, even if it's policy"),
        switch(
            "no-recreate",
            "If containers already exist, don't recreate them. Incompatible with --force-recreate.",
        ),
        _PULL,
        switch("quiet-pull", "Pull without printing progress information"),
        switch("remove-orphans", "Remove containers for services not defined in the Compose file"),
        several(
            "scale",
            'Scale SERVICE to NUM instances. Overrides the "scale" setting in the Compose file if present.',
            shows="stringArray",
        ),
        switch("yes", 'Assume "yes" as answer to all prompts and run non-interactively', short="y"),
    ),
)
SCALE = Command(
    "compose scale",
    run=scale,
    summary="Scale services",
    usage="[SERVICE=REPLICAS...]",
    arity=at_least(1),
    flags=(DRY_RUN, switch("no-deps", "Don't start linked services")),
)
