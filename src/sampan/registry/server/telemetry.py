# SPDX-License-Identifier: Apache-2.0
"""Figures for Prometheus, counted by all workers in memory that they share.

Implements: Prometheus' text exposition format 0.0.4. Each worker has a row of its own in one anonymous mapping, so that
counting takes no lock; whoever is asked adds the rows up. A worker that is forked anew goes on in its row.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import product
from typing import get_args

from sampan.registry.server.protocol.routes import Resource

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other")
_CODES = (
    *(
        "200",
        "201",
        "202",
        "204",
        "206",
        "304",
        "400",
        "401",
        "403",
        "404",
        "405",
        "408",
        "409",
        "412",
        "413",
    ),
    *("416", "499", "500", "503", "507", "other"),
)
_RESOURCES: tuple[str, ...] = get_args(Resource)
_BUCKETS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, float("inf"))

_COUNTERS = {
    "sampan_registry_received_bytes_total": "Bytes of blobs and manifests taken in.",
    "sampan_registry_sent_bytes_total": "Bytes of blobs and manifests given out.",
    "sampan_registry_cache_hits_total": "Requests that a cache answered from what it has.",
    "sampan_registry_cache_misses_total": "Requests that a cache asked its upstream for.",
    "sampan_registry_cache_stale_total": "Requests answered from a cache while its upstream was down.",
    "sampan_registry_collected_bytes_total": "Bytes that collecting garbage has freed.",
}
_GAUGE = "sampan_registry_requests_in_progress"


class Telemetry:
    """The figures of one registry; `row` is the worker's own."""

    def __init__(self, workers: int) -> None:
        self.row = 0
        self._rows = workers
        places = [*_COUNTERS, _GAUGE, *product(_RESOURCES, _METHODS, _CODES), *_histogram_keys()]
        self._places = {place: number for number, place in enumerate(places)}
        self._width = len(places)
        self._values = memoryview(mmap.mmap(-1, max(1, workers) * self._width * 8)).cast("d")

    def add(self, name: str, amount: float = 1) -> None:
        """Count."""
        self._add(name, amount)

    def begin(self) -> None:
        """A request is being answered."""
        self._add(_GAUGE, 1)

    def end(self, resource: str, method: str, status: int, seconds: float) -> None:
        """It has been."""
        self._add(_GAUGE, -1)
        method = method if method in _METHODS else "other"
        code = str(status) if str(status) in _CODES else "other"
        self._add((resource, method, code), 1)
        self._add((resource, "sum"), seconds)
        self._add((resource, next(bound for bound in _BUCKETS_S if seconds <= bound)), 1)

    def reset_gauges(self) -> None:
        """A worker that was killed answers nothing any more."""
        self._values[self.row * self._width + self._places[_GAUGE]] = 0

    def render(self, gauges: dict[str, tuple[str, float]]) -> bytes:
        """All figures; `gauges` are those that only the asker knows, with what they are."""
        lines = [
            line
            for name, text in _COUNTERS.items()
            for line in _single(name, text, "counter", self._sum(name))
        ]
        lines += _single(_GAUGE, "Requests being answered.", "gauge", self._sum(_GAUGE))
        for name, (text, value) in gauges.items():
            lines += _single(name, text, "gauge", value)
        lines += self._render_requests()
        lines += self._render_durations()
        return ("\n".join(lines) + "\n").encode()

    def _render_requests(self) -> Iterator[str]:
        name = "sampan_registry_requests_total"
        yield from _head(name, "Requests by resource, method and status.", "counter")
        for key in product(_RESOURCES, _METHODS, _CODES):
            if value := self._sum(key):
                resource, method, code = key
                yield f'{name}{{resource="{resource}",method="{method}",code="{code}"}} {_number(value)}'

    def _render_durations(self) -> Iterator[str]:
        name = "sampan_registry_request_duration_seconds"
        yield from _head(name, "How long answers took, their bodies included.", "histogram")
        for resource in _RESOURCES:
            count = 0.0
            for bound in _BUCKETS_S:
                count += self._sum((resource, bound))
                label = "+Inf" if bound == float("inf") else f"{bound:g}"
                yield f'{name}_bucket{{resource="{resource}",le="{label}"}} {_number(count)}'
            yield f'{name}_sum{{resource="{resource}"}} {_number(self._sum((resource, "sum")))}'
            yield f'{name}_count{{resource="{resource}"}} {_number(count)}'

    def _add(self, place: object, amount: float) -> None:
        self._values[self.row * self._width + self._places[place]] += amount  # type: ignore[index]

    def _sum(self, place: object) -> float:
        column = self._places[place]  # type: ignore[index]
        return sum(self._values[row * self._width + column] for row in range(self._rows))


def _histogram_keys() -> Iterator[tuple[str, float | str]]:
    for resource in _RESOURCES:
        yield resource, "sum"
        for bound in _BUCKETS_S:
            yield resource, bound


def _number(value: float) -> str:
    """With all its digits: who looks at how fast a counter of bytes grows needs the last one."""
    return str(int(value)) if value.is_integer() else repr(value)


def _single(name: str, text: str, kind: str, value: float) -> list[str]:
    return [*_head(name, text, kind), f"{name} {_number(value)}"]


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
