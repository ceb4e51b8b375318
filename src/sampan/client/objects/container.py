# SPDX-License-Identifier: Apache-2.0
"""One container: `Container`."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from sampan.client.frames import STDOUT, iter_frames
from sampan.client.images import split_name
from sampan.client.objects.execs import plan_exec, run_exec
from sampan.client.objects.image import Image
from sampan.client.objects.loglines import iter_log_lines
from sampan.client.objects.result import TimedOut
from sampan.client.objects.stream import Stream
from sampan.errors import Conflict, NotFound, SampanError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Unpack

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.objects.execs import ExecOptions
    from sampan.client.objects.options import Command
    from sampan.client.objects.result import Result

    StrPath: TypeAlias = str | os.PathLike[str]


class Container:
    """A container, by its id. Used as a context manager it is killed and removed at the block's end.

    Every call raises ContainerNotFound when it is gone, and the other kinds of `sampan.errors` in the
    engine's words.
    """

    def __init__(self, engine: Engine, container_id: str) -> None:
        self._engine = engine
        self._calls = engine.containers
        self.id = container_id

    def __repr__(self) -> str:
        return f"<Container {self.id[:12]}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What the block raised is not to be lost behind an engine that went away.
        with contextlib.suppress(SampanError) if kind else contextlib.nullcontext():
            self.discard()

    # What it is

    def inspect(self) -> Json:
        """Everything about it, as the Engine API's ContainerInspect has it."""
        return self._calls.inspect(self.id)

    @property
    def name(self) -> str:
        """Its name, without the slash."""
        return str(self.inspect()["Name"]).removeprefix("/")

    @property
    def status(self) -> str:
        """``created``, ``running``, ``paused``, ``restarting``, ``removing``, ``exited`` or ``dead``."""
        return str(self.inspect()["State"]["Status"])

    @property
    def health(self) -> str:
        """``starting``, ``healthy`` or ``unhealthy``; ``none`` without a health check."""
        return str((self.inspect()["State"].get("Health") or {}).get("Status") or "none")

    @property
    def image(self) -> Image:
        """The image it was made of."""
        return Image(self._engine, str(self.inspect()["Image"]))

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, with those of its image."""
        return dict(self.inspect()["Config"].get("Labels") or {})

    @property
    def ports(self) -> dict[str, list[tuple[str, int]]]:
        """Its ports, like ``80/tcp``, with the addresses and ports of this machine they are published on."""
        published = self.inspect()["NetworkSettings"].get("Ports") or {}
        return {
            port: [(place["HostIp"], int(place["HostPort"])) for place in places or ()]
            for port, places in published.items()
        }

    def host_port(self, port: int | str) -> int:
        """The port of this machine where its port (``80``, ``"53/udp"``) is published."""
        key = str(port) if "/" in str(port) else f"{port}/tcp"
        places = self.ports.get(key)
        if not places:
            raise NotFound(f"container {self.id[:12]}: port {key} is not published")
        return places[0][1]

    @property
    def address(self) -> str:
        """Its IPv4 address on its first network; empty without one."""
        settings = self.inspect()["NetworkSettings"]
        networks = (settings.get("Networks") or {}).values()
        return next((str(one["IPAddress"]) for one in networks if one.get("IPAddress")), "")

    # Its life

    def start(self) -> None:
        """Start it; no error when it runs."""
        self._calls.start(self.id)

    def stop(self, *, timeout_s: int | None = None) -> None:
        """Ask it to end, and kill it after `timeout_s` (10, or what it was created with)."""
        self._calls.stop(self.id, timeout_s=timeout_s)

    def restart(self, *, timeout_s: int | None = None) -> None:
        """Stop and start it."""
        self._calls.restart(self.id, timeout_s=timeout_s)

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send its first process a signal; raises Conflict when it does not run."""
        self._calls.kill(self.id, signal=str(signal))

    def pause(self) -> None:
        """Freeze all of its processes."""
        self._calls.pause(self.id)

    def unpause(self) -> None:
        """Let its processes go on."""
        self._calls.unpause(self.id)

    def rename(self, name: str) -> None:
        """Give it another name; raises Conflict when that is taken."""
        self._calls.rename(self.id, name)

    def wait(self, *, timeout_s: float | None = None) -> int:
        """Wait until it does not run; its exit code. Raises TimedOut, and leaves it alone, when that takes long."""
        answer = self._calls.wait(self.id, condition="not-running")
        if timeout_s is not None and not answer.comes_within(timeout_s):
            answer.close()
            raise TimedOut(f"container {self.id[:12]}: still running after {timeout_s:g} s")
        return int(answer.json()["StatusCode"])

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it; `force` kills it first, `volumes` takes its anonymous volumes along."""
        self._calls.remove(self.id, force=force, volumes=volumes)

    def discard(self) -> None:
        """Kill and remove it with its anonymous volumes; no error when it is gone or going."""
        with contextlib.suppress(NotFound):
            try:
                self.remove(force=True, volumes=True)
            except Conflict as error:
                if "already in progress" not in error.message:
                    raise

    # What goes on in it

    def exec(
        self,
        command: Command,
        *,
        input: bytes | None = None,  # noqa: A002 - as subprocess.run has it
        timeout_s: float | None = None,
        limit_bytes: int | None = None,
        **options: Unpack[ExecOptions],
    ) -> Result:
        """Run one more program in it and wait for it.

        `input` is its stdin; without it stdin is closed. Of each output stream at most `limit_bytes` are
        kept. Options are `environment`, `user`, `workdir`, `privileged` and `tty`. Raises Conflict when the
        container does not run; TimedOut, with the output so far, after `timeout_s`: the Engine API cannot
        kill such a program, so it goes on until it ends or the container does.
        """
        return run_exec(
            self._engine,
            self.id,
            plan_exec(command, options),
            stdin=input,
            timeout_s=timeout_s,
            limit_bytes=limit_bytes,
        )

    def exec_detached(self, command: Command, **options: Unpack[ExecOptions]) -> None:
        """Run one more program in it and leave it alone; its output goes nowhere."""
        exec_id = self._calls.exec(self.id, plan_exec(command, options))
        self._engine.execs.start_detached(exec_id, tty=bool(options.get("tty")))

    def logs(
        self,
        *,
        follow: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Stream[bytes]:
        """What it has printed, line by line with line ends; with `follow`, also what it prints from now on.

        `tail` is a number of lines of both streams, `since` and `until` are seconds since the epoch. Closing
        the stream ends the following.
        """
        tty = bool(self.inspect()["Config"].get("Tty"))
        answer = self._calls.logs(
            self.id,
            {
                "stdout": stdout,
                "stderr": stderr,
                "follow": follow,
                "timestamps": timestamps,
                "tail": "all" if tail is None else tail,
                "since": None if since is None else f"{since:.9f}",
                "until": None if until is None else f"{until:.9f}",
            },
        )
        frames = ((STDOUT, data) for data in answer) if tty else iter_frames(answer)
        return Stream(answer, iter_log_lines(frames))

    def stats(self) -> Json:
        """What it uses now, as the Engine API's ContainerStats has it."""
        found: Json = self._calls.stats(self.id, stream=False).json()
        return found

    def iter_stats(self) -> Stream[Json]:
        """What it uses, once a second, until it ends."""
        answer = self._calls.stats(self.id, stream=True)
        return Stream(answer, answer.iter_json())

    def top(self, ps_args: str = "") -> list[dict[str, str]]:
        """Its processes, a row each, by the titles of ps(1)."""
        table = self._calls.top(self.id, ps_args=ps_args)
        return [dict(zip(table["Titles"], row, strict=False)) for row in table["Processes"] or ()]

    def update(self, **limits: Any) -> None:
        """Change limits while it runs, as the Engine API spells them: ``update(Memory=1 << 28)``."""
        self._calls.update(self.id, limits)

    # Its files

    def copy_to(self, source: StrPath, path: str, *, follow: bool = False, keep_owners: bool = False) -> None:
        """Copy a file or folder of this machine to `path` in it, by cp(1)'s rules.

        Into a folder when there is one at `path`, else under that name. `follow` copies what a link at
        `source` leads to; without `keep_owners` everything belongs to root. Raises NotFound.
        """
        from sampan.client.path_copy import copy_in

        copy_in(self._calls, os.fspath(source), self.id, path, follow=follow, keep_owners=keep_owners)

    def copy_from(
        self, path: str, destination: StrPath, *, follow: bool = False, keep_owners: bool = False
    ) -> None:
        """Copy a file or folder out of it to `destination` on this machine, by the same rules.

        What is copied belongs to who runs this, unless `keep_owners`.
        """
        from sampan.client.path_copy import copy_out

        copy_out(self._calls, self.id, path, os.fspath(destination), follow=follow, keep_owners=keep_owners)

    def changes(self) -> list[tuple[str, str]]:
        """Paths that differ from its image, each with ``modified``, ``added`` or ``deleted``."""
        kinds = ("modified", "added", "deleted")
        return [(str(one["Path"]), kinds[one["Kind"]]) for one in self._calls.changes(self.id)]

    def export(self) -> Stream[bytes]:
        """Its filesystem as a tar archive, in pieces."""
        answer = self._calls.export(self.id)
        return Stream(answer, iter(answer))

    def commit(self, name: str, *, message: str = "", changes: Sequence[str] = ()) -> Image:
        """An image of what is in it now; `changes` are Dockerfile instructions such as ``CMD ["sh"]``."""
        repository, tag = split_name(name)
        query = {
            "container": self.id,
            "repo": repository,
            "tag": tag or None,
            "comment": message,
            "changes": changes,
        }
        return Image(self._engine, str(self._engine.images.commit(query, {})["Id"]))
