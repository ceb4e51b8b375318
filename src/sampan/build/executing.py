# SPDX-License-Identifier: Apache-2.0
"""One step: its key, then either what the cache has under it, or the work.

Copies have two keys. The quick one names the stage or image that the files come from; only when it is not known
are the files themselves looked at, and the answer is remembered under both.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace

from sampan.build import keys
from sampan.build.cache import Result
from sampan.build.comparing import make, repeat
from sampan.build.copying import Picked, pick, write_copy, write_workdir
from sampan.build.emulation import explain_foreign, is_foreign, read_emulators
from sampan.build.errors import BuildFailed, process_failed
from sampan.build.files.copy import Written
from sampan.build.files.select import SourceChanged
from sampan.build.git import GitSource, is_git_url, parse_git_url
from sampan.build.mounting import PlannedMount, describe_mount
from sampan.build.origins import ContextFolder, Origin, Root
from sampan.build.patterns import PatternSet
from sampan.build.remote import Fetched, fetch, file_name, proxies_of
from sampan.build.reporter import Vertex
from sampan.build.running import network_of, run_program
from sampan.build.services import StepServices
from sampan.build.steps import CopyStep, RunStep, Step, WorkdirStep
from sampan.errors import SampanError
from sampan.oci.platform import host_platform

_URL = re.compile(r"https?://")


class StepRunner:
    """Executes the steps of one build."""

    def __init__(self, services: StepServices) -> None:
        self.services = services

    async def workdir(self, step: WorkdirStep, parent: Result, vertex: Vertex) -> Result:
        """WORKDIR."""

        async def work(active: str) -> None:
            await self.services.blocking.run(write_workdir, self.services, step, active, parent)

        return await self._cached(step, lambda base: keys.workdir_key(base, step), parent, vertex, work)

    async def run(
        self, step: RunStep, parent: Result, planned: tuple[PlannedMount, ...], vertex: Vertex
    ) -> Result:
        """RUN."""
        services = self.services
        services.facts.note_mounts(mount.mount for mount in planned)
        parts = [await services.blocking.run(describe_mount, services, mount) for mount in planned]
        platform = step.platform
        foreign = str(platform.plain) if platform and is_foreign(platform, host_platform()) else ""

        def key_of(base: str) -> str:
            network = network_of(services, step)
            return keys.run_key(
                base, step, parts, network=network, hosts=services.extra_hosts, foreign=foreign
            )

        async def work(active: str) -> None:
            try:
                code = await run_program(services, step, active, parent, planned, vertex.log)
            except SampanError as error:
                if platform is None:
                    raise
                raise explain_foreign(error, platform, host_platform(), read_emulators()) from error
            if code != 0:
                raise BuildFailed(
                    process_failed(step.arguments, code), exit_code=code, arguments=step.arguments
                )

        return await self._cached(step, key_of, parent, vertex, work)

    async def copy(self, step: CopyStep, parent: Result, origin: Origin, vertex: Vertex) -> Result:
        """COPY and ADD."""
        alias = keys.copy_alias(parent.identity, step, origin.identity) if isinstance(origin, Root) else ""
        alias = self.services.times.key(alias) if alias else ""
        if alias and (known := self._find_alias(alias)) is not None:
            return _hit(known, vertex)
        try:
            result = await self._copy_from(step, parent, origin, vertex)
        except SourceChanged:  # somebody writes into the context: hash copies of the files, and copy those
            with self.services.workplace.temporary_folder() as stage:
                result = await self._copy_from(step, parent, origin, vertex, stage)
        if alias:
            self.services.cache.put_alias(alias, result.key)
        return result

    async def _copy_from(
        self, step: CopyStep, parent: Result, origin: Origin, vertex: Vertex, stage: str = ""
    ) -> Result:
        with ExitStack() as stack:
            picked = await self._pick_all(step, origin, vertex, stack, stage)
            latest_ns = self.services.times.latest_ns
            contents = [await self.services.blocking.run(part.content, latest_ns) for part in picked]
            place = origin.path if isinstance(origin, ContextFolder) else "root"
            signature = self.services.times.key(keys.copy_signature(step, place))
            return await self._copy_picked(step, parent, picked, contents, signature, vertex)

    async def _copy_picked(
        self,
        step: CopyStep,
        parent: Result,
        picked: list[Picked],
        contents: list[str],
        signature: str,
        vertex: Vertex,
    ) -> Result:
        services = self.services
        written: dict[str, Written] = {}

        async def work(active: str) -> None:
            earlier = services.cache.find_earlier(signature)
            copied = await services.blocking.run(write_copy, services, step, active, parent, picked, earlier)
            written.update(copied)

        def key_of(base: str) -> str:
            return keys.copy_key(base, step, contents)

        result = await self._cached(step, key_of, parent, vertex, work)
        if written:
            await services.blocking.run(services.workplace.save_manifest, result.identity, written)
            services.cache.put_earlier(signature, result.identity, result.key)
        return result

    async def _pick_all(
        self, step: CopyStep, origin: Origin, vertex: Vertex, stack: ExitStack, stage: str
    ) -> list[Picked]:
        local = [
            source
            for source in step.sources
            if not (step.is_add and (_URL.match(source) or is_git_url(source)))
        ]
        services = self.services
        picked = []
        if local:
            opened = pick(services, origin, local, step, stage=stage)
            picked.append(await services.blocking.run(stack.enter_context, opened))
        for url in step.sources:
            if url not in local and (repository := parse_git_url(url)) is not None:
                folder = await self._check_out(repository, step, vertex, stack)
                found = pick(services, folder, [repository.subdir or "."], step)
                picked.append(await services.blocking.run(stack.enter_context, found))
            elif url not in local:
                folder = await self._download(url, step, vertex, stack)
                found = pick(services, folder, [file_name(url)], step, is_remote=True)
                picked.append(await services.blocking.run(stack.enter_context, found))
        return picked

    async def _check_out(
        self, repository: GitSource, step: CopyStep, vertex: Vertex, stack: ExitStack
    ) -> ContextFolder:
        services = self.services
        folder = stack.enter_context(services.workplace.temporary_folder())
        wanted = replace(
            repository,
            keep_git_dir=step.keep_git_dir or repository.keep_git_dir,
            commit=step.checksum or repository.commit,
        )
        loop = asyncio.get_running_loop()

        def say(data: bytes) -> None:
            loop.call_soon_threadsafe(vertex.log, 2, data)

        commit = await services.blocking.run(
            services.workplace.repositories.check_out,
            wanted,
            folder,
            env=services.proxy_env,
            is_stopped=services.blocking.is_stopped,
            say=say,
        )
        services.facts.note_git(repository.remote, commit)
        return ContextFolder(folder, PatternSet(()))

    async def _download(self, url: str, step: CopyStep, vertex: Vertex, stack: ExitStack) -> ContextFolder:
        services = self.services
        folder = services.workplace.download_folder(url)
        known = services.workplace.known_download(url)

        loop = asyncio.get_running_loop()

        def tell(current: int, total: int) -> None:
            vertex.status(f"downloading {file_name(url)}", current, total=total)

        def progress(current: int, total: int) -> None:
            loop.call_soon_threadsafe(tell, current, total)

        fetched: Fetched = await services.blocking.run(
            fetch,
            url,
            stack.enter_context(services.workplace.temporary_folder()),
            checksum=step.checksum,
            known=known,
            proxies=proxies_of(services.proxy_env),
            progress=progress,
            is_stopped=services.blocking.is_stopped,
        )
        if fetched.folder:
            await services.blocking.run(services.workplace.keep_download, url, fetched)
        if services.facts.are_wanted:
            await services.blocking.run(services.facts.note_download, url, f"{folder}/{file_name(url)}")
        return ContextFolder(folder, PatternSet(()))

    async def _cached(
        self,
        step: Step,
        key_of: Callable[[str], str],
        parent: Result,
        vertex: Vertex,
        work: Callable[[str], Awaitable[None]],
    ) -> Result:
        """The result with this key, from here or elsewhere, made by the work if there is none."""
        times, comparison = self.services.times, self.services.comparison
        result = await self._find_or_make(lambda base: times.key(key_of(base)), parent, vertex, work)
        if comparison is not None:
            await repeat(self.services, step, result, parent, vertex, work, comparison)
        return result

    async def _find_or_make(
        self,
        key_of: Callable[[str], str],
        parent: Result,
        vertex: Vertex,
        work: Callable[[str], Awaitable[None]],
    ) -> Result:
        services = self.services
        key = key_of(parent.identity)
        async with services.cache.only_one(key):
            known = services.made.get(key)
            if known is None and not services.no_cache:
                known = await self._find(key, key_of, parent)
            if known is not None:
                return _hit(known, vertex)
            with services.active(parent) as active:
                await make(services, active, work)
                made = services.cache.put(key, active, description=vertex.name, parent=parent.identity)
            services.made[key] = made
            return made

    async def _find(self, key: str, key_of: Callable[[str], str], parent: Result) -> Result | None:
        services = self.services
        known = services.cache.find(key)
        if services.imports is None:
            return known
        if known is None:
            return await services.imports.find(services, key_of, parent)
        services.imports.note(key_of, parent, known)
        return known

    def _find_alias(self, alias: str) -> Result | None:
        if self.services.no_cache or self.services.comparison is not None:
            return None
        return self.services.cache.find_alias(alias)


def _hit(result: Result, vertex: Vertex) -> Result:
    vertex.cached = True
    return result
