# SPDX-License-Identifier: Apache-2.0
"""Create a container as `run` and `create` do: pull the image when asked to, keep the id in a file."""

from __future__ import annotations

import os

from sampan.cli.command import Exit
from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.run_options import ContainerRequest
    from sampan.client.jsontext import Json

_PULL = ("always", "missing", "never")


def create_container(
    context: Context, request: ContainerRequest, *, pull: str, cidfile: str, quiet: bool
) -> str:
    """The id of the new container; warnings go to stderr."""
    if pull not in _PULL:
        raise Exit(125, f'invalid pull option: \'{pull}\': must be one of "always", "missing" or "never"')
    id_file = IdFile(cidfile)
    try:
        if pull == "always":
            _pull(context, request, quiet)
        created = _create(context, request, missing=pull == "missing", quiet=quiet)
    except BaseException:
        id_file.discard()
        raise
    for warning in created.get("Warnings") or ():
        context.out.warn(warning)
    id_file.write(created["Id"])
    return str(created["Id"])


def _create(context: Context, request: ContainerRequest, *, missing: bool, quiet: bool) -> Json:
    containers = context.engine.containers
    try:
        return containers.create(request.document, name=request.name, platform=request.platform)
    except NotFound as error:
        if not missing or not _is_missing(error.message):
            raise
    if not quiet:
        context.out.note(f"Unable to find image '{_tagged(request.image)}' locally")
    _pull(context, request, quiet)
    return containers.create(request.document, name=request.name, platform=request.platform)


def _is_missing(message: str) -> bool:
    """Whether a pull may help: the image is not here, or not for the platform that was asked for."""
    return message.startswith("No such image") or "does not provide the specified platform" in message


def _tagged(image: str) -> str:
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def _pull(context: Context, request: ContainerRequest, quiet: bool) -> None:
    from sampan.cli.pulling import pull_image

    try:
        pull_image(context, request.image, platform=request.platform, quiet=quiet, to_stderr=True)
    except Exit as end:
        raise Exit(125, end.message, hint=end.hint) from end


class IdFile:
    """``--cidfile``: made before the container, so that two runs never share one; emptied by a failure."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        if not path:
            return
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise Exit(
                125,
                f"container ID file found, make sure the other container isn't running or delete {path}",
            ) from None
        except OSError as error:
            raise Exit(
                125, f"failed to create the container ID file: {path}: {(error.strerror or '').lower()}"
            ) from error

    def write(self, container_id: str) -> None:
        """Keep the id."""
        if self._descriptor >= 0:
            os.write(self._descriptor, container_id.encode())
            os.close(self._descriptor)

    def discard(self) -> None:
        """There is no container."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            os.unlink(self._path)
