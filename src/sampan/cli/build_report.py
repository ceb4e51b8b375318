# SPDX-License-Identifier: Apache-2.0
"""One build of the history as text, in the form of ``docker buildx history inspect`` (pure)."""

from __future__ import annotations

from sampan.cli.table import format_table
from sampan.cli.times import parse_timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.client.jsontext import Json

_HEAD = (
    ("Context", "Context"),
    ("Dockerfile", "Dockerfile"),
    ("VCS Repository", "VCSRepository"),
    ("VCS Revision", "VCSRevision"),
    ("Target", "Target"),
)
_CONFIG = (
    ("Network", "Network"),
    ("Extra Hosts", "ExtraHosts"),
    ("Cgroup Parent", "CgroupParent"),
    ("Image Resolve Mode", "ImageResolveMode"),
    ("No Cache", "NoCache"),
    ("No Cache Filter", "NoCacheFilter"),
    ("Shm Size", "ShmSize"),
    ("Resource Limits", "Ulimit"),
    ("Source Date Epoch", "SourceDateEpoch"),
)
_SECOND_NS = 1_000_000_000


def parse_moment(text: str) -> float:
    """A moment of the engine's in seconds since the epoch."""
    return float(parse_timestamp(text))


def format_duration(seconds: float) -> str:
    """``4.2s``, ``12m  3s``."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    return f"{int(seconds) // 60}m {int(seconds) % 60:2d}s"


def iter_report(build: Json, *, named: bool) -> Iterator[str]:
    """The lines; the ref is among them if nobody has `named` it."""
    yield from _head(build, named=named)
    yield from _pairs("NAMED CONTEXT", build.get("NamedContexts", []))
    yield from _course(build)
    yield from _config(build["Config"])
    yield from _pairs("BUILD ARG", build.get("BuildArgs", []))
    yield from _pairs("LABEL", build.get("Labels", []))
    yield from _materials(build.get("Materials", []))
    yield from _steps(build.get("Steps", []))
    yield from _failure(build.get("Error", {}))
    yield f"Print build logs: sampan builder history logs {build['Ref']}"


def _head(build: Json, *, named: bool) -> Iterator[str]:
    rows = [("Name:", build["Name"])] if build.get("Name") else []
    if not named:
        rows.append(("Ref:", build["Ref"]))
    rows += [(f"{title}:", build[field]) for title, field in _HEAD if build.get(field)]
    if build.get("Platform"):
        rows.append(("Platforms:", ", ".join(build["Platform"])))
    rows += [("Image:", build["Response"][key]) for key in _IMAGE if key in build.get("Response", {})][:1]
    yield from _table(rows)


_IMAGE = ("image.name", "containerimage.config.digest")


def _course(build: Json) -> Iterator[str]:
    import time

    running = " (running)" if build["Status"] == "running" else ""
    started = time.localtime(parse_moment(build["StartedAt"]))
    total = build["NumTotalSteps"]
    cached = 100 * build["NumCachedSteps"] / total if total else 0.0
    rows = [
        ("Started:", time.strftime("%Y-%m-%d %H:%M:%S", started)),
        ("Duration:", format_duration(build["Duration"] / _SECOND_NS) + running),
    ]
    if build["Status"] == "failed":
        rows.append(("Error:", build["Error"]["Message"]))
    elif build["Status"] == "canceled":
        rows.append(("Status:", "Canceled"))
    rows.append(("Build Steps:", f"{build['NumCompletedSteps']}/{total} ({cached:.0f}% cached)"))
    yield from _table(rows)


def _config(config: Json) -> Iterator[str]:
    rows = [(f"{title}:", _shown(config[field])) for title, field in _CONFIG if config.get(field)]
    if rows:
        yield from _table(rows)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "true" if value is True else str(value)


def _pairs(title: str, pairs: Sequence[Json]) -> Iterator[str]:
    if pairs:
        yield from _table([(title, "VALUE"), *((pair["Name"], pair["Value"]) for pair in pairs)])


def _materials(materials: Sequence[Json]) -> Iterator[str]:
    if materials:
        yield "Materials:"
        rows = [(one["URI"], ", ".join(one["Digests"])) for one in materials]
        yield from _table([("URI", "DIGEST"), *rows])


def _steps(steps: Sequence[Json]) -> Iterator[str]:
    """How long each took, and what came from the cache."""
    if steps:
        rows = [
            (format_duration(step["Duration"] / _SECOND_NS), _outcome(step), step["Name"]) for step in steps
        ]
        yield from _table([("DURATION", "STATUS", "STEP"), *rows])


def _outcome(step: Json) -> str:
    if step.get("Error"):
        return "CANCELED" if step["Error"] == "cancelled" else "ERROR"
    return "CACHED" if step["Cached"] else "DONE" if step["Completed"] else ""


def _failure(error: Json) -> Iterator[str]:
    if error.get("Sources"):
        yield from error["Sources"].split("\n")
        yield ""
    if error.get("Logs"):
        yield "Logs:"
        yield f"> => {error.get('Name', '')}:"
        yield from (f"> {line}" for line in error["Logs"])
        yield ""


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield from format_table(rows, least_width=0, padding=1)
    yield ""
