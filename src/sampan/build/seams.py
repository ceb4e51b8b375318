# SPDX-License-Identifier: Apache-2.0
"""What the engine gives to the builder: a way to run a step, and a way to find images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sampan.image.model import Image, IndexHere
from sampan.oci.config import ImageConfig
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference

Output = Callable[[int, bytes], None]
"""Called with 1 (stdout) or 2 (stderr) and bytes, in the event loop's thread."""


@dataclass(frozen=True, slots=True)
class ExecMount:
    """Something mounted for one step. `source` is a resolved path on the host; `target` absolute inside.

    ``overlay`` shows `lowers` (uppermost first) read-only. Missing mount points are made by the executor; the
    builder removes them again.
    """

    kind: Literal["bind", "tmpfs", "overlay"]
    target: str
    source: str = ""
    lowers: tuple[str, ...] = ()
    readonly: bool = False
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What every RUN of a build is held to: ulimits as (name, soft, hard), and the cgroup that its own is made in."""

    ulimits: tuple[tuple[str, int, int], ...] = ()
    cgroup_parent: str = ""


@dataclass(frozen=True, slots=True)
class ExecStep:
    """One program to run in an active snapshot, which is mounted nowhere else.

    `env` is complete but for what the executor adds for every process (HOME, the host's CA variables when
    `host_ca` says so; None is the engine's default). `network` is ``default``, ``none``, ``host`` or what
    the request said.
    """

    snapshot: str
    arguments: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    network: str = "default"
    hostname: str = "buildkitsandbox"
    mounts: tuple[ExecMount, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int | None = None
    limits: StepLimits = StepLimits()
    host_ca: bool | None = None


class Executor(Protocol):
    """Runs steps. Cancelling the call ends the program, and returns only when nothing of it is left."""

    def run(self, step: ExecStep, *, output: Output) -> Awaitable[int]:
        """The exit code, when the program has ended and its snapshot is no longer mounted."""


class ContextSource(Protocol):
    """A build context that lies with a client and is brought when a step first reads it."""

    def load(self, paths: tuple[str, ...] | None, report: Callable[[int], None]) -> Awaitable[str]:
        """A folder with what of these paths (None: of everything) is not ignored; it stays for the build.

        `report` is told how many bytes have come.
        """


class Secrets(Protocol):
    """Where RUN's secrets come from."""

    def get(self, name: str) -> Awaitable[bytes | None]:
        """The secret's value, None if there is none of that name."""


@dataclass(frozen=True, slots=True)
class GivenSecrets:
    """Secrets that came with the request."""

    values: Mapping[str, bytes] = field(default_factory=dict)

    async def get(self, name: str) -> bytes | None:
        """The secret's value."""
        return self.values.get(name)


class SshAgents(Protocol):
    """The SSH agents of the one who builds."""

    def open(self, name: str) -> AbstractAsyncContextManager[str | None]:
        """The path of a socket where the agent of that name answers; None if there is none."""


@dataclass(frozen=True, slots=True)
class NoAgents:
    """Nobody's."""

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[str | None]:
        """None."""
        del name
        yield None


class BaseImage(Protocol):
    """An image as the builder sees it (image.ImageStore's Image is one)."""

    @property
    def id(self) -> Digest:
        """The digest of its config."""

    @property
    def config(self) -> ImageConfig:
        """Its config."""


class Publisher(Protocol):
    """Sends images of the store to the registries of their names, with the log-ins of the one who builds."""

    def publish(self, reference: Reference, tell: Callable[[str], None]) -> Awaitable[None]:
        """What the name stands for: an image, or the index of those for several platforms."""

    def publish_digest(
        self, name: Reference, images: Sequence[Image], index: IndexHere | None, tell: Callable[[str], None]
    ) -> Awaitable[None]:
        """Images, or the index of them, into a repository, without a tag."""


class ImageSource(Protocol):
    """Finds the images that FROM and ``COPY --from`` name; fetching them from a registry is its business."""

    def resolve(self, reference: str, platform: Platform | None, *, pull: bool) -> Awaitable[BaseImage]:
        """The image, or NotFound in the words that people know."""
