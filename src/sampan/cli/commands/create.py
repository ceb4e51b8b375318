# SPDX-License-Identifier: Apache-2.0
"""``sampan create``: make a container and leave it; `create_container` is what ``run`` begins with, too."""

from __future__ import annotations

import os

from sampan.cli.command import Command, Exit, at_least
from sampan.cli.flags import FlagError
from sampan.cli.messages import show_messages
from sampan.cli.output import Output
from sampan.cli.run_flags import CREATE_FLAGS
from sampan.cli.run_options import ContainerRequest, plan_container
from sampan.cli.wording import split_name
from sampan.errors import Conflict, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json

PULL_POLICIES = ("", "always", "missing", "never")
BAD_OPTIONS = 125


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Create one and print its id."""
    image, *words = arguments
    try:
        request = plan_container(options, image, words, context.environ)
        check_pull_policy(options)
    except FlagError:
        raise
    except InvalidArgument as error:
        raise Exit(BAD_OPTIONS, error.message, hint=error.hint) from error
    context.out.line(create_container(context, options, request))
    return 0


def check_pull_policy(options: Options) -> None:
    """Refuse a policy that does not exist."""
    policy = options.text("pull")
    if policy not in PULL_POLICIES:
        raise InvalidArgument(
            f'invalid pull option: "{policy}": must be one of "always", "missing" or "never"'
        )


def create_container(context: Context, options: Options, request: ContainerRequest) -> str:
    """Create, after a pull when the policy says so; warnings are said, the id is given and kept in --cidfile."""
    cid_file = options.text("cidfile")
    if cid_file and os.path.lexists(cid_file):
        raise Conflict(
            f"container ID file found, make sure the other container isn't running or delete {cid_file}"
        )
    if options.text("pull") == "always":
        pull_image(context, options, request.image)
    created = _create(context, options, request)
    for warning in created.get("Warnings") or ():
        context.out.warn(warning)
    identifier: str = created["Id"]
    if cid_file:
        with open(cid_file, "x", encoding="ascii") as file:
            file.write(identifier)
    return identifier


def _create(context: Context, options: Options, request: ContainerRequest) -> Json:
    containers = context.engine.containers
    try:
        return containers.create(request.document, name=request.name, platform=request.platform)
    except NotFound as error:
        if "no such image" not in error.message.lower() or options.text("pull") not in ("", "missing"):
            raise
    repository, tag = split_name(request.image)
    shown = request.image if tag or "@" in request.image else f"{repository}:latest"
    context.out.note(f"Unable to find image '{shown}' locally")
    pull_image(context, options, request.image)
    return containers.create(request.document, name=request.name, platform=request.platform)


def pull_image(context: Context, options: Options, image: str) -> None:
    """Fetch an image, telling how it goes on stderr: stdout is the container's."""
    repository, tag = (image, "") if "@" in image else split_name(image)
    answer = context.engine.images.pull(
        repository, tag or ("" if "@" in image else "latest"), platform=options.text("platform")
    )
    show_messages(_Quiet() if options.switch("quiet") else _Told(context.out), answer.iter_json())


class _Told(Output):
    """Progress for the person who watches, on stderr."""

    __slots__ = ("_out",)

    def __init__(self, out: Output) -> None:
        super().__init__(out.program)
        self._out = out

    def data(self, data: bytes) -> None:
        self._out.note(data.decode(errors="replace").rstrip("\n"))


class _Quiet(Output):
    """Progress that nobody wants."""

    __slots__ = ()

    def data(self, data: bytes) -> None:
        del data


COMMAND = Command(
    "container create",
    "create",
    run=run,
    summary="Create a new container",
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity=at_least(1),
    flags=CREATE_FLAGS,
    interspersed=False,
)
