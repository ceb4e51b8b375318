# SPDX-License-Identifier: Apache-2.0
"""One build for a client of a session: its files fetched, our builder's request made, the target solved."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

from sampan.build.arguments import proxy_environment
from sampan.build.caches.places import CachePlace
from sampan.build.calls import answer_call
from sampan.build.dockerignore import ignore_file_names
from sampan.build.exports.options import ExportOptions
from sampan.build.origins import read_ignore_file
from sampan.build.patterns import PatternSet
from sampan.build.product import Product
from sampan.build.request import BuildRequest
from sampan.build.seams import ContextSource, ImageSource, Publisher
from sampan.build.service import Builder
from sampan.buildkit.agents import SessionAgents
from sampan.buildkit.attributes import Wanted, parse_attributes
from sampan.buildkit.caching import CachePlan, plan_imports
from sampan.buildkit.contexts import BroughtContext, SessionContext, SessionFiles
from sampan.buildkit.questions import (
    DESCRIBE,
    LINT,
    OUTLINE,
    TARGETS,
    format_answer,
    format_lint,
    format_questions,
)
from sampan.buildkit.record import BuildRecord
from sampan.buildkit.session import Session
from sampan.errors import InvalidArgument, Unsupported
from sampan.registry.credentials import Credentials
from sampan.transport.opening import Surroundings

CredentialsOf = Callable[[str], Awaitable[Credentials]]


class Outside(Protocol):
    """Registries, for builds with the log-ins of who asks."""

    def images(self, credentials_of: CredentialsOf) -> ImageSource:
        """Where base images are found."""

    def publisher(self, credentials_of: CredentialsOf) -> Publisher:
        """Where images are pushed."""

    def caches(self, accounts: Mapping[str, Credentials]) -> Surroundings:
        """Where caches are read and written."""


class Solving:
    """One build's part that comes before its export; everything fetched for it goes with `stack`.

    A `folder` is a context with its Dockerfile that has come by another way.
    """

    def __init__(
        self,
        builder: Builder,
        outside: Outside,
        session: Session,
        stack: AsyncExitStack,
        *,
        folder: str = "",
        cache_to: tuple[CachePlace, ...] = (),
        outputs: tuple[ExportOptions, ...] = (),
    ) -> None:
        self._builder = builder
        self._outside = outside
        self.images = outside.images(session.credentials)
        self._session = session
        self._folder = folder
        self._cache_to = cache_to
        self._outputs = outputs
        self.request: BuildRequest | None = None
        self.caches = CachePlan()
        self._stack = stack
        self._files = SessionFiles(session, builder.workplace, stack)

    async def solve(self, attributes: Mapping[str, str], record: BuildRecord) -> Product:
        """Build the target that the attributes name."""
        caches = CachePlan(self._cache_to, plan_imports(attributes, self._session))
        accounts = {name: await self._session.credentials(name) for name in caches.registries}
        request = replace(
            await self._plan(parse_attributes(attributes)),
            outputs=self._outputs,
            cache_to=caches.exports,
            cache_from=caches.imports,
            transports=self._outside.caches(accounts),
        )
        self.request, self.caches = request, caches
        return await self._stack.enter_async_context(self._builder.solve(request, record.tell))

    async def answer(self, attributes: Mapping[str, str]) -> dict[str, bytes]:
        """A question about the Dockerfile instead of a build."""
        wanted = parse_attributes(attributes)
        if wanted.request_id == DESCRIBE:
            return format_questions()
        if wanted.request_id in (OUTLINE, TARGETS):
            method = wanted.request_id.removeprefix("frontend.")
            told = await answer_call(self._builder, await self._plan(wanted), method)
            return format_answer(told.value, told.text)
        if wanted.request_id != LINT:
            raise Unsupported(f"build method {wanted.request_id} is not supported")
        request = await self._plan(wanted)
        context = request.sources.get("")
        ignored = PatternSet(context.excluded if isinstance(context, SessionContext) else ())
        return format_lint(await self._builder.check(request, ignored))

    async def _plan(self, wanted: Wanted) -> BuildRequest:
        folder, sources = await self._fetch(wanted)
        return BuildRequest(
            context=folder,
            dockerfile=_inside(wanted.filename),
            build_args=wanted.build_args,
            labels=wanted.labels,
            target=wanted.target,
            no_cache=wanted.no_cache,
            no_cache_stages=wanted.no_cache_stages,
            pull=wanted.pull,
            network=wanted.network,
            platform=wanted.platform,
            extra_hosts=wanted.extra_hosts,
            shm_size_bytes=wanted.shm_size_bytes,
            limits=wanted.limits,
            named_contexts={**wanted.images, **{name: f"client:{name}" for name in wanted.folders}},
            sources=sources,
            secrets=self._session,
            agents=SessionAgents(self._session, self._builder.workplace),
            images=self.images,
            attestations=wanted.attestations,
            remote=wanted.remote,
            revision=wanted.revision,
        )

    async def _fetch(self, wanted: Wanted) -> tuple[str, dict[str, ContextSource]]:
        """The folder that has the Dockerfile, and the contexts; an archive is both."""
        sources: dict[str, ContextSource] = {}
        for name, folder in wanted.folders.items():
            ignored = await self._fetch_ignore_file(folder)
            sources[name] = SessionContext(self._files, folder, _texts(ignored))
        brought = await self._bring(wanted)
        if brought and not wanted.has_dockerfile:
            return brought, sources
        filename = _inside(wanted.filename)
        names = ignore_file_names(filename)[:1]
        place = await self._files.fetch(
            wanted.dockerfile_folder, purpose="dockerfile", followed=(filename, *names)
        )
        if brought:
            sources[""] = BroughtContext(brought)
            return place, sources
        own = read_ignore_file(place, names[0])
        ignored = own if own is not None else await self._fetch_ignore_file(wanted.context_folder)
        sources[""] = SessionContext(self._files, wanted.context_folder, _texts(ignored))
        return place, sources

    async def _bring(self, wanted: Wanted) -> str:
        """The folder of a context that is not a folder of the client's; empty if it is one."""
        if wanted.upload:
            return await self._files.fetch_upload(wanted.upload)
        if wanted.remote:
            proxies = proxy_environment(wanted.build_args)
            context = self._builder.context_of(io.BytesIO(), wanted.remote, proxies=proxies)
            return await self._stack.enter_async_context(context)
        return self._folder

    async def _fetch_ignore_file(self, folder: str) -> PatternSet:
        name = ".dockerignore"
        place = await self._files.fetch(folder, purpose="ignore", followed=(name,))
        return read_ignore_file(place, name) or PatternSet(())


def _inside(filename: str) -> str:
    """The Dockerfile's name, which is below the client's folder whatever it says."""
    cleaned = posixpath.normpath("/" + filename).lstrip("/")
    if not cleaned or "\0" in cleaned:
        raise InvalidArgument(f"filename: {filename!r} is no name for a file")
    return cleaned


def _texts(patterns: PatternSet) -> list[str]:
    return [f"!{pattern.text}" if pattern.is_exception else pattern.text for pattern in patterns.patterns]
