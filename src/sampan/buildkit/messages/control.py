# SPDX-License-Identifier: Apache-2.0
"""moby.buildkit.v1: the Control service. Source: BuildKit's api/services/control/control.proto."""

from __future__ import annotations

from dataclasses import dataclass

from sampan.buildkit.messages.values import Platform, Range, SourceInfo, Status, Timestamp
from sampan.buildkit.protobuf import BOOL, BYTES, INT, STRING, Message, mapping, nested, repeated, scalar


@dataclass(slots=True)
class PruneRequest(Message):
    """Which records to remove."""

    filter: list[str] = repeated(1, STRING)
    all: bool = scalar(2, BOOL)
    keep_duration: int = scalar(3, INT)
    reserved_space: int = scalar(4, INT)
    max_used_space: int = scalar(5, INT)
    min_free_space: int = scalar(6, INT)


@dataclass(slots=True)
class DiskUsageRequest(Message):
    """Which records to show."""

    filter: list[str] = repeated(1, STRING)
    age_limit: int = scalar(2, INT)


@dataclass(slots=True)
class UsageRecord(Message):
    """One record of the build cache."""

    id: str = scalar(1, STRING)
    mutable: bool = scalar(2, BOOL)
    in_use: bool = scalar(3, BOOL)
    size: int = scalar(4, INT)
    created_at: Timestamp | None = nested(6, Timestamp)
    last_used_at: Timestamp | None = nested(7, Timestamp)
    usage_count: int = scalar(8, INT)
    description: str = scalar(9, STRING)
    record_type: str = scalar(10, STRING)
    shared: bool = scalar(11, BOOL)
    parents: list[str] = repeated(12, STRING)


@dataclass(slots=True)
class DiskUsageResponse(Message):
    """All of them."""

    record: list[UsageRecord] = repeated(1, UsageRecord)


@dataclass(slots=True)
class Exporter(Message):
    """Where a result is to go: ``moby``, ``image``, ``docker``, ``oci``, ``local``, ``tar``."""

    type: str = scalar(1, STRING)
    attrs: dict[str, str] = mapping(2, STRING)


@dataclass(slots=True)
class CacheEntry(Message):
    """One ``--cache-from`` or ``--cache-to``."""

    type: str = scalar(1, STRING)
    attrs: dict[str, str] = mapping(2, STRING)


@dataclass(slots=True)
class CacheOptions(Message):
    """All of them; the older fields are not sent by any client that speaks of sessions."""

    exports: list[CacheEntry] = repeated(4, CacheEntry)
    imports: list[CacheEntry] = repeated(5, CacheEntry)


@dataclass(slots=True)
class SolveRequest(Message):
    """A build. `definition` and `inputs` are a build graph, which is not looked into."""

    ref: str = scalar(1, STRING)
    definition: bytes = scalar(2, BYTES)
    old_exporter: str = scalar(3, STRING)
    old_exporter_attrs: dict[str, str] = mapping(4, STRING)
    session: str = scalar(5, STRING)
    frontend: str = scalar(6, STRING)
    frontend_attrs: dict[str, str] = mapping(7, STRING)
    cache: CacheOptions | None = nested(8, CacheOptions)
    entitlements: list[str] = repeated(9, STRING)
    inputs: dict[str, bytes] = mapping(10, BYTES)
    internal: bool = scalar(11, BOOL)
    source_policy: bytes = scalar(12, BYTES)
    exporters: list[Exporter] = repeated(13, Exporter)


@dataclass(slots=True)
class SolveResponse(Message):
    """What the exporters have to say, by Docker's names."""

    exporter_response: dict[str, str] = mapping(1, STRING)


@dataclass(slots=True)
class StatusRequest(Message):
    """Which build to watch."""

    ref: str = scalar(1, STRING)


@dataclass(slots=True)
class Vertex(Message):
    """A vertex began or ended."""

    digest: str = scalar(1, STRING)
    inputs: list[str] = repeated(2, STRING)
    name: str = scalar(3, STRING)
    cached: bool = scalar(4, BOOL)
    started: Timestamp | None = nested(5, Timestamp)
    completed: Timestamp | None = nested(6, Timestamp)
    error: str = scalar(7, STRING)


@dataclass(slots=True)
class VertexStatus(Message):
    """How far something inside a vertex is."""

    id: str = scalar(1, STRING)
    vertex: str = scalar(2, STRING)
    name: str = scalar(3, STRING)
    current: int = scalar(4, INT)
    total: int = scalar(5, INT)
    timestamp: Timestamp | None = nested(6, Timestamp)
    started: Timestamp | None = nested(7, Timestamp)
    completed: Timestamp | None = nested(8, Timestamp)


