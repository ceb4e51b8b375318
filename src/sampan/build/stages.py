# SPDX-License-Identifier: Apache-2.0
"""Which stages a Dockerfile has, what each begins from, and which of them a target needs.

Implements: the Dockerfile reference, FROM, "Understand how ARG and FROM interact"; ``docker build --target``
and ``--build-context``.
Holds: pure. A stage that the target does not reach is parsed but never run, and its base is never resolved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import DockerfileError, Location, Misuse, Source
from sampan.build.dockerfile.mounts import MountKind, parse_mount
from sampan.build.dockerfile.nearest import suggest
from sampan.build.expand import Expander
from sampan.errors import InvalidArgument, SampanError
from sampan.oci.platform import Platform, parse_platform
from sampan.oci.reference import parse_reference

SCRATCH = "scratch"
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FromScratch:
    """Nothing at all."""


@dataclass(frozen=True, slots=True)
class FromContext:
    """The main build context, or the named one."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class FromStage:
    """Another stage of this file."""

    index: int


@dataclass(frozen=True, slots=True)
class FromImage:
    """An image, by its full reference or its id."""

    reference: str
    platform: Platform | None = None


Origin = FromScratch | FromContext | FromStage | FromImage


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and the instructions below it."""

    index: int
    name: str
    base: Origin
    start: ins.From
    instructions: tuple[ins.Instruction, ...]
    platform: Platform


@dataclass(frozen=True, slots=True)
class StagePlan:
    """All stages, the wanted one, and what the lines above the first FROM define."""

    source: Source
    escape: str
    stages: tuple[Stage, ...]
    target: Stage
    global_args: Mapping[str, str | None]
    contexts: Mapping[str, str] = field(default_factory=dict)

    def origin(self, name: str) -> Origin:
        """What ``--from=NAME`` means: a context, a stage by name or number, or an image."""
        context = _named_context(name, self.contexts)
        if context is not None:
            return context
        for other in self.stages:
            if name.lower() == other.name and other.name:
                return FromStage(other.index)
        if name.isdigit():
            if int(name) >= len(self.stages):
                raise Misuse(f"invalid stage index {name}")
            return FromStage(int(name))
        if name.lower() == SCRATCH:
            return FromScratch()
        return _image(name, None)

    def sources_of(self, stage: Stage, triggers: tuple[ins.Instruction, ...] = ()) -> tuple[Origin, ...]:
        """Everything a stage is made from: its base, and what its instructions read besides."""
        origins = [stage.base]
        for instruction in (*triggers, *stage.instructions):
            try:
                for name in _names_in(instruction):
                    origins.append(self.origin(name))
                    if isinstance(instruction, ins.Copy):
                        _require_earlier(name, origins[-1], stage)
            except Misuse as error:
                raise self.error(error.reason, instruction.location) from None
        return tuple(dict.fromkeys(origins))

    def error(self, reason: str, location: Location) -> DockerfileError:
        """An error that shows a place in this plan's file."""
        return DockerfileError(reason, source=self.source, location=location)


def plan_stages(
    dockerfile: ins.Dockerfile,
    *,
    target: str = "",
    build_args: Mapping[str, str],
    platform_args: Mapping[str, str],
    platform: Platform,
    contexts: Mapping[str, str] | None = None,
) -> StagePlan:
    """Cut the file into stages and find the target; errors name file and line."""
    contexts = {name.lower(): value for name, value in (contexts or {}).items()}
    reader = _StageReader(dockerfile, build_args, platform_args, platform, contexts)
    stages = reader.read()
    return StagePlan(
        source=dockerfile.source,
        escape=dockerfile.escape,
        stages=stages,
        target=_find_target(target, stages),
        global_args=reader.global_args,
        contexts=contexts,
    )


