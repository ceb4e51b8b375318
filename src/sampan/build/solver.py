# SPDX-License-Identifier: Apache-2.0
"""Solve a plan: resolve bases, compile stages when their base is known, and execute their steps.

    stage ──base──→ image | other stage | nothing | folder       each stage is one task; those that do not
      │ steps, one after the other                               need each other run at the same time
      └─COPY --from, RUN --mount=from──→ other stage | image | context

A step's result is a committed snapshot with an identity. The step's key is the digest of the identity of the
tree it starts from, of what the step says, and of the content of the files that it reads (``keys``); the cache
(``cache``) maps keys to results. A result that was made again has a new identity, so that everything above it is
looked up anew; the one exception are copied files, which count by content.

Holds: a stage that the target does not reach is never run. A cancelled or failed build leaves no active
snapshot; one that is killed leaves only such as the next start removes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from errno import ENOSPC
from typing import Any, TypeVar

from sampan.build import origins
from sampan.build.cache import Result
from sampan.build.compile import CompiledStage, StageNumbers, compile_stage
from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import DockerfileError, Misuse
from sampan.build.dockerfile.mounts import MountKind, RunMount
from sampan.build.dockerfile.parser import parse_trigger
from sampan.build.draft import Draft
from sampan.build.errors import BuildFailed
from sampan.build.executing import StepRunner
from sampan.build.loading import ContextLoads
from sampan.build.mounting import PlannedMount
from sampan.build.patterns import PatternSet
from sampan.build.reporter import Reporter, Vertex
from sampan.build.seams import BaseImage, ContextSource, ImageSource
from sampan.build.services import StepServices
from sampan.build.stages import FromContext, FromImage, FromScratch, FromStage, Origin, Stage, StagePlan
from sampan.build.steps import CopyStep, RunStep, Step, WorkdirStep
from sampan.build.wanted import wanted_paths
from sampan.errors import DiskFull, Internal, NotFound, SampanError, Unavailable, Unsupported
from sampan.metadata.images import LayerTable
from sampan.oci.config import History
from sampan.oci.platform import Platform

_T = TypeVar("_T")
_EMPTY = Result(identity="scratch", snapshot=None)


@dataclass(frozen=True, slots=True)
class Base:
    """What a stage stands on: the base image's own layers and history, and the steps of the stages between."""

    diff_ids: tuple[str, ...] = ()
    history: tuple[History, ...] = ()
    created_ns: int | None = None
    layers: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class SolvedStage:
    """A stage that has been executed: its tree, and everything its image is made of."""

    compiled: CompiledStage
    result: Result
    base: Base

    @property
    def draft(self) -> Draft:
        """The image config."""
        return self.compiled.draft


