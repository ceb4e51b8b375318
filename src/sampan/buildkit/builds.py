# SPDX-License-Identifier: Apache-2.0
"""The builds of one engine by their refs: those under way, the last ones, and through the history all that there were.

A client asks for a build and for its progress in two calls that may come in any order; with a gateway, what is to
be built comes in a third.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sampan.build.attestation.attestor import plan_attestors
from sampan.build.built import Built
from sampan.build.dockerfile.location import DockerfileError
from sampan.build.errors import BuildFailed
from sampan.build.exports.attached import Attestor
from sampan.build.exports.exporting import Exporting
from sampan.build.product import Product
from sampan.build.seams import BaseImage
from sampan.build.service import Builder
from sampan.buildkit.attributes import FRONTEND
from sampan.buildkit.caching import check_exports, plan_exports
from sampan.buildkit.exporting import export, parse_outputs, plan_exporters
from sampan.buildkit.history import describe_record, replay
from sampan.buildkit.messages.control import SolveRequest, StatusResponse
from sampan.buildkit.messages.gateway import ReturnRequest
from sampan.buildkit.messages.values import Status
from sampan.buildkit.record import BuildRecord
from sampan.buildkit.session import Session, Sessions, ended_with
from sampan.buildkit.solving import Outside, Solving
from sampan.buildkit.status import CANCELLED, status_of
from sampan.buildkit.uploads import Uploads
from sampan.errors import Conflict, InvalidArgument, NotFound, SampanError, Unsupported
from sampan.oci.platform import encode_platform

_HISTORY = 8
_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Solved:
    """The names of results by their platforms, and what is said of them."""

    refs: Mapping[str, str]
    metadata: Mapping[str, bytes]
    is_split: bool = False

    @property
    def first(self) -> str:
        """The name of the first; empty if there is none."""
        return next(iter(self.refs.values()), "")


def refuse_unsupported(request: SolveRequest) -> None:
    """Build graphs are not read."""
    if request.definition or request.inputs:
        raise Unsupported("building from a build graph is not supported: give a Dockerfile")


class Build:
    """A build under way, as a gateway's calls find it."""

    def __init__(self, record: BuildRecord, solving: Solving) -> None:
        self.record = record
        self.refs: dict[str, Built] = {}
        self.returned: asyncio.Future[ReturnRequest] = asyncio.get_running_loop().create_future()
        self.failure: SampanError | None = None
        self._solving = solving
        task = asyncio.current_task()
        assert task is not None
        self.task = task

    async def solve(self, frontend: str, attributes: Mapping[str, str]) -> Solved:
        """Solve a Dockerfile: the names of the results; or answer a question about it."""
        if frontend != FRONTEND:
            raise Unsupported(
                f"frontend {frontend or '(a build graph)'} is not supported: Dockerfiles are read by this engine"
            )
        self.record.frontend, self.record.attributes = frontend, dict(attributes)
        try:
            if "requestid" in attributes:
                return Solved({}, await self._solving.answer(attributes))
            product = await self._solving.solve(attributes, self.record)
        except SampanError as error:
            self.failure = as_build_failure(error)
            raise self.failure from error
        refs = {str(built.platform.plain): secrets.token_hex(12) for built in product}
        self.refs |= dict(zip(refs.values(), product, strict=True))
        return Solved(refs, describe_platforms(product.parts) if product.is_split else {}, product.is_split)

    async def resolve(self, name: str, *, pull: bool) -> BaseImage:
        """An image that the client asks about."""
        return await self._solving.images.resolve(name, None, pull=pull)

    def in_order(self, refs: Sequence[str]) -> list[str]:
        """Results in the order in which they were made: a client's map of them has none."""
        made = list(self.refs)
        return sorted(refs, key=lambda ref: made.index(ref) if ref in self.refs else len(made))

    @property
    def attestors(self) -> tuple[Attestor, ...]:
        """Who makes the attestations that the client wants of images."""
        return plan_attestors(self._solving.request) if self._solving.request is not None else ()

    async def export_caches(self, product: Product) -> dict[str, str]:
        """Write the caches that the client wants; what it is told of them."""
        if self._solving.request is not None:
            await product.export_caches(self._solving.request)
        return self._solving.caches.describe()

    def find(self, ref: str) -> Built:
        """A result by its name."""
        built = self.refs.get(ref)
        if built is None:
            raise NotFound(f"no such result of this build: {ref}")
        return built