class _StageReader:
    def __init__(
        self,
        dockerfile: ins.Dockerfile,
        build_args: Mapping[str, str],
        platform_args: Mapping[str, str],
        platform: Platform,
        contexts: Mapping[str, str],
    ) -> None:
        self.dockerfile = dockerfile
        self.build_args = build_args
        self.platform = platform
        self.contexts = contexts
        self.expander = Expander(escape=dockerfile.escape)
        self.global_args: dict[str, str | None] = {
            name: build_args.get(name, value) for name, value in platform_args.items()
        }
        self.stages: list[Stage] = []

    def read(self) -> tuple[Stage, ...]:
        body: list[ins.Instruction] = []
        start: ins.From | None = None
        for instruction in self.dockerfile.instructions:
            try:
                if isinstance(instruction, ins.From):
                    self._finish(start, body)
                    start, body = instruction, []
                elif start is not None:
                    body.append(instruction)
                elif isinstance(instruction, ins.Arg):
                    self._define(instruction)
                else:
                    raise Misuse("no build stage in current context")
            except Misuse as error:
                raise self._error(error.reason, instruction.location) from None
        if start is None:
            last = self.dockerfile.instructions[-1].location
            raise self._error("dockerfile contains no stages to build", last)
        self._finish(start, body)
        return tuple(self.stages)

    def _define(self, instruction: ins.Arg) -> None:
        for name, default in instruction.pairs:
            name = self._expand(name)
            if name in self.build_args:
                self.global_args[name] = self.build_args[name]
            elif default is not None:
                self.global_args[name] = self._expand(default)
            else:
                self.global_args.setdefault(name, None)

    def _finish(self, start: ins.From | None, body: list[ins.Instruction]) -> None:
        if start is None:
            return
        try:
            base, platform = self._base(start)
        except Misuse as error:
            raise self._error(error.reason, start.location) from None
        self.stages.append(
            Stage(len(self.stages), start.stage_name, base, start, tuple(body), platform or self.platform)
        )

    def _base(self, start: ins.From) -> tuple[Origin, Platform | None]:
        """A context may take the place of the whole stage, or of its base."""
        platform = self._platform(start.platform)
        if start.stage_name and (context := _named_context(start.stage_name, self.contexts)) is not None:
            return context, platform
        name = self._expand(start.base)
        if not name:
            raise Misuse(f"base name ({start.base}) should not be blank")
        if (context := _named_context(name, self.contexts)) is not None:
            return context, platform
        for stage in reversed(self.stages):
            if stage.name == name.lower():
                return FromStage(stage.index), platform or stage.platform
        if name.lower() == SCRATCH:
            return FromScratch(), None  # as BuildKit: nothing is nothing on any platform
        return _image(name, platform), platform

    def _platform(self, text: str) -> Platform | None:
        if not text:
            return None
        expanded = self._expand(text)
        if not expanded:
            raise Misuse(f"empty platform value from expression {text}")
        try:
            return parse_platform(expanded)
        except SampanError:
            raise Misuse(
                f'failed to parse platform {expanded}: "{expanded}": '
                "cannot parse platform specifier: invalid argument"
            ) from None

    def _expand(self, text: str) -> str:
        known = {name: value for name, value in self.global_args.items() if value is not None}
        return self.expander.word(text, known)

    def _error(self, reason: str, location: Location) -> DockerfileError:
        return DockerfileError(reason, source=self.dockerfile.source, location=location)


def _find_target(target: str, stages: tuple[Stage, ...]) -> Stage:
    if not target:
        return stages[-1]
    for stage in stages:
        if stage.name == target.lower():
            return stage
    if target.isdigit() and int(target) < len(stages):
        return stages[int(target)]
    near = suggest(target, [stage.name for stage in stages if stage.name])
    raise InvalidArgument(f'target stage "{target}" could not be found{near}')


def _require_earlier(name: str, origin: Origin, stage: Stage) -> None:
    """COPY looks back only; what stages need of each other in mounts is a matter of circles."""
    if isinstance(origin, FromStage) and origin.index > stage.index:
        raise Misuse(
            f'cannot copy from stage "{name}", it needs to be defined '
            f'before current stage "{stage.name or stage.index}"'
        )


def _named_context(name: str, contexts: Mapping[str, str]) -> Origin | None:
    """The context of that name, also when an image's name is written another way than the context's."""
    key = name.lower()
    if key not in contexts:
        full = _full_name(key)
        key = next((other for other in contexts if full and _full_name(other) == full), "")
    if not key:
        return None
    value = contexts[key]
    if value.startswith("docker-image://"):
        return _image(value.removeprefix("docker-image://"), None)
    return FromContext(key)


def _full_name(name: str) -> str:
    try:
        return str(parse_reference(name))
    except SampanError:
        return ""


def _image(name: str, platform: Platform | None) -> FromImage:
    if _IMAGE_ID.fullmatch(name):
        return FromImage(name, platform)
    try:
        return FromImage(str(parse_reference(name)), platform)
    except SampanError as error:
        raise Misuse(f'failed to parse stage name "{name}": {error}') from None


def _names_in(instruction: ins.Instruction) -> list[str]:
    if isinstance(instruction, ins.Copy) and instruction.source_stage:
        return [instruction.source_stage]
    if isinstance(instruction, ins.Run):
        mounts = [_mount_source(text) for text in instruction.mounts]
        return [name for name in mounts if name]
    return []


def _mount_source(text: str) -> str:
    """``from=`` of a mount whose other fields may still hold variables."""
    fields = [field for field in text.split(",") if field.lower().startswith(("from=", "type="))]
    if not any(field.lower().startswith("from=") for field in fields):
        return ""
    mount = parse_mount(",".join([*fields, "target=/"]))
    return mount.source_stage if mount.kind in (MountKind.BIND, MountKind.CACHE) else ""