class Solver:
    """One build's stages, each solved once."""

    def __init__(
        self,
        plan: StagePlan,
        services: StepServices,
        *,
        images: ImageSource,
        layers: LayerTable,
        contexts: Mapping[str, origins.ContextFolder | ContextSource],
        build_args: Mapping[str, str],
        reporter: Reporter,
        pull: bool,
        uncached: Collection[str] = (),
        loads: ContextLoads | None = None,
        several: Platform | None = None,
    ) -> None:
        """`several` is the platform of this plan if the build has one for each of several, which share `loads`."""
        self.plan = plan
        self._loads = loads or ContextLoads(reporter)
        self._several = several
        self.services = services
        self.runner = StepRunner(services)
        self._fresh = StepRunner(replace(services, no_cache=True))
        self._uncached = frozenset(name.lower() for name in uncached)
        self.reporter = reporter
        self._images = images
        self._layers = layers
        self._contexts = contexts
        self._build_args = build_args
        self._pull = pull
        self._wanted = wanted_stages(plan)
        self._tasks: dict[object, asyncio.Task[Any]] = {}
        self._group = asyncio.TaskGroup()
        self.used: list[Result] = []

    async def solve(self) -> SolvedStage:
        """The target's stage; BuildFailed (or DockerfileError) is the first failure."""
        try:
            async with self._group:
                for index in self._wanted:
                    self.stage(index)
        except BaseExceptionGroup as group:
            raise first_failure(group) from group
        solved: SolvedStage = self._tasks["stage", self.plan.target.index].result()
        return solved

    def _once(self, name: object, start: Callable[[], Coroutine[Any, Any, _T]]) -> asyncio.Task[_T]:
        """The task of that name, started by whoever asks first."""
        if name not in self._tasks:
            self._tasks[name] = self._group.create_task(start())
        return self._tasks[name]

    def stage(self, index: int) -> asyncio.Task[SolvedStage]:
        """Another stage's result, to be awaited."""
        return self._once(("stage", index), lambda: self._solve_stage(self.plan.stages[index]))

    async def _solve_stage(self, stage: Stage) -> SolvedStage:
        draft, result, base = await self._begin(stage)
        triggers = self._triggers(draft, stage)
        compiled = compile_stage(
            self.plan, stage, draft, triggers, build_args=self._build_args, numbers=self._numbers(stage)
        )
        result = await self._show_base(stage, compiled, result)
        made: list[Result] = []
        is_fresh = not self._uncached.isdisjoint((stage.name or "", str(stage.index)))
        for step in compiled.steps:
            result = await self._step(step, result, self._fresh if is_fresh else self.runner)
            made.append(result)
        layers = (*base.layers, *made)
        if self.services.imports is not None:
            layers = self.services.imports.lineage(layers)
        return SolvedStage(compiled, result, replace(base, layers=layers))

    async def _begin(self, stage: Stage) -> tuple[Draft, Result, Base]:
        """The config, the tree and the history that a stage begins with."""
        match stage.base:
            case FromScratch():
                return Draft.from_scratch(), _EMPTY, Base()
            case FromContext():
                raise self.plan.error("a folder cannot be the base of a stage", stage.start.location)
            case FromStage(index=index):
                parent = await self.stage(index)
                return parent.draft.child(), parent.result, parent.base
            case FromImage():
                image = await self._image(stage.base, stage)
                return Draft.from_image(image.config), self._tree_of(image), _base_of(image)

    def _triggers(self, draft: Draft, stage: Stage) -> tuple[ins.Instruction, ...]:
        try:
            return tuple(parse_trigger(text, escape=self.plan.escape) for text in draft.take_triggers())
        except Misuse as error:
            raise self.plan.error(error.reason, stage.start.location) from None

    async def _show_base(self, stage: Stage, compiled: CompiledStage, result: Result) -> Result:
        if isinstance(stage.base, FromImage):
            image = await self._image(stage.base, stage)
            name = f"{compiled.vertex_prefix} FROM {stage.base.reference}"
            with self.reporter.vertex(name, (compiled.start,)) as vertex:
                vertex.result = image.id.short
        return result

    async def _image(self, origin: FromImage, stage: Stage) -> BaseImage:
        return await self._once(("image", origin), lambda: self._resolve(origin, stage))

    async def _resolve(self, origin: FromImage, stage: Stage) -> BaseImage:
        name = f"[internal] load metadata for {origin.reference}"
        with self.reporter.vertex(name) as vertex:
            platform = origin.platform or stage.platform
            try:
                image = await self._images.resolve(origin.reference, platform, pull=self._pull)
            except (NotFound, Unavailable, Unsupported) as error:
                raise BuildFailed(
                    error.message,
                    vertex=vertex.name,
                    source=self.plan.source,
                    location=stage.start.location,
                    hint=error.hint,
                ) from error
            self.services.facts.note_image(origin.reference, (platform or image.config.platform).plain, image)
            return image

    def _tree_of(self, image: BaseImage) -> Result:
        chain = image.config.chain_ids
        if not chain:
            return _EMPTY
        tree = base_tree(self._layers, str(chain[-1]))
        if tree is None:
            raise Internal(f"image {image.id.short}: its layer {chain[-1]} is missing")
        return tree

    async def _step(self, step: Step, parent: Result, runner: StepRunner) -> Result:
        opened = await self._open_origins(step)
        with self.reporter.vertex(step.name, step.marks) as vertex:
            try:
                result = await self._execute(step, parent, opened, vertex, runner)
            except DockerfileError:
                raise
            except (SampanError, OSError) as error:
                raise self._located(error, step) from error
            if not result.parent:  # results of older versions do not say it themselves
                result = replace(result, parent=parent.identity)
            vertex.result = short_id(result)
            self._use(result)
            return result

    def _use(self, result: Result) -> None:
        self.services.cache.hold(result.key)
        self.used.append(result)

    async def _open_origins(self, step: Step) -> list[origins.Origin | None]:
        """What the step reads besides its own stage: waited for before the step begins."""
        if isinstance(step, CopyStep):
            return [await self._open(step.origin)]
        if isinstance(step, RunStep):
            return [
                await self._open(mount.origin) if _reads_files(mount.mount) else None for mount in step.mounts
            ]
        return []

    async def _execute(
        self,
        step: Step,
        parent: Result,
        opened: list[origins.Origin | None],
        vertex: Vertex,
        runner: StepRunner,
    ) -> Result:
        if isinstance(step, RunStep):
            pairs = zip(step.mounts, opened, strict=True)
            planned = tuple(PlannedMount(mount.mount, origin) for mount, origin in pairs)
            return await runner.run(step, parent, planned, vertex)
        if isinstance(step, CopyStep):
            assert opened[0] is not None
            return await runner.copy(step, parent, opened[0], vertex)
        assert isinstance(step, WorkdirStep)
        return await runner.workdir(step, parent, vertex)

    async def _open(self, origin: Origin) -> origins.Origin:
        """A context as its folder, everything else as the directories of a root filesystem."""
        match origin:
            case FromContext(name=name):
                return await self._context(name)
            case FromScratch():
                return origins.Root((), _EMPTY.identity)
            case FromStage(index=index):
                result = (await self.stage(index)).result
            case FromImage():
                result = self._tree_of(await self._image(origin, self.plan.target))
        return origins.Root(self.services.lowers(result), result.identity)

    async def _context(self, name: str) -> origins.ContextFolder:
        """A folder that is here, or one that is brought when it is first needed."""
        context = self._contexts[name]
        if isinstance(context, origins.ContextFolder):
            return context
        return await self._once(("context", name), lambda: self._load_context(name, context))

    async def _load_context(self, name: str, source: ContextSource) -> origins.ContextFolder:
        folder = await self._loads.load(name, source, await self._wanted_paths(name))
        return origins.ContextFolder(folder, PatternSet(()))

    async def _wanted_paths(self, name: str) -> tuple[str, ...] | None:
        """What of a context is read; a base image's triggers may read anything."""
        for index in self._wanted:
            stage = self.plan.stages[index]
            if (
                isinstance(stage.base, FromImage)
                and (await self._image(stage.base, stage)).config.config.on_build
            ):
                return None
        return wanted_paths(self.plan, self._wanted, name)

    def _located(self, error: SampanError | OSError, step: Step) -> BuildFailed:
        if isinstance(error, OSError) and error.errno == ENOSPC:
            error = DiskFull(self.services.snapshots.root)
        message = str(error) if isinstance(error, SampanError) else describe_os_error(error)
        return BuildFailed(
            message,
            vertex=step.name,
            exit_code=error.exit_code if isinstance(error, BuildFailed) else None,
            arguments=error.arguments if isinstance(error, BuildFailed) else (),
            source=self.plan.source,
            location=step.location,
            hint=error.hint if isinstance(error, SampanError) else None,
        )

    def _numbers(self, stage: Stage) -> StageNumbers:
        counts = {index: 1 + len(self.plan.stages[index].instructions) for index in self._wanted}
        first = 1 + sum(count for index, count in counts.items() if index < stage.index)
        words = [(stage.name or f"stage-{stage.index}")] if len(self.plan.stages) > 1 else []
        if self._several is not None:
            words.insert(0, describe_pair(stage.platform.plain, self._several.plain))
        return StageNumbers(first, sum(counts.values()), " ".join(words))


