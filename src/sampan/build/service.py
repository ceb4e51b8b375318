# SPDX-License-Identifier: Apache-2.0
"""The builder as the engine has it: one object for all builds of one data root."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sampan.build.arguments import platform_arguments, proxy_environment
from sampan.build.attestation.attestor import plan_attestors
from sampan.build.attestation.facts import note_request
from sampan.build.blocking import Blocking
from sampan.build.bringing import bring_context, unpack_context
from sampan.build.built import Built
from sampan.build.cache import BuildCache, read_boot_id
from sampan.build.cache_choice import CacheChoice
from sampan.build.caches.inbound import Imports
from sampan.build.caches.outbound import Sent
from sampan.build.caches.places import CachePlace
from sampan.build.caches.using import open_imports
from sampan.build.caches.whole import Brought, export_whole, import_whole
from sampan.build.checking import Checked, check
from sampan.build.checks.rules import Finding
from sampan.build.checks.run import fail_on
from sampan.build.comparing import Comparison
from sampan.build.dockerfile.instructions import Dockerfile
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.exports.exporting import Exporting, require_name
from sampan.build.files.reading import read_small_file
from sampan.build.history.store import BuildHistory
from sampan.build.limits import CacheLimits
from sampan.build.loading import ContextLoads
from sampan.build.origins import ContextFolder, open_context
from sampan.build.outgoing import SendTo
from sampan.build.patterns import PatternSet
from sampan.build.platforms import is_split, parse_platforms, solve_all
from sampan.build.product import Product
from sampan.build.pruning import EVERYTHING, describe_cache, prune_cache
from sampan.build.reporter import Reporter
from sampan.build.reproducible import date_arguments, plan_times
from sampan.build.request import BuildRequest, BuildResult
from sampan.build.seams import BaseImage, ContextSource, Executor, ImageSource
from sampan.build.services import StepServices, Workplace
from sampan.build.solver import Solver, base_tree
from sampan.build.stages import StagePlan, plan_stages
from sampan.content.store import ContentStore
from sampan.errors import InvalidArgument, NotFound, SampanError
from sampan.image.store import ImageNotFound, ImageStore
from sampan.image.variants import PlatformNotHere
from sampan.linux.tree import remove_tree
from sampan.metadata.database import Database
from sampan.oci.platform import Platform, host_platform
from sampan.oci.reference import parse_reference
from sampan.snapshot.store import SnapshotStore
from sampan.transport.opening import Surroundings

if TYPE_CHECKING:
    from sampan.build.progress import Progress

_log = logging.getLogger(__name__)

_THREADS = 8
_MAX_DOCKERFILE_BYTES = 16 << 20


class Spawn(Protocol):
    """Runs something behind everybody's back."""

    def __call__(self, work: Coroutine[Any, Any, None], /, *, name: str) -> object:
        """Begin."""


@dataclass(frozen=True, slots=True)
class LocalImages:
    """Only the images that are here; the place where pulling will be added."""

    images: ImageStore

    async def resolve(self, reference: str, platform: Platform | None, *, pull: bool) -> BaseImage:
        """The image of that name; one that was made here is for whatever platform its maker says."""
        del pull
        try:
            image = self.images.resolve(reference)
        except ImageNotFound:
            familiar = _familiar(reference)
            raise NotFound(
                f"failed to resolve source metadata for {reference}: {familiar}: not found",
                hint=f"make it with `sampan bootstrap {familiar}`, load or import it,"
                f" or give another in its place: --build-context {familiar}=docker-image://IMAGE",
            ) from None
        with contextlib.suppress(PlatformNotHere):
            return self.images.resolve(reference, platform)
        return image


