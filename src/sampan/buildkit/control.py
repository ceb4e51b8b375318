# SPDX-License-Identifier: Apache-2.0
"""moby.buildkit.v1.Control: builds, their progress and history, the cache, and who does all this.

Implements: the Control service as buildx and the docker command line use it. A session comes by its own HTTP
request (``POST /session``), not inside this connection.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sampan import __version__
from sampan.build.cache_choice import CacheChoice
from sampan.build.history.entry import Entry
from sampan.build.history.filters import Matcher, parse_alternatives
from sampan.build.pruning import EVERYTHING
from sampan.build.service import Builder
from sampan.buildkit.builds import Builds
from sampan.buildkit.choosing import plan_choice, plan_prune_choice
from sampan.buildkit.history import describe_entry
from sampan.buildkit.messages import control as messages
from sampan.buildkit.messages.control import BuildHistoryEvent
from sampan.buildkit.messages.values import Timestamp
from sampan.buildkit.protobuf import Message
from sampan.buildkit.rpc import Call, ServerCall, unary
from sampan.buildkit.workers import describe_version, describe_worker
from sampan.oci.platform import host_platform
from sampan.oci.timestamp import parse_timestamp

_PREFIX = "/moby.buildkit.v1.Control/"
_STARTED, _COMPLETE, _DELETED = range(3)

Metadata = Mapping[str, str]


class Control:
    """The service of one engine."""

    def __init__(self, builder: Builder, builds: Builds) -> None:
        self._builder = builder
        self._builds = builds

    def methods(self) -> dict[str, Call]:
        """The methods by their paths."""
        methods = {
            "DiskUsage": unary(messages.DiskUsageRequest, self._disk_usage),
            "Prune": self._prune,
            "Solve": unary(messages.SolveRequest, self._solve),
            "Status": self._status,
            "ListWorkers": unary(messages.ListWorkersRequest, self._list_workers),
            "Info": unary(messages.InfoRequest, self._info),
            "ListenBuildHistory": self._history,
            "UpdateBuildHistory": unary(messages.UpdateBuildHistoryRequest, self._update_history),
        }
        return {_PREFIX + name: method for name, method in methods.items()}

    async def _solve(self, request: messages.SolveRequest, _: Metadata) -> Message:
        record = await self._builds.run(request)
        return messages.SolveResponse(record.response)

    async def _status(self, call: ServerCall) -> None:
        request = await call.receive(messages.StatusRequest)
        async for response in self._builds.progress(request.ref):
            await call.send(response)

    async def _info(self, _: messages.InfoRequest, __: Metadata) -> Message:
        return messages.InfoResponse(describe_version(__version__))

    async def _list_workers(self, _: messages.ListWorkersRequest, __: Metadata) -> Message:
        return messages.ListWorkersResponse([describe_worker(__version__, host_platform())])

    async def _disk_usage(self, request: messages.DiskUsageRequest, _: Metadata) -> Message:
        return messages.DiskUsageResponse(self._usage(plan_choice(request.filter)))

    def _usage(self, choice: CacheChoice) -> list[messages.UsageRecord]:
        return [
            _usage_record(record)
            for record in self._builder.describe_cache()
            if choice.takes(record, last_used_ns=0)
        ]

    async def _prune(self, call: ServerCall) -> None:
        request = await call.receive(messages.PruneRequest)
        choice = plan_prune_choice(request, now_ns=time.time_ns())
        before = {record.id: record for record in self._usage(EVERYTHING)}
        everything = request.all and choice.is_everything
        removed, freed = await self._builder.prune(everything=everything, choice=choice)
        for name in removed:
            record = before.get(name, messages.UsageRecord(id=name))
            freed -= record.size
            await call.send(record)
        if freed > 0:  # cache mounts, downloads and contexts have no records
            await call.send(messages.UsageRecord(id="mounts", size=freed, record_type="exec.cachemount"))

    async def _history(self, call: ServerCall) -> None:
        """The builds that there are, and, until the caller leaves, those that come."""
        request = await call.receive(messages.BuildHistoryRequest)
        matches = parse_alternatives(request.filter, now_ns=time.time_ns())
        told: dict[str, int] = {}
        while True:
            changed = self._builds.history.changes()
            for event in self._news(request, matches, told):
                await call.send(event)
            if request.early_exit:
                return
            await changed.wait()

    def _news(
        self, request: messages.BuildHistoryRequest, matches: Matcher, told: dict[str, int]
    ) -> list[BuildHistoryEvent]:
        entries = self._builds.history.entries()
        wanted = [entry for entry in entries if _is_wanted(entry, request) and matches(entry)]
        news = []
        for entry in wanted[-request.limit :] if request.limit > 0 else wanted:
            kind = _COMPLETE if entry.completed_ns else _STARTED
            if told.get(entry.ref) != kind:
                told[entry.ref] = kind
                news.append(BuildHistoryEvent(kind, describe_entry(entry)))
        known = {entry.ref for entry in entries}
        for ref in told.keys() - known:
            del told[ref]
            news.append(BuildHistoryEvent(_DELETED, messages.BuildHistoryRecord(ref)))
        return news

    async def _update_history(self, request: messages.UpdateBuildHistoryRequest, _: Metadata) -> Message:
        if request.delete:
            self._builds.forget(request.ref)
        elif not request.finalize:
            self._builds.history.pin(request.ref, pinned=request.pinned)
        return messages.UpdateBuildHistoryResponse()


def _is_wanted(entry: Entry, request: messages.BuildHistoryRequest) -> bool:
    if request.ref and entry.ref != request.ref:
        return False
    return not (request.active_only and entry.completed_ns)


def _usage_record(record: dict[str, Any]) -> messages.UsageRecord:
    """The Engine API's record as BuildKit's."""
    return messages.UsageRecord(
        id=record["ID"],
        in_use=record["InUse"],
        size=record["Size"],
        created_at=_timestamp(record["CreatedAt"]),
        last_used_at=_timestamp(record["LastUsedAt"]),
        usage_count=record["UsageCount"],
        description=record["Description"],
        record_type=record["Type"],
        shared=record["Shared"],
    )


def _timestamp(text: str) -> Timestamp | None:
    moment_ns = parse_timestamp(text)
    return Timestamp.of(moment_ns) if moment_ns else None
