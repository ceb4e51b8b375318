# SPDX-License-Identifier: Apache-2.0
"""The history of builds as BuildKit's messages, so that `docker buildx history` shows those of every client."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sampan.build.history.entry import Asked, Entry, Failure, Output
from sampan.build.history.store import BuildHistory
from sampan.buildkit.attributes import FRONTEND
from sampan.buildkit.messages.control import BuildHistoryRecord, Exporter, StatusResponse
from sampan.buildkit.messages.values import Status, Timestamp
from sampan.buildkit.record import BuildRecord
from sampan.buildkit.status import CANCELLED, UNKNOWN


def describe_entry(entry: Entry) -> BuildHistoryRecord:
    """A build as the list of builds has it."""
    return BuildHistoryRecord(
        ref=entry.ref,
        frontend=FRONTEND,
        frontend_attrs=dict(entry.attributes),
        exporters=[Exporter(output.type, dict(output.attributes)) for output in entry.outputs],
        error=_status(entry.failure) if entry.failure is not None else None,
        created_at=Timestamp.of(entry.created_ns),
        completed_at=Timestamp.of(entry.completed_ns) if entry.completed_ns else None,
        exporter_response=dict(entry.response),
        pinned=entry.pinned,
        num_cached_steps=entry.cached_steps,
        num_total_steps=entry.total_steps,
        num_completed_steps=entry.completed_steps,
        num_warnings=entry.warnings,
    )


def _status(failure: Failure) -> Status:
    message = f"{failure.message} ({failure.hint})" if failure.hint else failure.message
    return Status(CANCELLED if failure.is_canceled else UNKNOWN, message)


def describe_record(record: BuildRecord) -> Asked:
    """What a client asked for, for the history."""
    outputs = tuple(Output(exporter.type, dict(exporter.attrs)) for exporter in record.exporters)
    return Asked(record.attributes, outputs)


async def replay(history: BuildHistory, entry: Entry) -> AsyncIterator[StatusResponse]:
    """What happened in a build, from its beginning to its end."""
    record = BuildRecord(entry.ref)
    live = history.live(entry.ref)
    if live is not None:
        async for events in live.watch():
            for moment_ns, event in events:
                record.tell(event, moment_ns)
            for response in record.take():
                yield response
        return
    for moment_ns, event in history.events(entry.ref):
        record.tell(event, moment_ns)
    for response in record.take():
        yield response
