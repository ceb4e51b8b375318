# SPDX-License-Identifier: Apache-2.0
"""``client.containers``: create, run, find containers."""

from __future__ import annotations

import builtins
import contextlib
from typing import TYPE_CHECKING, Any, Literal, overload

from sampan.client.objects.container import Container
from sampan.client.objects.options import plan_container
from sampan.client.objects.result import TimedOut
from sampan.client.objects.streams import Dialogue
from sampan.errors import Conflict, NotFound, SampanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.objects.options import Command, ContainerOptions
    from sampan.client.objects.result import Result


class ContainerCollection:
    """All containers of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls = engine.containers

    @overload
    def run(
        self,
        image: str,
        command: Command | None = None,
        *,
        detach: Literal[False] = False,
        input: bytes | None = None,
        timeout_s: float | None = None,
        limit_bytes: int | None = None,
        **options: Unpack[ContainerOptions],
    ) -> Result: ...

    @overload
    def run(
        self,
        image: str,
        command: Command | None = None,
        *,
        detach: Literal[True],
        **options: Unpack[ContainerOptions],
    ) -> Container: ...

    def run(
        self,
        image: str,
        command: Command | None = None,
        *,
        detach: bool = False,
        input: bytes | None = None,  # noqa: A002 - as subprocess.run has it
        timeout_s: float | None = None,
        limit_bytes: int | None = None,
        **options: Any,
    ) -> Result | Container:
        """Create and start a container: wait for its Result, or with `detach` get the running Container.

        Without `detach` the container is removed at the end, whatever happens. `input` is the program's stdin,
        which is closed without it; of each output stream at most `limit_bytes` are kept. A program that
        runs longer than `timeout_s` is killed and TimedOut raised, with its output so far. An exit code other
        than 0 is no error: see `Result.check`. With `detach` the caller removes the container, or uses it
        in a ``with`` block, which does.

        Options are those of `ContainerOptions`. Raises ImageNotFound, InvalidArgument for an option that
        makes no sense, Conflict when the name is taken, and the engine's words when the program cannot be
        started.
        """
        if detach:
            return self._run_detached(image, command, options)  # type: ignore[arg-type]
        body = plan_container(image, command, options)  # type: ignore[arg-type]
        name, platform = options.get("name", ""), options.get("platform", "")
        result = self.run_attached(
            body, name=name, platform=platform, stdin=input, timeout_s=timeout_s, limit_bytes=limit_bytes
        )
        if result.timed_out:
            raise TimedOut(f"container of {image}: killed after {timeout_s:g} s", result)
        return result

    def _run_detached(self, image: str, command: Command | None, options: ContainerOptions) -> Container:
        container = self.create(image, command, **options)
        try:
            container.start()
        except BaseException:
            _discard(container)
            raise
        return container

    def run_attached(
        self,
        body: Json,
        *,
        name: str = "",
        platform: str = "",
        stdin: bytes | None,
        timeout_s: float | None,
        limit_bytes: int | None,
    ) -> Result:
        """Run the container that an Engine API document describes to its end and remove it."""
        streams = ("stdout", "stderr") if stdin is None else ("stdin", "stdout", "stderr")
        body = body | {"AttachStdin": stdin is not None, "AttachStdout": True, "AttachStderr": True}
        body |= {"OpenStdin": stdin is not None, "StdinOnce": stdin is not None}
        body["HostConfig"] = body["HostConfig"] | {"AutoRemove": True}
        container_id = str(self._calls.create(body, name=name, platform=platform)["Id"])
        try:
            connection = self._calls.attach(container_id, dict.fromkeys(("stream", *streams), "1"))
            dialogue = Dialogue(connection, stdin=stdin, tty=bool(body.get("Tty")), limit_bytes=limit_bytes)
            return self._converse(container_id, dialogue, timeout_s)
        except BaseException:
            _discard(Container(self._engine, container_id))
            raise

    def _converse(self, container_id: str, dialogue: Dialogue, timeout_s: float | None) -> Result:
        """Start what is attached already; the wait, too, is asked for before, so that no end is missed."""
        with contextlib.closing(dialogue):
            waiting = self._calls.wait(container_id, condition="next-exit")
            with contextlib.closing(waiting):
                self._calls.start(container_id)
                dialogue.run(timeout_s, lambda: self._kill(container_id))
                return dialogue.result(int(waiting.json()["StatusCode"]))

    def _kill(self, container_id: str) -> None:
        with contextlib.suppress(NotFound, Conflict):  # it ended by itself just now
            self._calls.kill(container_id)

    def create(
        self, image: str, command: Command | None = None, **options: Unpack[ContainerOptions]
    ) -> Container:
        """A container that is not started yet; raises as `run` does."""
        body = plan_container(image, command, options)
        created = self._calls.create(body, name=options.get("name", ""), platform=options.get("platform", ""))
        return Container(self._engine, str(created["Id"]))

    def get(self, name: str) -> Container:
        """The one of this name, id or beginning of an id; raises ContainerNotFound."""
        return Container(self._engine, str(self._calls.inspect(name)["Id"]))

    def list(
        self, *, every: bool = False, filters: Mapping[str, Sequence[str]] | None = None
    ) -> builtins.list[Container]:
        """Those that run, or `every` one, newest first; filters are Docker's: ``{"label": ["a=b"]}``."""
        found = self._calls.list(every=every, filters=filters)
        return [Container(self._engine, str(one["Id"])) for one in found]

    def prune(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[str]:
        """Remove all that do not run; their ids."""
        return builtins.list(self._calls.prune(filters=filters).get("ContainersDeleted") or ())


def _discard(container: Container) -> None:
    """Remove what came to nothing: what is to be told is why."""
    with contextlib.suppress(SampanError):
        container.discard()
