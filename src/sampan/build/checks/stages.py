# SPDX-License-Identifier: Apache-2.0
"""Checks of stages: their names, their FROM lines, and instructions that undo each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sampan.build.checks import rules
from sampan.build.checks.rules import Finding
from sampan.build.checks.variables import Recorder
from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import Location, Misuse
from sampan.build.dockerfile.nearest import suggest
from sampan.build.expand import Expander
from sampan.build.stages import FromStage, Stage, StagePlan
from sampan.errors import SampanError
from sampan.oci.platform import parse_platform
from sampan.oci.reference import parse_reference

_RESERVED = ("context", "scratch")
_WILDCARDS = "*?["


def check_stages(
    plan: StagePlan,
    file: ins.Dockerfile,
    *,
    platform_args: Mapping[str, str],
    is_ignored: Callable[[str], bool] | None,
) -> Iterator[Finding]:
    """Findings stage by stage; `is_ignored` says of a path in the context whether .dockerignore keeps it out."""
    yield from _names(plan)
    declared = _declared(file, platform_args)
    for stage in plan.stages:
        yield from _from_variables(stage, declared, plan.escape)
        yield from _from_platform(stage)
        yield from _overridden(stage)
        yield from _shell_forms(plan, stage)
        yield from _relative_workdirs(plan, stage)
        if is_ignored is not None:
            yield from _ignored_sources(stage, is_ignored)


def _names(plan: StagePlan) -> Iterator[Finding]:
    seen: set[str] = set()
    for stage in plan.stages:
        if not stage.name:
            continue
        if stage.name in _RESERVED:
            yield rules.RESERVED_STAGE_NAME.finding(stage.start.location, stage.name)
        if stage.name in seen:
            yield rules.DUPLICATE_STAGE_NAME.finding(stage.start.location, stage.name)
        seen.add(stage.name)


def _declared(file: ins.Dockerfile, platform_args: Mapping[str, str]) -> dict[str, str | None]:
    """The global arguments with their defaults alone, as they are when nobody gives any."""
    defaults: dict[str, str | None] = dict(platform_args)
    expander = Expander(escape=file.escape)
    for line in file.instructions:
        if not isinstance(line, ins.Arg):
            break
        known = {name: value for name, value in defaults.items() if value is not None}
        for name, value in line.pairs:
            try:
                defaults[name] = None if value is None else expander.word(value, known)
            except Misuse:
                defaults[name] = None
    return defaults


def _from_variables(stage: Stage, declared: Mapping[str, str | None], escape: str) -> Iterator[Finding]:
    known = Recorder({name: value or "" for name, value in declared.items()})
    base = _expand(stage.start.base, known, escape)
    _expand(stage.start.platform, known, escape)
    for name in known.missed:
        yield rules.UNDEFINED_ARG_IN_FROM.finding(stage.start.location, name, suggest(name, declared))
    if "$" in stage.start.base and not known.missed and not _is_name(base):
        yield rules.INVALID_DEFAULT_ARG_IN_FROM.finding(stage.start.location, stage.start.base)


def _expand(text: str, known: Recorder, escape: str) -> str:
    try:
        return Expander(escape=escape).word(text, known)
    except Misuse:
        return ""


def _is_name(text: str) -> bool:
    try:
        parse_reference(text)
    except SampanError:
        return False
    return True


def _from_platform(stage: Stage) -> Iterator[Finding]:
    text = stage.start.platform
    if text in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        yield rules.REDUNDANT_TARGET_PLATFORM.finding(stage.start.location, text)
    if text and "$" not in text and not _is_named_after(stage.name, text):
        yield rules.FROM_PLATFORM_FLAG_CONST_DISALLOWED.finding(stage.start.location, text)


def _is_named_after(name: str, platform: str) -> bool:
    """``build_amd64`` says itself that it is for one platform, to be chosen by ``FROM build_$TARGETARCH``."""
    try:
        wanted = parse_platform(platform)
    except SampanError:
        return False
    return bool(name) and (wanted.architecture in name or wanted.os in name)


def _overridden(stage: Stage) -> Iterator[Finding]:
    """Of CMD, ENTRYPOINT and HEALTHCHECK the last one counts; the others are what to look at."""
    last: dict[str, Location] = {}
    for line in stage.instructions:
        if isinstance(line, ins.Cmd | ins.Entrypoint | ins.Healthcheck):
            if line.name in last:
                yield rules.MULTIPLE_INSTRUCTIONS_DISALLOWED.finding(last[line.name], line.name)
            last[line.name] = line.location


def _shell_forms(plan: StagePlan, stage: Stage) -> Iterator[Finding]:
    """A shell that the file chose is meant to be between the kernel's signals and the program."""
    chosen = any(
        isinstance(line, ins.Shell) for parent in _ancestors(plan, stage) for line in parent.instructions
    )
    for line in stage.instructions:
        chosen = chosen or isinstance(line, ins.Shell)
        if isinstance(line, ins.Cmd | ins.Entrypoint) and line.is_shell and line.arguments and not chosen:
            yield rules.JSON_ARGS_RECOMMENDED.finding(line.location, line.name)


def _relative_workdirs(plan: StagePlan, stage: Stage) -> Iterator[Finding]:
    known = any(_sets_workdir(line) for parent in _ancestors(plan, stage) for line in parent.instructions)
    for line in stage.instructions:
        if isinstance(line, ins.Workdir) and not known and not line.path.startswith(("/", "$")):
            yield rules.WORKDIR_RELATIVE_PATH.finding(line.location, line.path)
        known = known or _sets_workdir(line)


def _sets_workdir(line: ins.Instruction) -> bool:
    return isinstance(line, ins.Workdir) and line.path.startswith(("/", "$"))


def _ancestors(plan: StagePlan, stage: Stage) -> Iterator[Stage]:
    while isinstance(stage.base, FromStage):
        stage = plan.stages[stage.base.index]
        yield stage


def _ignored_sources(stage: Stage, is_ignored: Callable[[str], bool]) -> Iterator[Finding]:
    for line in stage.instructions:
        if not isinstance(line, ins.Transfer) or (isinstance(line, ins.Copy) and line.source_stage):
            continue
        for source in line.sources:
            if "://" in source or "$" in source or any(char in source for char in _WILDCARDS):
                continue
            if is_ignored(source):
                yield rules.COPY_IGNORED_FILE.finding(line.location, line.name, source)
