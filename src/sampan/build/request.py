# SPDX-License-Identifier: Apache-2.0
"""What a build is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.build.attestation.options import Attestations
from sampan.build.caches.places import CachePlace
from sampan.build.exports.options import ExportOptions
from sampan.build.seams import (
    ContextSource,
    GivenSecrets,
    ImageSource,
    NoAgents,
    Publisher,
    Secrets,
    SshAgents,
    StepLimits,
)
from sampan.transport.opening import Surroundings


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One ``docker build``.

    `context` is a folder, read in place; `dockerfile` a path, relative to it or absolute, or the text itself
    as bytes. A `named_contexts` value is a folder or ``docker-image://REFERENCE``. A build argument whose
    value is None is as good as not given. `sources` has the contexts that are brought from a client, by name;
    "" is the main one, which then has no folder. `host_ca` None means the engine's default. What was built here is
    a cache anyway; `cache_from` and `cache_to` are further ones, reached by `transports`.
    """

    context: str
    dockerfile: str | bytes = "Dockerfile"
    tags: tuple[str, ...] = ()
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    target: str = ""
    no_cache: bool = False
    pull: bool = False
    network: str = "default"
    platform: str = ""
    extra_hosts: tuple[str, ...] = ()
    shm_size_bytes: int | None = None
    limits: StepLimits = field(default_factory=StepLimits)
    host_ca: bool | None = None
    named_contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=GivenSecrets)
    agents: SshAgents = field(default_factory=NoAgents)
    sources: Mapping[str, ContextSource] = field(default_factory=dict)
    cache_from: tuple[CachePlace, ...] = ()
    cache_to: tuple[CachePlace, ...] = ()
    transports: Surroundings | None = None
    no_cache_stages: tuple[str, ...] = ()
    reproducible: bool = False
    """Whether files are to be no younger than SOURCE_DATE_EPOCH, or where that is not given the context's newest."""
    repeats_steps: bool = False
    """Whether each step is run a second time, and the build fails where that gives something else."""
    images: ImageSource | None = None
    """Where FROM finds images; None is the builder's own source."""
    outputs: tuple[ExportOptions, ...] = (ExportOptions(),)
    """What becomes of the result; images get the `tags`, else the names that their output has."""
    publisher: Publisher | None = None
    attestations: Attestations = field(default_factory=Attestations)
    """What is to be said of images that are made, in an index beside them."""
    remote: str = ""
    """The URL that the context came from."""
    revision: Mapping[str, str] = field(default_factory=dict)
    """What the client says of the context's version control: ``source``, ``revision``; nobody has checked it."""

    @property
    def rewrites_times(self) -> bool:
        """Whether files get another time, if the arguments say which."""
        return self.reproducible or any(output.rewrites_times for output in self.outputs)

    @property
    def given_arguments(self) -> dict[str, str]:
        """The build arguments that have a value."""
        return {name: value for name, value in self.build_args.items() if value is not None}


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What its outputs answered, by BuildKit's keys, and the image's id; none where files were wanted."""

    response: Mapping[str, str]
    image_id: str = ""
