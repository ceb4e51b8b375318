# SPDX-License-Identifier: Apache-2.0
"""The steps that make layers, every word in them expanded: what the solver gives keys to and executes."""

from __future__ import annotations

from dataclasses import dataclass

from sampan.build.dockerfile.heredoc import Heredoc
from sampan.build.dockerfile.location import Location
from sampan.build.dockerfile.mounts import RunMount
from sampan.build.stages import Origin
from sampan.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Mark:
    """An instruction's place among all of the wanted stages' (the classic builder's ``Step 3/7 : …``)."""

    number: int
    total: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One change to a stage's root filesystem.

    `name` is the vertex's (``[stage-1 2/5] RUN …``), `marks` are the instructions that it stands for: its own
    last, those before it that only changed the image's config first.
    """

    name: str
    location: Location
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class StepMount:
    """A RUN step's mount, with what ``from=`` means."""

    mount: RunMount
    origin: Origin


@dataclass(frozen=True, slots=True)
class RunStep(Step):
    """Run a program in the root filesystem; `script` is a heredoc with a ``#!`` line, run as a file."""

    arguments: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    mounts: tuple[StepMount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    script: str | None = None
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class CopyStep(Step):
    """COPY and ADD: bring files from somewhere into the root filesystem. `destination` is absolute."""

    origin: Origin
    sources: tuple[str, ...]
    documents: tuple[Heredoc, ...]
    destination: str
    shown_destination: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    parents: bool = False
    is_add: bool = False
    unpack: bool = False
    unpack_remote: bool = False
    checksum: str = ""
    keep_git_dir: bool = False


@dataclass(frozen=True, slots=True)
class WorkdirStep(Step):
    """Make the folder that WORKDIR names, as the current USER."""

    path: str
    user: str
