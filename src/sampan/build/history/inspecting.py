# SPDX-License-Identifier: Apache-2.0
"""A build of the history in full: what was asked, of what, how long each step took, and why it failed.

Implements: the fields of ``docker buildx history inspect --format json``; steps and their logs are Sampan's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sampan.build.history.entry import CANCELED, COMPLETED, FAILED, RUNNING, Entry
from sampan.build.progress import LogEvent, VertexEvent
from sampan.oci.timestamp import format_timestamp

if TYPE_CHECKING:
    from sampan.build.history.events import Timed

_STATUSES = {COMPLETED: "completed", RUNNING: "running", FAILED: "failed", CANCELED: "canceled"}
_CONFIG = {
    "Network": "force-network-mode",
    "ImageResolveMode": "image-resolve-mode",
    "ShmSize": "shm-size",
    "Ulimit": "ulimit",
    "CgroupParent": "cgroup-parent",
    "SourceDateEpoch": "build-arg:SOURCE_DATE_EPOCH",
}
_LAST_LINES = 16


def summarize(entry: Entry) -> dict[str, Any]:
    """A build in the list."""
    return {
        "Ref": entry.ref,
        "Name": entry.name,
        "Status": entry.status,
        "Client": entry.client,
        "CreatedAt": format_timestamp(entry.created_ns),
        "CompletedAt": format_timestamp(entry.completed_ns) if entry.completed_ns else "",
        "TotalSteps": entry.total_steps,
        "CompletedSteps": entry.completed_steps,
        "CachedSteps": entry.cached_steps,
        "Warnings": entry.warnings,
        "Pinned": entry.pinned,
    }


def inspect_entry(entry: Entry, events: Iterable[Timed], *, now_ns: int) -> dict[str, Any]:
    """All that is known of a build; what is empty is left out."""
    attributes = entry.attributes
    steps, logs = _read(events)
    fields: dict[str, Any] = {
        "Name": entry.name,
        "Ref": entry.ref,
        "Client": entry.client,
        "Context": attributes.get("context", ""),
        "Dockerfile": attributes.get("filename", ""),
        "VCSRepository": attributes.get("vcs:source", ""),
        "VCSRevision": attributes.get("vcs:revision", ""),
        "Target": attributes.get("target", ""),
        "Platform": [word for word in attributes.get("platform", "").split(",") if word],
        "NamedContexts": _pairs(attributes, "context:"),
        "StartedAt": format_timestamp(entry.created_ns),
        "CompletedAt": format_timestamp(entry.completed_ns) if entry.completed_ns else "",
        "Status": _STATUSES[entry.status],
        "Error": _error(entry, steps, logs),
        "BuildArgs": _pairs(attributes, "build-arg:"),
        "Labels": _pairs(attributes, "label:"),
        "Materials": [{"URI": one.uri, "Digests": [one.digest]} for one in entry.materials],
        "Outputs": [{"Type": one.type, "Attributes": dict(one.attributes)} for one in entry.outputs],
        "Response": dict(entry.response),
        "Steps": [_step(event) for event in steps.values()],
        "Warnings": entry.warnings,
    }
    return {name: value for name, value in fields.items() if value} | {
        "Duration": (entry.completed_ns or now_ns) - entry.created_ns,
        "NumCompletedSteps": entry.completed_steps,
        "NumTotalSteps": entry.total_steps,
        "NumCachedSteps": entry.cached_steps,
        "Config": _config(attributes),
    }


def _read(events: Iterable[Timed]) -> tuple[dict[str, VertexEvent], dict[str, bytes]]:
    """The last state of each step, and what each has printed."""
    steps: dict[str, VertexEvent] = {}
    logs: dict[str, bytes] = {}
    for _, event in events:
        if isinstance(event, VertexEvent):
            steps[event.id] = event
        elif isinstance(event, LogEvent):
            logs[event.id] = logs.get(event.id, b"") + event.data
    return steps, logs


def _pairs(attributes: Mapping[str, str], prefix: str) -> list[dict[str, str]]:
    names = sorted(name for name in attributes if name.startswith(prefix))
    return [{"Name": name.removeprefix(prefix), "Value": attributes[name]} for name in names]


def _config(attributes: Mapping[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = {name: attributes.get(key, "") for name, key in _CONFIG.items()}
    config["ExtraHosts"] = [word for word in attributes.get("add-hosts", "").split(",") if word]
    config["NoCache"] = attributes.get("no-cache") == ""
    without = attributes.get("no-cache") or attributes.get("no-cache-filter", "")
    config["NoCacheFilter"] = [word for word in without.split(",") if word]
    return {name: value for name, value in config.items() if value}


def _error(
    entry: Entry, steps: Mapping[str, VertexEvent], logs: Mapping[str, bytes]
) -> dict[str, Any] | None:
    failure = entry.failure
    if failure is None:
        return None
    failed = next((step for step in steps.values() if step.error and step.name == failure.vertex), None)
    lines = logs.get(failed.id, b"").decode(errors="replace").splitlines() if failed is not None else []
    fields = {
        "Code": failure.code,
        "Message": failure.message,
        "Hint": failure.hint,
        "Name": failure.vertex,
        "Logs": lines[-_LAST_LINES:],
        "Sources": failure.excerpt,
    }
    return {name: value for name, value in fields.items() if value}


def _step(event: VertexEvent) -> dict[str, Any]:
    ended = event.completed_ns is not None
    step: dict[str, Any] = {
        "Name": event.name,
        "StartedAt": format_timestamp(event.started_ns),
        "Duration": (event.completed_ns or event.started_ns) - event.started_ns,
        "Cached": event.cached,
        "Completed": ended,
    }
    return step | ({"Error": event.error} if event.error else {})
