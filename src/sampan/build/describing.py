# SPDX-License-Identifier: Apache-2.0
"""What a Dockerfile offers, without building it: its targets, and what the wanted one takes (pure).

Implements: ``docker build --call targets`` and ``--call outline``, with the texts and the JSON of BuildKit's
`frontend/subrequests`. Variables whose names or values only a build can know are left as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import Location, Misuse, Source
from sampan.build.dockerfile.mounts import MountKind, RunMount, parse_mount
from sampan.build.solver import wanted_stages
from sampan.build.stages import Stage, StagePlan

_DIRECTIVE = re.compile(r"#\s*(?:syntax|escape|check)\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A stage that can be built."""

    name: str
    description: str
    base: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """A build argument, with the value that it has if nobody gives another."""

    name: str
    value: str
    description: str


@dataclass(frozen=True, slots=True)
class Need:
    """A secret or an agent that RUN mounts ask for."""

    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """What the wanted target takes."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    secrets: tuple[Need, ...]
    agents: tuple[Need, ...]


def list_targets(plan: StagePlan) -> tuple[Target, ...]:
    """The file's stages, in its order; the last one is built by default."""
    last = plan.stages[-1].index
    return tuple(
        Target(stage.name, _description(plan.source, stage), stage.start.base, stage.index == last)
        for stage in plan.stages
    )


def outline(plan: StagePlan, file: ins.Dockerfile, build_args: Mapping[str, str]) -> Outline:
    """What the stages that the target needs ask for."""
    stages = [plan.stages[index] for index in wanted_stages(plan)]
    mounts = [mount for stage in stages for mount in _mounts(stage)]
    return Outline(
        plan.target.name,
        _description(plan.source, plan.target),
        _arguments(plan, file, stages, build_args),
        _needs(mounts, MountKind.SECRET),
        _needs(mounts, MountKind.SSH),
    )


def _arguments(
    plan: StagePlan, file: ins.Dockerfile, stages: Sequence[Stage], build_args: Mapping[str, str]
) -> tuple[Argument, ...]:
    """Each argument once: with its own default, or that of the line above the first FROM."""
    found: dict[str, Argument] = {}
    first = plan.stages[0].start.location.start
    above = [line for line in file.instructions if line.location.start < first]
    for line in [*above, *(line for stage in stages for line in stage.instructions)]:
        if not isinstance(line, ins.Arg):
            continue
        comment = _comment_above(plan.source.text, line.location)
        for name, default in line.pairs:
            known = found.get(name)
            value = build_args.get(name, default if default is not None else plan.global_args.get(name))
            found[name] = Argument(
                name,
                value if value is not None else known.value if known else "",
                _without_name(comment, name) or (known.description if known else ""),
            )
    return tuple(found.values())


def _mounts(stage: Stage) -> Iterator[RunMount]:
    for line in stage.instructions:
        for text in line.mounts if isinstance(line, ins.Run) else ():
            try:
                yield parse_mount(text)
            except Misuse:  # only its variables' values make sense of it
                continue


def _needs(mounts: Sequence[RunMount], kind: MountKind) -> tuple[Need, ...]:
    found: dict[str, bool] = {}
    for mount in mounts:
        if mount.kind is kind:
            name = mount.id or mount.target.rpartition("/")[2] or "default"
            found[name] = found.get(name, False) or mount.required
    return tuple(Need(name, required) for name, required in found.items())


def _description(source: Source, stage: Stage) -> str:
    return _without_name(_comment_above(source.text, stage.start.location), stage.name)


def _without_name(comment: str, name: str) -> str:
    """A description begins with the name of what it describes; any other comment is none."""
    word, _, rest = comment.partition(" ")
    return rest.strip() if name and word.lower() == name.lower() else ""


def _comment_above(text: str, location: Location) -> str:
    lines = text.split("\n")[: location.start - 1]
    above = lines[-1].strip() if lines else ""
    return above[1:].strip() if above.startswith("#") and not _DIRECTIVE.match(above) else ""


def format_targets(targets: Sequence[Target]) -> str:
    """The table of ``--call targets``."""
    return _table(
        ("TARGET", "DESCRIPTION"), [(_shown_name(target), target.description) for target in targets]
    )


def _shown_name(target: Target) -> str:
    return f"{target.name} (default)".strip() if target.is_default else target.name


def format_outline(told: Outline) -> str:
    """The tables of ``--call outline``."""
    head = [("TARGET:", told.name or "(default)")]
    if told.description:
        head.append(("DESCRIPTION:", told.description))
    width = max(len(word) for word, _ in head) + 1
    parts = ["".join(f"{word:<{width}}{value}\n" for word, value in head)]
    if told.arguments:
        rows = [(one.name, one.value, one.description) for one in told.arguments]
        parts.append(_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows))
    for title, needs in (("SECRET", told.secrets), ("SSH", told.agents)):
        if needs:
            rows_of = [(need.name, "true" if need.required else "") for need in needs]
            parts.append(_table((title, "REQUIRED"), rows_of))
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) + 3 for column in range(len(head) - 1)]
    lines = ("".join(map(str.ljust, row[:-1], widths)) + row[-1] for row in (head, *rows))
    return "".join(line.rstrip() + "\n" for line in lines)


def targets_json(targets: Sequence[Target]) -> dict[str, object]:
    """BuildKit's ``targets.List``."""
    return {
        "targets": [
            {"name": one.name, "base": one.base}
            | ({"description": one.description} if one.description else {})
            | ({"default": True} if one.is_default else {})
            for one in targets
        ]
    }


def outline_json(told: Outline) -> dict[str, object]:
    """BuildKit's ``outline.Outline``."""
    return {
        "name": told.name,
        "description": told.description,
        "args": [
            {"name": one.name, "value": one.value, "description": one.description} for one in told.arguments
        ],
        "secrets": [{"name": one.name, "required": one.required} for one in told.secrets],
        "ssh": [{"name": one.name, "required": one.required} for one in told.agents],
    }
