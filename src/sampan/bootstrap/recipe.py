# SPDX-License-Identifier: Apache-2.0
"""What an image is made of, as a value.

A recipe carries everything that decides its outcome, the content of its files included: that is what the cache's
key is made of. Not here: reading it from a file (`recipe_file`), finding it (`catalogue`), carrying it out (`plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """An account that exists before the packages are installed, so that its numbers are the recipe's."""

    name: str
    uid: int
    gid: int
    home: str = "/nonexistent"
    shell: str = "/usr/sbin/nologin"


@dataclass(frozen=True, slots=True)
class File:
    """A file that is put into the image after the packages: `content` as it is, or a `link` to somewhere."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The part of the image config that a Dockerfile would set; None is "as the base recipe has it"."""

    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    user: str | None = None
    workdir: str | None = None
    stop_signal: str | None = None
    expose: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what an image contains."""

    name: str
    suite: str = ""
    summary: str = ""
    base: str | None = None
    aliases: tuple[str, ...] = ()
    variant: str = "apt"
    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    files: tuple[File, ...] = ()
    scripts: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    probes: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)


def extend_recipe(base: Recipe, recipe: Recipe) -> Recipe:
    """`recipe` on top of `base`: lists follow on from the base's, and what is not said is the base's."""
    return Recipe(
        name=recipe.name,
        suite=recipe.suite or base.suite,
        summary=recipe.summary,
        base=None,
        aliases=recipe.aliases,
        variant=base.variant,
        packages=base.packages + recipe.packages,
        exclude=base.exclude + recipe.exclude,
        keep=base.keep + recipe.keep,
        users=base.users + recipe.users,
        files=base.files + recipe.files,
        scripts=base.scripts + recipe.scripts,
        remove=base.remove + recipe.remove,
        probes={**base.probes, **recipe.probes},
        settings=_extend_settings(base.settings, recipe.settings),
    )


def _extend_settings(base: Settings, top: Settings) -> Settings:
    # As in a Dockerfile, an ENTRYPOINT of its own makes the base's CMD meaningless.
    cmd = top.cmd if top.cmd is not None or top.entrypoint is not None else base.cmd
    return Settings(
        env={**base.env, **top.env},
        entrypoint=base.entrypoint if top.entrypoint is None else top.entrypoint,
        cmd=cmd,
        user=base.user if top.user is None else top.user,
        workdir=base.workdir if top.workdir is None else top.workdir,
        stop_signal=base.stop_signal if top.stop_signal is None else top.stop_signal,
        expose=base.expose + top.expose,
        volumes=base.volumes + top.volumes,
        labels={**base.labels, **top.labels},
    )
