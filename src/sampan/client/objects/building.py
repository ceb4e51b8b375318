# SPDX-License-Identifier: Apache-2.0
"""Build an image through the engine: the context, the parameters, the answer's lines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypedDict

from sampan.client.contexts import (
    DOCKERFILE,
    SENT_DOCKERFILE,
    format_secrets,
    is_out_of_reach,
    locate_dockerfile,
    place_folder,
    reads_folders,
)
from sampan.client.jsontext import encode_json
from sampan.errors import InvalidArgument, SampanError

if TYPE_CHECKING:
    from sampan.client.answer import Answer
    from sampan.client.api import Engine
    from sampan.client.contexts import Query

_KEPT_BYTES = 1 << 16


class BuildOptions(TypedDict, total=False):
    """Options of `images.build`; all may be left out."""

    tag: str | Sequence[str]
    dockerfile: str | os.PathLike[str]
    target: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    secrets: Mapping[str, bytes]
    no_cache: bool
    network: str  # of RUN steps: ``none``, ``host`` or ``default``
    platform: str


class BuildFailed(SampanError):  # noqa: N818 - named after the fact, as all of ours
    """A build came to no image.

    `exit_code` is that of the command that failed, 1 otherwise; `excerpt` shows the place in the Dockerfile;
    `log` is what the build said, its last 64 KiB.
    """

    def __init__(
        self, message: str, *, exit_code: int = 1, excerpt: str = "", log: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.excerpt = excerpt
        self.log = log


class FolderContext:
    """A folder of this machine and a Dockerfile in it, or elsewhere when its path is absolute."""

    def __init__(self, path: str, dockerfile: str) -> None:
        self.path = path
        self.dockerfile = dockerfile


class TextContext:
    """A Dockerfile's text and nothing else."""

    def __init__(self, text: str) -> None:
        self.text = text


@contextlib.contextmanager
def open_context(
    path: str | os.PathLike[str] | None, text: str | None, dockerfile: str | os.PathLike[str] | None
) -> Iterator[FolderContext | TextContext]:
    """What is built, as long as the block lasts."""
    if text is not None and dockerfile is not None:
        raise InvalidArgument("build: either a Dockerfile's text or its path can be given")
    if path is None:
        if text is None:
            raise InvalidArgument("build: neither a folder nor a Dockerfile's text is given")
        yield TextContext(text)
        return
    folder = os.path.realpath(path)
    if not os.path.isdir(folder):
        raise InvalidArgument(f"unable to prepare context: context must be a directory: {folder}")
    if text is None:
        yield FolderContext(folder, locate_dockerfile(folder, os.fspath(dockerfile or "")))
        return
    with TemporaryDirectory(prefix="sampan-") as outside:
        # The text becomes a file, so that the folder can still be read in place.
        with open(f"{outside}/{DOCKERFILE}", "w", encoding="utf-8") as file:
            file.write(text)
        yield FolderContext(folder, file.name)


def plan_build(options: BuildOptions) -> Query:
    """Everything but the context (pure)."""
    tags = options.get("tag") or ()
    query: Query = {
        "t": [tags] if isinstance(tags, str) else list(tags),
        "target": options.get("target") or None,
        "nocache": options.get("no_cache", False),
        "networkmode": options.get("network") or None,
        "platform": options.get("platform") or None,
        "rm": True,
    }
    for name, values in (("buildargs", options.get("build_args")), ("labels", options.get("labels"))):
        if values:
            query[name] = encode_json(dict(values)).decode()
    return query


def send_build(
    engine: Engine,
    context: FolderContext | TextContext,
    query: Query,
    secrets: Mapping[str, bytes],
    *,
    accounts: str = "",
) -> Answer:
    """Let the engine read a folder in place where it can; send it an archive where it cannot.

    `accounts` are the log-ins for registries that FROM may need, as `CredentialStore.header_for_all` gives them.
    """
    fields = format_secrets(secrets) | ({"X-Registry-Config": accounts} if accounts else {})
    if isinstance(context, FolderContext) and reads_folders(engine):
        try:
            placed = query | place_folder(context.path, context.dockerfile)
            return engine.images.build(placed, None, fields=fields)
        except SampanError as error:
            if not is_out_of_reach(error):
                raise
    dockerfile, body = _archive(context)
    return engine.images.build(query | {"dockerfile": dockerfile}, body, fields=fields)


def _archive(context: FolderContext | TextContext) -> tuple[str, Iterable[bytes]]:
    """All of it: the engine leaves out what .dockerignore names."""
    if isinstance(context, TextContext):
        from sampan.client.file_archive import iter_files

        return DOCKERFILE, iter_files({DOCKERFILE: context.text.encode()})
    from sampan.client.copied_trees import iter_packed

    packed = iter_packed(context.path, "", follow=True)
    if not os.path.isabs(context.dockerfile):
        return context.dockerfile, packed
    from sampan.client.file_archive import iter_files

    with open(context.dockerfile, "rb") as file:
        outside = {SENT_DOCKERFILE: file.read()}
    return SENT_DOCKERFILE, chain(iter_files(outside, is_last=False), packed)


def follow_build(answer: Answer, on_progress: Callable[[str], object] | None) -> str:
    """Read the build to its end; the image's id, or BuildFailed."""
    image_id, log = "", ""
    for message in answer.iter_json():
        if "stream" in message:
            log = (log + message["stream"])[-_KEPT_BYTES:]
            if on_progress is not None:
                on_progress(message["stream"])
        elif "aux" in message:
            image_id = (message["aux"] or {}).get("ID", image_id)
        elif "errorDetail" in message or "error" in message:
            detail = message.get("errorDetail") or {}
            raise BuildFailed(
                str(detail.get("message") or message["error"]),
                exit_code=int(detail.get("code") or 1),
                excerpt=str(detail.get("excerpt") or ""),
                log=log,
                hint=detail.get("hint"),
            )
    if not image_id:
        raise BuildFailed("build ended without an image", log=log)
    return image_id
