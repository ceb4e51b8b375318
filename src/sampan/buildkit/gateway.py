# SPDX-License-Identifier: Apache-2.0
"""moby.buildkit.v1.frontend.LLBBridge: the calls by which a client steers a build that it has begun.

Implements: what buildx calls: Solve, Return, Warn, ResolveImageConfig, and looking into results. A call names its
build in its metadata.
Not here: containers in the middle of a build (``buildx debug``), and results that are attached to none.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sampan import __version__
from sampan.build.built import Built
from sampan.build.patterns import PatternSet
from sampan.buildkit.builds import Build, Builds
from sampan.buildkit.messages import gateway as messages
from sampan.buildkit.messages.control import VertexWarning
from sampan.buildkit.messages.files import Stat, go_mode
from sampan.buildkit.messages.gateway import Empty
from sampan.buildkit.protobuf import Message
from sampan.buildkit.rpc import Call, unary
from sampan.buildkit.workers import describe_caps, describe_worker
from sampan.errors import InvalidArgument, NotFound, Unsupported
from sampan.linux.resolve import open_in_root, open_parent_in_root
from sampan.oci.platform import host_platform

_PREFIX = "/moby.buildkit.v1.frontend.LLBBridge/"
_BUILD_ID = "buildkit-controlapi-buildid"
_MAX_FILE_BYTES = 15 << 20

Metadata = Mapping[str, str]


class Gateway:
    """The service of one engine."""

    def __init__(self, builds: Builds) -> None:
        self._builds = builds

    def methods(self) -> dict[str, Call]:
        """The methods by their paths."""
        methods = {
            "Ping": unary(Empty, self._ping),
            "Solve": unary(messages.SolveRequest, self._solve),
            "Return": unary(messages.ReturnRequest, self._return),
            "Warn": unary(messages.WarnRequest, self._warn),
            "Inputs": unary(Empty, self._inputs),
            "Evaluate": unary(messages.EvaluateRequest, self._evaluate),
            "ReadFile": unary(messages.ReadFileRequest, self._read_file),
            "ReadDir": unary(messages.ReadDirRequest, self._read_dir),
            "StatFile": unary(messages.StatFileRequest, self._stat_file),
            "ResolveImageConfig": unary(messages.ResolveImageConfigRequest, self._resolve),
        }
        return {_PREFIX + name: method for name, method in methods.items()}

    async def _build(self, metadata: Metadata) -> Build:
        ref = metadata.get(_BUILD_ID, "")
        if not ref:
            raise InvalidArgument("gateway: the call names no build")
        return await self._builds.find(ref)

    async def _built(self, ref: str, metadata: Metadata) -> Built:
        return (await self._build(metadata)).find(ref)

    async def _ping(self, _: Empty, __: Metadata) -> Message:
        return describe_caps(describe_worker(__version__, host_platform()))

    async def _inputs(self, _: Empty, __: Metadata) -> Message:
        return Empty()

    async def _solve(self, request: messages.SolveRequest, metadata: Metadata) -> Message:
        build = await self._build(metadata)
        if request.inputs or (request.definition and request.frontend):
            raise Unsupported("building from a build graph is not supported: give a Dockerfile")
        if not request.frontend and not request.definition:
            return messages.SolveResponse(result=messages.Result(ref=messages.Ref()))
        solved = await build.solve(request.frontend, request.frontend_opt)
        if not request.allow_result_return:
            return messages.SolveResponse(solved.first)
        result = messages.Result(metadata=dict(solved.metadata))
        if solved.is_split:
            named = {platform: messages.Ref(ref) for platform, ref in solved.refs.items()}
            result.refs = messages.RefMap(named)
        else:
            result.ref = messages.Ref(solved.first)
        return messages.SolveResponse(result=result)

    async def _return(self, request: messages.ReturnRequest, metadata: Metadata) -> Message:
        build = await self._build(metadata)
        if not build.returned.done():
            build.returned.set_result(request)
        return Empty()

    async def _warn(self, request: messages.WarnRequest, metadata: Metadata) -> Message:
        (await self._build(metadata)).record.warn(
            VertexWarning(
                request.digest,
                request.level,
                request.short,
                request.detail,
                request.url,
                request.info,
                request.ranges,
            )
        )
        return Empty()

    async def _evaluate(self, request: messages.EvaluateRequest, metadata: Metadata) -> Message:
        await self._built(request.ref, metadata)
        return Empty()

    async def _read_file(self, request: messages.ReadFileRequest, metadata: Metadata) -> Message:
        built = await self._built(request.ref, metadata)
        wanted = request.range or messages.FileRange()
        data = await built.services.blocking.run(_read, built, request.path, wanted.offset, wanted.length)
        return messages.ReadFileResponse(data)

    async def _read_dir(self, request: messages.ReadDirRequest, metadata: Metadata) -> Message:
        built = await self._built(request.ref, metadata)
        entries = await built.services.blocking.run(_list, built, request.path, request.include_pattern)
        return messages.ReadDirResponse(entries)

    async def _stat_file(self, request: messages.StatFileRequest, metadata: Metadata) -> Message:
        built = await self._built(request.ref, metadata)
        return messages.StatFileResponse(await built.services.blocking.run(_stat, built, request.path))

    async def _resolve(self, request: messages.ResolveImageConfigRequest, metadata: Metadata) -> Message:
        image = await (await self._build(metadata)).resolve(request.ref, pull=request.resolve_mode == "pull")
        return messages.ResolveImageConfigResponse(str(image.id), image.config.raw, request.ref)


@contextmanager
def _opened(built: Built, path: str, opener: Callable[[int, str], int]) -> Iterator[int]:
    """A descriptor of a file in a result; names and links are resolved inside it."""
    if "\0" in path:
        raise InvalidArgument(f"{path!r} is no name for a file")
    with built.open_root() as root:
        try:
            fd = opener(root, path)
        except OSError as error:
            raise NotFound(f"open {path}: {(error.strerror or '').lower()}") from None
        try:
            yield fd
        finally:
            os.close(fd)


def _read(built: Built, path: str, offset: int, length: int) -> bytes:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
    with _opened(built, path, lambda root, name: open_in_root(root, name, flags)) as fd:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidArgument(f"read {path}: is not a regular file")
        size = length if 0 < length < _MAX_FILE_BYTES else _MAX_FILE_BYTES
        return os.pread(fd, size, max(0, offset))


def _list(built: Built, path: str, pattern: str) -> list[Stat]:
    wanted = PatternSet([pattern] if pattern else [])
    flags = os.O_RDONLY | os.O_DIRECTORY
    with _opened(built, path, lambda root, name: open_in_root(root, name, flags)) as fd:
        return [
            _describe(name, os.stat(name, dir_fd=fd, follow_symlinks=False))
            for name in sorted(os.listdir(fd))
            if not wanted or wanted.matches(name)
        ]


def _stat(built: Built, path: str) -> Stat:
    def open_itself(root: int, name: str) -> int:
        if name.strip("/.") == "":
            return open_in_root(root, "/")
        parent, last = open_parent_in_root(root, name)
        try:
            return os.open(last, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        finally:
            os.close(parent)

    with _opened(built, path, open_itself) as fd:
        return _describe(os.path.basename(path), os.fstat(fd))


def _describe(name: str, status: os.stat_result) -> Stat:
    return Stat(
        name,
        go_mode(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_size,
        status.st_mtime_ns,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
    )
