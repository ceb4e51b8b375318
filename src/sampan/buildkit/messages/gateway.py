# SPDX-License-Identifier: Apache-2.0
"""moby.buildkit.v1.frontend: the LLBBridge service. Source: BuildKit's frontend/gateway/pb/gateway.proto."""

from __future__ import annotations

from dataclasses import dataclass

from sampan.buildkit.messages.control import WorkerRecord
from sampan.buildkit.messages.files import Stat
from sampan.buildkit.messages.values import Platform, Range, SourceInfo, Status
from sampan.buildkit.protobuf import BOOL, BYTES, INT, STRING, Message, mapping, nested, repeated, scalar


@dataclass(slots=True)
class Ref(Message):
    """A result, by its name; empty is nothing at all."""

    id: str = scalar(1, STRING)


@dataclass(slots=True)
class RefMap(Message):
    """A result for each platform."""

    refs: dict[str, Ref] = mapping(1, Ref)


@dataclass(slots=True)
class Result(Message):
    """What a solve came to: one result or several, and what is said of them."""

    ref: Ref | None = nested(3, Ref)
    refs: RefMap | None = nested(4, RefMap)
    metadata: dict[str, bytes] = mapping(10, BYTES)


@dataclass(slots=True)
class ReturnRequest(Message):
    """The end of a client's part in a build: what is to be exported, or what went wrong."""

    result: Result | None = nested(1, Result)
    error: Status | None = nested(2, Status)


@dataclass(slots=True)
class SolveRequest(Message):
    """Build something; `definition` and `inputs` are a build graph, which is not looked into."""

    definition: bytes = scalar(1, BYTES)
    frontend: str = scalar(2, STRING)
    frontend_opt: dict[str, str] = mapping(3, STRING)
    allow_result_return: bool = scalar(5, BOOL)
    allow_result_array_ref: bool = scalar(6, BOOL)
    inputs: dict[str, bytes] = mapping(13, BYTES)
    evaluate: bool = scalar(14, BOOL)


@dataclass(slots=True)
class SolveResponse(Message):
    """The result; `ref` is its name for clients from before results had parts."""

    ref: str = scalar(1, STRING)
    result: Result | None = nested(3, Result)


@dataclass(slots=True)
class ResolveImageConfigRequest(Message):
    """Ask for an image's configuration."""

    ref: str = scalar(1, STRING)
    platform: Platform | None = nested(2, Platform)
    resolve_mode: str = scalar(3, STRING)


@dataclass(slots=True)
class ResolveImageConfigResponse(Message):
    """The configuration's bytes."""

    digest: str = scalar(1, STRING)
    config: bytes = scalar(2, BYTES)
    ref: str = scalar(3, STRING)


@dataclass(slots=True)
class FileRange(Message):
    """A part of a file."""

    offset: int = scalar(1, INT)
    length: int = scalar(2, INT)


@dataclass(slots=True)
class ReadFileRequest(Message):
    """Read a file of a result."""

    ref: str = scalar(1, STRING)
    path: str = scalar(2, STRING)
    range: FileRange | None = nested(3, FileRange)


@dataclass(slots=True)
class ReadFileResponse(Message):
    """Its content."""

    data: bytes = scalar(1, BYTES)


@dataclass(slots=True)
class ReadDirRequest(Message):
    """List a folder of a result."""

    ref: str = scalar(1, STRING)
    path: str = scalar(2, STRING)
    include_pattern: str = scalar(3, STRING)


@dataclass(slots=True)
class ReadDirResponse(Message):
    """Its entries."""

    entries: list[Stat] = repeated(1, Stat)


@dataclass(slots=True)
class StatFileRequest(Message):
    """Look at a file of a result."""

    ref: str = scalar(1, STRING)
    path: str = scalar(2, STRING)


@dataclass(slots=True)
class StatFileResponse(Message):
    """What it is."""

    stat: Stat | None = nested(1, Stat)


@dataclass(slots=True)
class WarnRequest(Message):
    """A client's own warning, to be shown with the build's."""

    digest: str = scalar(1, STRING)
    level: int = scalar(2, INT)
    short: bytes = scalar(3, BYTES)
    detail: list[bytes] = repeated(4, BYTES)
    url: str = scalar(5, STRING)
    info: SourceInfo | None = nested(6, SourceInfo)
    ranges: list[Range] = repeated(7, Range)


@dataclass(slots=True)
class EvaluateRequest(Message):
    """Make a result that has only been planned; ours are made at once."""

    ref: str = scalar(1, STRING)


@dataclass(slots=True)
class ApiCap(Message):
    """Something that we can do."""

    id: str = scalar(1, STRING)
    enabled: bool = scalar(2, BOOL)


@dataclass(slots=True)
class PongResponse(Message):
    """What we can do, and where."""

    frontend_caps: list[ApiCap] = repeated(1, ApiCap)
    llb_caps: list[ApiCap] = repeated(2, ApiCap)
    workers: list[WorkerRecord] = repeated(3, WorkerRecord)


@dataclass(slots=True)
class Empty(Message):
    """A request or an answer that says nothing."""