class Builds:
    """All of them."""

    def __init__(self, builder: Builder, outside: Outside, sessions: Sessions) -> None:
        self._builder = builder
        self._outside = outside
        self._sessions = sessions
        self.history = builder.history
        self.uploads = Uploads()
        self._running: dict[str, Build] = {}
        self._records: dict[str, BuildRecord] = {}
        self._changed = asyncio.Condition()

    async def run(self, request: SolveRequest, *, folder: str = "") -> BuildRecord:
        """A build from its request to its export; its failure is raised, and kept in the record."""
        record = BuildRecord(request.ref, request.frontend, dict(request.frontend_attrs))
        async with self._recorded(record):
            refuse_unsupported(request)
            check_exports(request)
            record.exporters = plan_exporters(request)
            session = await self._sessions.get(request.session)
            async with ended_with(session):
                response = await self._build(record, request, session, folder)
            record.end(None, response)
        return record

    async def _build(
        self, record: BuildRecord, request: SolveRequest, session: Session, folder: str
    ) -> dict[str, str]:
        async with AsyncExitStack() as stack:
            solving = Solving(
                self._builder,
                self._outside,
                session,
                stack,
                folder=folder,
                cache_to=plan_exports(request, session),
                outputs=tuple(parse_outputs(record.exporters)),
            )
            build = Build(record, solving)
            with self._running_as(request.ref, build):
                await self._announce()
                return await self._outcome(build, request, session)

    async def _outcome(self, build: Build, request: SolveRequest, session: Session) -> dict[str, str]:
        """Solve what the request says, or what a gateway asks for meanwhile."""
        exporters = build.record.exporters
        if request.frontend:
            solved = await build.solve(request.frontend, request.frontend_attrs)
            refs, split = list(solved.refs.values()), solved.is_split
        else:
            refs, split = _chosen(await build.returned, build.failure)
        if not refs:
            return {}
        product = Product(tuple(map(build.find, build.in_order(refs))), split)
        exporting = Exporting(
            product,
            publisher=self._outside.publisher(session.credentials),
            attestors=build.attestors,
        )
        response = await export(product, exporters, session, exporting)
        return response | await build.export_caches(product)

    async def find(self, ref: str) -> Build:
        """A build under way; it may come a moment later."""
        await self._wait_for(lambda: ref in self._running or self._has_ended(ref), ref)
        if ref not in self._running:
            status = self._records[ref].status
            raise SampanError(status.message if status else f"build {ref} has ended")
        return self._running[ref]

    async def watch(self, ref: str) -> BuildRecord:
        """A build under way, or one of the last; it may come a moment later."""
        await self._wait_for(lambda: ref in self._records, ref)
        return self._records[ref]

    async def progress(self, ref: str) -> AsyncIterator[StatusResponse]:
        """What happens in a build, and has happened, whoever's it is; it may come a moment later."""
        await self._wait_for(lambda: ref in self._records or self.history.known(ref) is not None, ref)
        entry = self.history.known(ref)
        if ref in self._records or entry is None:
            async for response in self._records[ref].watch():
                yield response
            return
        async for response in replay(self.history, entry):
            yield response

    async def follow(self, ref: str, building: asyncio.Future[BuildRecord]) -> AsyncIterator[StatusResponse]:
        """The progress of a build that has just been asked for, until it ends."""
        begun = asyncio.ensure_future(self.watch(ref))
        try:
            await asyncio.wait([begun, building], return_when=asyncio.FIRST_COMPLETED)
            if begun.done() and begun.exception() is None:
                async for response in begun.result().watch():
                    yield response
        finally:
            begun.cancel()

    def cancel(self, ref: str) -> None:
        """Stop a build, if it is under way."""
        if ref in self._running:
            self._running[ref].task.cancel()

    async def close(self) -> None:
        """Stop all builds, and wait until nothing of them is left."""
        tasks = [build.task for build in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def forget(self, ref: str) -> None:
        """Remove a build from the history."""
        if ref in self._running:
            raise Conflict(f"build {ref} is under way")
        self.history.remove(ref)
        self._records.pop(ref, None)

    @contextlib.asynccontextmanager
    async def _recorded(self, record: BuildRecord) -> AsyncIterator[None]:
        if not record.ref or record.ref in self._records:
            raise InvalidArgument(f"build {record.ref or '(no ref)'} is there already")
        self._records[record.ref] = record
        self._shrink()
        try:
            with self.history.recorded(
                "buildkit", lambda: describe_record(record), ref=record.ref
            ) as recording:
                record.listener = recording.tell
                yield
                recording.response = record.response
        except SampanError as error:
            record.end(status_of(error))
            raise
        finally:
            if not record.completed_ns:
                record.end(Status(CANCELLED, "build cancelled"))
            await self._announce()

    @contextlib.contextmanager
    def _running_as(self, ref: str, build: Build) -> Iterator[None]:
        self._running[ref] = build
        try:
            yield
        finally:
            del self._running[ref]
            build.returned.cancel()
            self.uploads.release(ref)

    def _has_ended(self, ref: str) -> bool:
        return ref in self._records and bool(self._records[ref].completed_ns)

    def _shrink(self) -> None:
        ended = [record for record in self._records.values() if record.completed_ns]
        for record in ended[:-_HISTORY]:
            del self._records[record.ref]

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait_for(self, condition: object, ref: str) -> None:
        assert callable(condition)
        async with self._changed:
            try:
                async with asyncio.timeout(_WAIT_S):
                    await self._changed.wait_for(condition)
            except TimeoutError:
                raise NotFound(f"no such build: {ref}") from None


def as_build_failure(error: SampanError) -> SampanError:
    """What is wrong with a build is told without the name of a code, as BuildKit tells it."""
    if isinstance(error, NotFound | InvalidArgument) and not isinstance(error, DockerfileError):
        return BuildFailed(error.message, hint=error.hint)
    return error


def describe_platforms(parts: Sequence[Built]) -> dict[str, bytes]:
    """The metadata that tells clients which platforms a result has parts for."""
    platforms = [
        {"ID": str(part.platform.plain), "Platform": encode_platform(part.platform.plain)} for part in parts
    ]
    return {"refs.platforms": json.dumps({"Platforms": platforms}).encode()}


def _chosen(returned: ReturnRequest, failure: SampanError | None) -> tuple[list[str], bool]:
    """The results that a gateway wants exported, and whether they are parts; none if it has built nothing."""
    if returned.error is not None and returned.error.code:
        raise failure or SampanError(returned.error.message)
    result = returned.result
    if result is None:
        return [], False
    if result.refs is not None and result.refs.refs:
        return [ref.id for _, ref in sorted(result.refs.refs.items()) if ref.id], True
    return [result.ref.id] if result.ref is not None and result.ref.id else [], False