class Builder:
    """Builds images; keeps what its steps made."""

    def __init__(
        self,
        *,
        images: ImageStore,
        snapshots: SnapshotStore,
        database: Database,
        content: ContentStore,
        executor: Executor,
        root: str,
        source: ImageSource | None = None,
        limits: CacheLimits | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        self.cache = BuildCache(database, snapshots, boot_id=read_boot_id())
        self.workplace = Workplace(root)
        self.history = BuildHistory(database, f"{root}/history")
        self._images = images
        self._snapshots = snapshots
        self._content = content
        self._executor = executor
        self._source = source or LocalImages(images)
        self._limits = limits or CacheLimits()
        self._spawn = spawn
        self._is_sweeping = False
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="build")
        images.layers.is_pinned = self.cache.is_pinned

    async def build(
        self,
        request: BuildRequest,
        progress: Callable[[Progress], None],
        *,
        send: SendTo | None = None,
    ) -> BuildResult:
        """Build, and make the outputs; what happens is told to `progress`, in this loop's thread.

        The bytes of an archive or of files are sent with the number of their output.
        """
        references = [parse_reference(tag) for tag in request.tags]
        for output in request.outputs:
            require_name(output, references)
        async with self.solve(request, progress) as product:
            exporting = Exporting(
                product, names=references, publisher=request.publisher, attestors=plan_attestors(request)
            )
            response: dict[str, str] = {}
            for number, output in enumerate(request.outputs):
                response |= await exporting.export(output, partial(send, number) if send else None)
            await product.export_caches(request)
            return BuildResult(response, exporting.image_id)

    @contextlib.asynccontextmanager
    async def solve(
        self, request: BuildRequest, progress: Callable[[Progress], None]
    ) -> AsyncIterator[Product]:
        """Build all but the image; the block makes of it what it wants."""
        reporter = Reporter(progress)
        blocking = Blocking(self._pool)
        build_args = request.given_arguments
        with reporter.vertex("[internal] load build definition from Dockerfile") as vertex:
            dockerfile = await blocking.run(read_dockerfile, request)
            size = len(dockerfile.source.text.encode("utf-8", "surrogateescape"))
            vertex.status("transferring dockerfile:", size, completed=True)
        build_args = await blocking.run(date_arguments, request, build_args)
        platforms = parse_platforms(request.platform)
        split = is_split(platforms, build_args)
        plans = {one: _plan(request, dockerfile, build_args, one) for one in platforms}
        with reporter.vertex("[internal] load .dockerignore"):
            contexts = await blocking.run(_open_contexts, request)
        await self._warn(request, dockerfile, plans, contexts.get(""), reporter)
        caches = AsyncExitStack()
        imports = await open_imports(
            () if request.no_cache else request.cache_from,
            request.transports,
            reporter,
            partial(base_tree, self._images.layers.table),
            caches,
        )
        services = self._services(request, blocking, build_args, imports)
        services.facts.source = dockerfile.source
        loads = ContextLoads(reporter)
        solvers = [
            Solver(
                plan,
                services,
                images=request.images or self._source,
                layers=self._images.layers.table,
                contexts=contexts,
                build_args=build_args,
                reporter=reporter,
                pull=request.pull,
                uncached=request.no_cache_stages,
                loads=loads,
                several=platform if split else None,
            )
            for platform, plan in plans.items()
        ]
        labels = {name: value or "" for name, value in request.labels.items()}
        try:
            solved = await solve_all(solvers)
            if services.comparison is not None and services.comparison.differing:
                raise services.comparison.failure(dockerfile.source)
            parts = [
                Built(
                    stage,
                    services,
                    self._images,
                    platform if split else solver.plan.target.platform,
                    labels,
                    reporter,
                    solver.used,
                )
                for platform, solver, stage in zip(platforms, solvers, solved, strict=True)
            ]
            yield Product(tuple(parts), split)
        finally:
            for uri, (kind, digest) in services.facts.materials.items():
                reporter.material(uri, f"{kind}:{digest}")
            await caches.aclose()
            used = [result.key for solver in solvers for result in solver.used]
            self.cache.let_go(used)
            self.cache.touch(used)
            await blocking.run(self._tidy)
            self._start_sweep()

    def _start_sweep(self) -> None:
        """Hold the cache to its limits, in the background, unless that goes on already."""
        if self._limits.enabled and self._spawn is not None and not self._is_sweeping:
            self._is_sweeping = True
            self._spawn(self._sweep_cache(), name="build cache sweep")

    async def _sweep_cache(self) -> None:
        disk_bytes = shutil.disk_usage(self._snapshots.root).total
        try:
            removed, freed = await self.prune(choice=self._limits.choice(disk_bytes))
        except (SampanError, OSError) as error:
            _log.warning("build cache: cannot be swept: %s", error)
        else:
            if removed:
                _log.info("build cache: %d results of long ago removed, %d bytes freed", len(removed), freed)
        finally:
            self._is_sweeping = False

    async def _warn(
        self,
        request: BuildRequest,
        dockerfile: Dockerfile,
        plans: Mapping[Platform, StagePlan],
        context: ContextFolder | ContextSource | None,
        reporter: Reporter,
    ) -> None:
        """What the checks find is a warning, or the end where the file says ``check=error=true``.

        Nothing is fetched for that: what a base image that is not here sets is not known. What several platforms
        have in common is told once.
        """
        told: list[Finding] = []
        for platform, plan in plans.items():
            checked = await check(
                dockerfile,
                plan,
                build_args=request.given_arguments,
                platform_args=platform_arguments(host_platform(), platform, request.target),
                images=LocalImages(self._images),
                ignored=context.ignored if isinstance(context, ContextFolder) else PatternSet(()),
            )
            for finding in checked.findings:
                if finding not in told:
                    told.append(finding)
                    reporter.warn_of(finding, checked.source)
            if checked.findings and checked.is_error:
                raise fail_on(checked.findings)

    async def plan(self, request: BuildRequest) -> tuple[Dockerfile, StagePlan]:
        """The request's Dockerfile and its stages."""
        dockerfile = await Blocking(self._pool).run(read_dockerfile, request)
        platform = parse_platforms(request.platform)[0]
        return dockerfile, _plan(request, dockerfile, request.given_arguments, platform)

    async def check(self, request: BuildRequest, ignored: PatternSet) -> Checked:
        """Check the request's Dockerfile and build nothing; `ignored` is what its context leaves out."""
        dockerfile = await Blocking(self._pool).run(read_dockerfile, request)
        build_args = request.given_arguments
        platform = parse_platforms(request.platform)[0]
        plan = _plan(request, dockerfile, build_args, platform)
        return await check(
            dockerfile,
            plan,
            build_args=build_args,
            platform_args=platform_arguments(host_platform(), platform, request.target),
            images=request.images or self._source,
            ignored=ignored,
        )

    def _tidy(self) -> None:
        """Delete what steps that came to nothing have left, and keep what was learnt about the contexts."""
        self._snapshots.purge()
        self.workplace.digests.save()

    @contextlib.asynccontextmanager
    async def context_of(
        self, body: BinaryIO, remote: str = "", *, proxies: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """A context that came as a tar, compressed or not, unpacked; gone after the block.

        `remote` is a git repository, checked out, or a URL: of an archive, or of a Dockerfile that needs no more.
        """
        path = tempfile.mkdtemp(dir=self.workplace.temporary)
        own_thread = ThreadPoolExecutor(1, thread_name_prefix="context")  # its sender may be slow
        work = Blocking(own_thread)
        try:
            if remote:
                yield await work.run(
                    bring_context, remote, path, self.workplace, proxies or {}, work.is_stopped
                )
            else:
                await work.run(unpack_context, body, path)
                yield path
        finally:
            own_thread.shutdown(wait=False)
            await asyncio.to_thread(remove_tree, path)

    def describe_cache(self) -> list[dict[str, Any]]:
        """The Engine API's BuildCache records."""
        return describe_cache(self.cache, self._snapshots, self.workplace.cache_mounts)

    async def prune(
        self, *, everything: bool = False, choice: CacheChoice = EVERYTHING
    ) -> tuple[list[str], int]:
        """Forget results that no build uses: the ids, and the bytes that this freed."""
        return await asyncio.to_thread(
            prune_cache,
            self.cache,
            self._snapshots,
            self._images,
            self.workplace,
            everything=everything,
            choice=choice,
        )

    async def export_cache(self, place: CachePlace, around: Surroundings, *, mounts: bool) -> Sent:
        """Write the whole cache to a place."""
        return await export_whole(self._bare_services(), place, around, mounts=mounts)

    async def import_cache(self, place: CachePlace, around: Surroundings, *, mounts: bool) -> Brought:
        """Bring a whole cache from a place."""
        base_of = partial(base_tree, self._images.layers.table)
        return await import_whole(self._bare_services(), place, around, base_of, mounts=mounts)

    def _bare_services(self) -> StepServices:
        return self._services(BuildRequest(""), Blocking(self._pool), {})

    def sweep(self) -> None:
        """At start-up: remove what builds that were killed left behind."""
        kept = {record.snapshot for record in self._images.layers.table.list()}
        self.cache.sweep(kept)
        self.history.sweep()
        self.workplace.sweep({str(record.document["identity"]) for record in self.cache.records()})

    def _services(
        self,
        request: BuildRequest,
        blocking: Blocking,
        build_args: dict[str, str],
        imports: Imports | None = None,
    ) -> StepServices:
        return StepServices(
            snapshots=self._snapshots,
            cache=self.cache,
            executor=self._executor,
            workplace=self.workplace,
            blocking=blocking,
            no_cache=request.no_cache,
            network=request.network,
            extra_hosts=request.extra_hosts,
            shm_size_bytes=request.shm_size_bytes,
            limits=request.limits,
            host_ca=request.host_ca,
            proxy_env=proxy_environment(build_args),
            secrets=request.secrets,
            agents=request.agents,
            imports=imports,
            inline_cache=any(place.kind == "inline" for place in request.cache_to),
            times=plan_times(request, build_args),
            comparison=Comparison() if request.repeats_steps else None,
            facts=note_request(request, build_args, self.workplace.repositories.commit_of(request.context)),
        )


def read_dockerfile(request: BuildRequest) -> Dockerfile:
    """Read and parse the Dockerfile: from the request, from the context, or from anywhere else."""
    if isinstance(request.dockerfile, bytes):
        return parse_dockerfile(request.dockerfile.decode("utf-8", "surrogateescape"))
    try:
        raw = read_small_file(request.context, request.dockerfile, _MAX_DOCKERFILE_BYTES)
    except OSError as error:
        raise NotFound(
            f"failed to read dockerfile: open {request.dockerfile}: {(error.strerror or '').lower()}"
        ) from None
    name = os.path.basename(request.dockerfile) if os.path.isabs(request.dockerfile) else request.dockerfile
    return parse_dockerfile(raw.decode("utf-8", "surrogateescape"), name=name)


def _plan(
    request: BuildRequest, dockerfile: Dockerfile, build_args: dict[str, str], platform: Platform
) -> StagePlan:
    return plan_stages(
        dockerfile,
        target=request.target,
        build_args=build_args,
        platform_args=platform_arguments(host_platform(), platform, request.target),
        platform=platform,
        contexts=request.named_contexts,
    )


def _open_contexts(request: BuildRequest) -> dict[str, ContextFolder | ContextSource]:
    """The main context under "", and the named ones that are folders; a client's are brought when needed."""
    dockerfile = request.dockerfile if isinstance(request.dockerfile, str) else ""
    contexts: dict[str, ContextFolder | ContextSource] = {
        name.lower(): source for name, source in request.sources.items()
    }
    if "" not in contexts:
        contexts[""] = open_context(request.context, dockerfile=dockerfile)
    for name, value in request.named_contexts.items():
        if not value.startswith("docker-image://") and name.lower() not in contexts:
            if "://" in value:
                raise InvalidArgument(f"build context {name}={value} is not supported")
            contexts[name.lower()] = open_context(value)
    return contexts


def _familiar(reference: str) -> str:
    try:
        return parse_reference(reference).familiar()
    except InvalidArgument:
        return reference
