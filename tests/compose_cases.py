# SPDX-License-Identifier: Apache-2.0
"""The projects of tests/cases/compose: where they lie, and how their outputs name that place.

A case is a folder with a compose.yaml; `flags` are the project flags of its command line, `expected.*` what
the real Docker Compose makes of it (tools/compose_goldens.py writes those), and a file `not-run` says why it
is not brought up.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sampan.cli.compose_flags import PROJECT_FLAGS
from sampan.cli.flags import parse_flags
from sampan.compose.discovery import Invocation
from sampan.compose.loading import load_project
from sampan.compose.project import Project
from sampan.compose.sources import LoadOptions

CASES = Path(__file__).parent / "cases" / "compose"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root"}


def case_names() -> list[str]:
    return sorted(path.name for path in CASES.iterdir() if (path / "compose.yaml").exists())


def copy_case(name: str, directory: Path) -> Path:
    """The case in a place of its own, so that nothing of it depends on where the tests are."""
    return Path(shutil.copytree(CASES / name, directory / name))


def case_flags(place: Path) -> list[str]:
    flags = place / "flags"
    return flags.read_text().split() if flags.exists() else []


def load_case(place: Path, **given: bool) -> Project:
    """The project as a command of the case sees it."""
    options, _ = parse_flags(PROJECT_FLAGS, case_flags(place))
    invocation = Invocation(
        cwd=str(place),
        environ=ENVIRONMENT,
        files=tuple(options.several("file")),
        profiles=tuple(options.several("profile")),
    )
    loaded = load_project(
        invocation, LoadOptions(cwd=str(place), home="/root", warn=lambda _line: None, **given)
    )
    return loaded.with_needed_resources()


def load_text(directory: Path, text: str, *, environ: dict[str, str] | None = None, **given: bool) -> Project:
    """The project of one compose.yaml."""
    (directory / "compose.yaml").write_text(text)
    invocation = Invocation(cwd=str(directory), environ=environ or {}, project_name="demo")
    return load_project(
        invocation, LoadOptions(cwd=str(directory), home="/root", warn=lambda _line: None, **given)
    )
