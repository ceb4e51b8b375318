# SPDX-License-Identifier: Apache-2.0
"""The instructions of a Dockerfile as values, words still unexpanded."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.build.dockerfile.heredoc import Heredoc
from sampan.build.dockerfile.location import Location, Source

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """What every instruction has: its logical line, as written, and where that stands."""

    original: str
    location: Location

    @property
    def name(self) -> str:
        """The word it begins with, in capitals."""
        return type(self).__name__.upper()


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """``FROM [--platform=P] BASE [AS NAME]``."""

    base: str
    stage_name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    """``ARG NAME[=DEFAULT] …``; None where no default is given."""

    pairs: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Env(Instruction):
    """``ENV NAME=VALUE …``."""

    pairs: Pairs = ()


@dataclass(frozen=True, slots=True)
class Label(Instruction):
    """``LABEL NAME=VALUE …``."""

    pairs: Pairs = ()


@dataclass(frozen=True, slots=True)
class Maintainer(Instruction):
    """``MAINTAINER NAME`` (deprecated: the image's author)."""

    author: str = ""


@dataclass(frozen=True, slots=True)
class Workdir(Instruction):
    """``WORKDIR PATH``."""

    path: str = ""


@dataclass(frozen=True, slots=True)
class Transfer(Instruction):
    """What COPY and ADD have in common: sources and inline documents into a destination."""

    sources: tuple[str, ...] = ()
    documents: tuple[Heredoc, ...] = ()
    destination: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy(Transfer):
    """``COPY [--from=STAGE] SOURCE … DESTINATION``."""

    source_stage: str = ""
    parents: bool = False


@dataclass(frozen=True, slots=True)
class Add(Transfer):
    """``ADD SOURCE … DESTINATION``: local files, archives to unpack, URLs."""

    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None


@dataclass(frozen=True, slots=True)
class CommandLine(Instruction):
    """What RUN, CMD and ENTRYPOINT have in common: an exec form's list, or one string for the shell."""

    arguments: tuple[str, ...] = ()
    is_shell: bool = False


@dataclass(frozen=True, slots=True)
class Run(CommandLine):
    """``RUN COMMAND``; `mounts` are unparsed, because they may hold variables."""

    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[str, ...] = ()
    network: str = "default"
    security: str = "sandbox"


@dataclass(frozen=True, slots=True)
class Cmd(CommandLine):
    """``CMD COMMAND``."""


@dataclass(frozen=True, slots=True)
class Entrypoint(CommandLine):
    """``ENTRYPOINT COMMAND``."""


@dataclass(frozen=True, slots=True)
class Expose(Instruction):
    """``EXPOSE PORT[/PROTOCOL] …``."""

    ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class User(Instruction):
    """``USER NAME[:GROUP]``."""

    user: str = ""


@dataclass(frozen=True, slots=True)
class Volume(Instruction):
    """``VOLUME PATH …``."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shell(Instruction):
    """``SHELL ["PROGRAM", "ARGUMENT", …]``."""

    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopsignal(Instruction):
    """``STOPSIGNAL SIGNAL``."""

    signal: str = ""


@dataclass(frozen=True, slots=True)
class Healthcheck(Instruction):
    """``HEALTHCHECK [OPTIONS] CMD COMMAND`` or ``HEALTHCHECK NONE``; a duration of 0 means the default."""

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Onbuild(Instruction):
    """``ONBUILD INSTRUCTION``: the trigger's own text, heredocs included."""

    trigger: str = ""


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed file: instructions in order, and what its directives and the parser had to say."""

    source: Source
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    directives: dict[str, str] = field(default_factory=dict)
    warnings: tuple[tuple[str, Location], ...] = ()