@dataclass(slots=True)
class VertexLog(Message):
    """Output of a step."""

    vertex: str = scalar(1, STRING)
    timestamp: Timestamp | None = nested(2, Timestamp)
    stream: int = scalar(3, INT)
    msg: bytes = scalar(4, BYTES)


@dataclass(slots=True)
class VertexWarning(Message):
    """Something in the Dockerfile that is probably not meant."""

    vertex: str = scalar(1, STRING)
    level: int = scalar(2, INT)
    short: bytes = scalar(3, BYTES)
    detail: list[bytes] = repeated(4, BYTES)
    url: str = scalar(5, STRING)
    info: SourceInfo | None = nested(6, SourceInfo)
    ranges: list[Range] = repeated(7, Range)


@dataclass(slots=True)
class StatusResponse(Message):
    """What has happened since the last one."""

    vertexes: list[Vertex] = repeated(1, Vertex)
    statuses: list[VertexStatus] = repeated(2, VertexStatus)
    logs: list[VertexLog] = repeated(3, VertexLog)
    warnings: list[VertexWarning] = repeated(4, VertexWarning)


@dataclass(slots=True)
class BytesMessage(Message):
    """A piece of a stream; the session's services have the same."""

    data: bytes = scalar(1, BYTES)


@dataclass(slots=True)
class BuildkitVersion(Message):
    """Who answers."""

    package: str = scalar(1, STRING)
    version: str = scalar(2, STRING)
    revision: str = scalar(3, STRING)


@dataclass(slots=True)
class WorkerRecord(Message):
    """Where builds run: one worker, this engine."""

    id: str = scalar(1, STRING)
    labels: dict[str, str] = mapping(2, STRING)
    platforms: list[Platform] = repeated(3, Platform)
    version: BuildkitVersion | None = nested(5, BuildkitVersion)


@dataclass(slots=True)
class ListWorkersRequest(Message):
    """Which workers."""

    filter: list[str] = repeated(1, STRING)


@dataclass(slots=True)
class ListWorkersResponse(Message):
    """All of them."""

    record: list[WorkerRecord] = repeated(1, WorkerRecord)


@dataclass(slots=True)
class InfoRequest(Message):
    """Nothing is asked but who we are."""


@dataclass(slots=True)
class InfoResponse(Message):
    """Who we are."""

    version: BuildkitVersion | None = nested(1, BuildkitVersion)


@dataclass(slots=True)
class BuildHistoryRequest(Message):
    """Which builds to be told of, and whether to go on listening."""

    active_only: bool = scalar(1, BOOL)
    ref: str = scalar(2, STRING)
    early_exit: bool = scalar(3, BOOL)
    filter: list[str] = repeated(4, STRING)
    limit: int = scalar(5, INT)


@dataclass(slots=True)
class BuildHistoryRecord(Message):
    """One build."""

    ref: str = scalar(1, STRING)
    frontend: str = scalar(2, STRING)
    frontend_attrs: dict[str, str] = mapping(3, STRING)
    exporters: list[Exporter] = repeated(4, Exporter)
    error: Status | None = nested(5, Status)
    created_at: Timestamp | None = nested(6, Timestamp)
    completed_at: Timestamp | None = nested(7, Timestamp)
    exporter_response: dict[str, str] = mapping(9, STRING)
    generation: int = scalar(12, INT)
    pinned: bool = scalar(14, BOOL)
    num_cached_steps: int = scalar(15, INT)
    num_total_steps: int = scalar(16, INT)
    num_completed_steps: int = scalar(17, INT)
    num_warnings: int = scalar(19, INT)


@dataclass(slots=True)
class BuildHistoryEvent(Message):
    """A build began (0), ended (1), or was forgotten (2)."""

    type: int = scalar(1, INT)
    record: BuildHistoryRecord | None = nested(2, BuildHistoryRecord)


@dataclass(slots=True)
class UpdateBuildHistoryRequest(Message):
    """Pin a build, or forget it."""

    ref: str = scalar(1, STRING)
    pinned: bool = scalar(2, BOOL)
    delete: bool = scalar(3, BOOL)
    finalize: bool = scalar(4, BOOL)


@dataclass(slots=True)
class UpdateBuildHistoryResponse(Message):
    """Done."""
