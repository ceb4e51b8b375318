# SPDX-License-Identifier: Apache-2.0
"""``client.images``: build, load, import, find images."""

from __future__ import annotations

import builtins
import os
from typing import TYPE_CHECKING, TypeAlias

from sampan.client.images import split_name, split_reference
from sampan.client.objects.building import BuildOptions, follow_build, open_context, plan_build, send_build
from sampan.client.objects.image import Image
from sampan.client.objects.sharing import LogIns, follow_transfer
from sampan.client.objects.stream import Stream
from sampan.client.pieces import iter_file
from sampan.errors import InvalidArgument, SampanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Unpack

    from sampan.client.answer import Answer
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

    Source: TypeAlias = str | os.PathLike[str] | bytes | Iterable[bytes]

_LOADED = ("Loaded image: ", "Loaded image ID: ")


class ImageCollection:
    """All images of the engine."""

    def __init__(self, engine: Engine, log_ins: LogIns) -> None:
        self._engine = engine
        self._calls = engine.images
        self._log_ins = log_ins

    def build(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        text: str | None = None,
        on_progress: Callable[[str], object] | None = None,
        **options: Unpack[BuildOptions],
    ) -> Image:
        """Build the folder `path` with its Dockerfile, or the Dockerfile `text` alone or with the folder.

        `on_progress` is called with the words of Docker's classic builder as they come: steps, output of
        commands. Options are `tag` (one name or several), `dockerfile` (a path), `target`, `build_args`,
        `labels`, `secrets` (id to bytes), `no_cache`, `network` and `platform`. Raises BuildFailed, with
        the step's output, and InvalidArgument when there is no such folder or Dockerfile.
        """
        with open_context(path, text, options.get("dockerfile")) as context:
            answer = send_build(self._engine, context, plan_build(options), options.get("secrets") or {})
            return Image(self._engine, follow_build(answer, on_progress))

    def pull(
        self, name: str, *, platform: str = "", on_progress: Callable[[str], object] | None = None
    ) -> Image:
        """Fetch an image from its registry, ``:latest`` where the name says nothing.

        `on_progress` is called with a line a step. Raises SampanError with the registry's words.
        """
        repository, tag = split_reference(name)
        credentials = self._log_ins.header_for(name)
        answer = self._calls.pull(repository, tag, platform=platform, credentials=credentials)
        follow_transfer(answer, on_progress)
        return Image(self._engine, str(self._calls.inspect(name, platform=platform)["Id"]))

    def push(
        self, name: str, *, platform: str = "", on_progress: Callable[[str], object] | None = None
    ) -> str:
        """Send an image to the registry that its name says; the digest of what the tag stands for there."""
        repository, tag = split_reference(name)
        credentials = self._log_ins.header_for(name)
        answer = self._calls.push(repository, tag, platform=platform, credentials=credentials)
        return follow_transfer(answer, on_progress)

    def load(self, source: Source) -> builtins.list[Image]:
        """The images of an archive (docker's or OCI's), which is a file's path, bytes or pieces of bytes."""
        lines = _iter_words(self._calls.load(_open_source(source), quiet=True))
        names = [line.strip().removeprefix(start) for line in lines for start in _LOADED if start in line]
        return [self.get(name) for name in names]

    def import_tar(
        self, source: Source, name: str = "", *, changes: Sequence[str] = (), message: str = ""
    ) -> Image:
        """An image of a filesystem's tar archive; `changes` are instructions such as ``CMD ["sh"]``."""
        repository, tag = split_name(name)
        query = {
            "fromSrc": "-",
            "repo": repository or None,
            "tag": tag or None,
            "message": message or None,
            "changes": changes,
        }
        *_, image_id = _iter_words(self._calls.import_tar(query, _open_source(source)))
        return Image(self._engine, image_id.strip())

    def save(self, *names: str) -> Stream[bytes]:
        """Images and their names as one archive, in pieces."""
        answer = self._calls.save(names)
        return Stream(answer, iter(answer))

    def get(self, name: str) -> Image:
        """The one of this name, id or beginning of an id; raises ImageNotFound."""
        return Image(self._engine, str(self._calls.inspect(name)["Id"]))

    def list(
        self, *, every: bool = False, filters: Mapping[str, Sequence[str]] | None = None
    ) -> builtins.list[Image]:
        """All that have a name or are used, newest first; filters are Docker's: ``{"reference": ["a*"]}``."""
        found = self._calls.list(every=every, filters=filters)
        return [Image(self._engine, str(one["Id"])) for one in found]

    def tag(self, source: str, name: str) -> None:
        """Give the image `source` one more name; raises ImageNotFound."""
        self.get(source).tag(name)

    def remove(self, name: str, *, force: bool = False) -> None:
        """Take a name away, and the image with its last; raises ImageNotFound, Conflict while it is used."""
        self._calls.remove(name, force=force)

    def prune(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> int:
        """Remove those without a name that no container uses; the bytes gained."""
        return int(self._calls.prune(filters=filters).get("SpaceReclaimed") or 0)


def _open_source(source: Source) -> Iterable[bytes]:
    if isinstance(source, bytes):
        return (source,)
    if not isinstance(source, (str, os.PathLike)):
        return source
    try:
        return iter_file(os.fspath(source))
    except OSError as error:
        raise InvalidArgument(
            f"open {os.fspath(source)}: {(error.strerror or str(error)).lower()}"
        ) from error


def _iter_words(answer: Answer) -> Iterator[str]:
    """What load and import say, less bars of progress; an error in the stream is raised."""
    message: Json
    for message in answer.iter_json():
        if message.get("errorDetail") or message.get("error"):
            raise SampanError(str((message.get("errorDetail") or {}).get("message") or message["error"]))
        words = message.get("stream") or ("" if message.get("progressDetail") else message.get("status"))
        if words:
            yield str(words)
