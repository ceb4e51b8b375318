# SPDX-License-Identifier: Apache-2.0
"""``sampan compose [OPTIONS] COMMAND``: the flags of the project, and how a subcommand gets its project.

A subcommand asks `load_project` (or `load_tree`) for what its flags mean; nothing of `sampan.compose` is
imported before that, so help and mistakes in flags cost nothing.
"""

from __future__ import annotations

import os

from sampan.cli.compose_flags import PROJECT_FLAGS
from sampan.cli.flags import FlagError, parse_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.cli.context import Context
    from sampan.compose.discovery import Found, Invocation
    from sampan.compose.project import Project
    from sampan.compose.sources import LoadOptions
    from sampan.compose.tree import Table

_ANSI = ("never", "always", "auto")
_PROGRESS = ("", "auto", "tty", "plain", "json", "quiet")
_STDIN = 0


def take_project_flags(context: Context, words: list[str]) -> list[str]:
    """Read the flags that stand before the subcommand; gives the words from the subcommand on."""
    options, rest = parse_flags(PROJECT_FLAGS, words, interspersed=False)
    if options.text("ansi") not in _ANSI:
        raise FlagError(f'invalid value for --ansi: {options.text("ansi")}: use "never", "always" or "auto"')
    if options.text("progress") not in _PROGRESS:
        raise FlagError(f'unsupported --progress value "{options.text("progress")}"')
    context.compose = options
    return ["--help"] if options.switch("help") else rest


def make_invocation(context: Context) -> Invocation:
    """What the command line says of where the project is."""
    from sampan.compose.discovery import Invocation

    options = context.compose
    return Invocation(
        cwd=os.getcwd(),
        environ=context.environ,
        files=tuple(options.several("file")),
        project_name=options.text("project-name"),
        profiles=tuple(options.several("profile")),
        env_files=tuple(options.several("env-file")),
        project_directory=options.text("project-directory"),
    )


def make_load_options(context: Context, **given: Any) -> LoadOptions:
    """How the project is read; `given` are fields of `LoadOptions`."""
    from sampan.compose.sources import LoadOptions

    return LoadOptions(
        home=context.environ.get("HOME", ""),
        cwd=os.getcwd(),
        warn=context.out.warn,
        read_stdin=_read_stdin,
        fetch=lambda name: _fetch(context, name),
        **given,
    )


def load_project(context: Context, services: Sequence[str] = (), **given: Any) -> Project:
    """The project, narrowed to `services` and what they need; resources that nothing needs are left out."""
    from sampan.compose.loading import load_project as load

    given.setdefault("normalize", not context.compose.switch("compatibility"))
    project = load(make_invocation(context), make_load_options(context, **given))
    project = project.with_enabled(services).with_selected(services)
    return project if context.compose.switch("all-resources") else project.with_needed_resources()


def load_tree(context: Context, **given: Any) -> tuple[Found, Table]:
    """The tree of the project before it becomes a model."""
    from sampan.compose.loading import load_tree as load

    return load(make_invocation(context), make_load_options(context, **given))


def _fetch(context: Context, name: str) -> str:
    from sampan.cli.compose_published import fetch_project

    return fetch_project(context, name)


def _read_stdin() -> bytes:
    with open(_STDIN, "rb", closefd=False) as file:
        return file.read()