def describe_pair(own: Platform, target: Platform) -> str:
    """The platform that a stage runs on, and the one it builds for where that is another."""
    if own.os != target.os:
        return f"{own}->{target}"
    return str(own) if own == target else f"{own}->{str(target).partition('/')[2]}"


def base_tree(layers: LayerTable, identity: str) -> Result | None:
    """A base image's tree by its chain ID, or the empty one; None if it is not here."""
    if identity == _EMPTY.identity:
        return _EMPTY
    layer = layers.get(identity)
    return Result(identity=identity, snapshot=layer.snapshot) if layer is not None else None


def wanted_stages(plan: StagePlan) -> list[int]:
    """The stages that the target needs, in the file's order; an error if they need each other in a circle."""
    done: set[int] = set()
    open_stages: list[int] = []

    def visit(index: int) -> None:
        if index in open_stages:
            first = plan.stages[min(open_stages[open_stages.index(index) :])]
            name = first.name or f"stage-{first.index}"
            raise plan.error(f"circular dependency detected on stage: {name}", first.start.location)
        if index in done:
            return
        open_stages.append(index)
        for origin in plan.sources_of(plan.stages[index]):
            if isinstance(origin, FromStage):
                visit(origin.index)
        open_stages.pop()
        done.add(index)

    visit(plan.target.index)
    return sorted(done)


def first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that people are told: one of ours before any other."""
    leaves = [
        first_failure(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions
    ]
    return next((error for error in leaves if isinstance(error, SampanError)), leaves[0])


def _reads_files(mount: RunMount) -> bool:
    """Whether a mount shows files of a stage or a context; a cache does when it begins as one of them."""
    return mount.kind is MountKind.BIND or bool(mount.kind is MountKind.CACHE and mount.source_stage)


def short_id(result: Result) -> str:
    """Twelve characters to tell results apart."""
    return result.identity.rpartition(":")[2].removeprefix("build-")[:12]


def describe_os_error(error: OSError) -> str:
    """The kernel's word with what it is about."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}".lower() if not place else f"{place}{error.strerror}"


def _base_of(image: BaseImage) -> Base:
    config = image.config
    return Base(
        diff_ids=tuple(str(diff_id) for diff_id in config.diff_ids),
        history=config.history,
        created_ns=config.created_ns,
    )
