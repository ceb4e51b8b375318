# SPDX-License-Identifier: Apache-2.0
"""The filters of `ps` and `container prune` (pure).

Source: Engine API v1.51, ContainerList. Values of one filter are alternatives, different filters must all
hold; labels must all hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sampan.api.query import timestamp_ns
from sampan.build.dockerfile.duration import parse_duration_ns
from sampan.build.dockerfile.location import Misuse
from sampan.engine import healthstate
from sampan.engine.model import Container
from sampan.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from sampan.engine.engine import Engine

Test = Callable[[Container], bool]

ALLOWED_FILTERS = frozenset(
    [
        "ancestor",
        "before",
        "exited",
        "expose",
        "health",
        "id",
        "is-task",
        "isolation",
        "label",
        "name",
        "network",
        "publish",
        "since",
        "status",
        "volume",
    ]
)
STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")


def plan_filter(wanted: Mapping[str, Sequence[str]], engine: Engine) -> Test:
    """One test that a container passes when every filter holds."""
    tests = [_plan_one(name, values, engine) for name, values in wanted.items() if values]
    return lambda container: all(test(container) for test in tests)


def _plan_one(name: str, values: Sequence[str], engine: Engine) -> Test:
    simple = SIMPLE.get(name)
    if simple:
        return lambda c: any(simple(c, value) for value in values)
    match name:
        case "label":
            return lambda c: all(has_label(c.config.labels or {}, value) for value in values)
        case "label!":
            return lambda c: not any(has_label(c.config.labels or {}, value) for value in values)
        case "status":
            return _plan_status(values)
        case "health":
            return _plan_health(values)
        case "exited":
            codes = {_number(value) for value in values}
            return lambda c: not c.state.is_running and c.state.started_ns > 0 and c.state.exit_code in codes
        case "before" | "since":
            pivot = engine.containers.find(values[0]).created_ns
            return (lambda c: c.created_ns < pivot) if name == "before" else (lambda c: c.created_ns > pivot)
        case "expose":
            wanted = plan_ports(name, values)
            return lambda c: not wanted.isdisjoint(c.config.exposed_ports or {})
        case "publish":
            wanted = plan_ports(name, values)
            return lambda c: (
                not wanted.isdisjoint(c.host_config.port_bindings or {})
                or not wanted.isdisjoint(c.document.ports)
            )
        case "ancestor":
            ids = {image_id for value in values for image_id in _descendants(value, engine)}
            return lambda c: c.document.image_id in ids or c.document.image in values
        case "until":
            limit = until_ns(values[0])
            return lambda c: c.created_ns < limit
        case "is-task":
            return _plan_task(values)
        case _:
            return lambda _: True


def _plan_task(values: Sequence[str]) -> Test:
    """No container here is a Swarm task."""
    for value in values:
        if value not in ("true", "1", "false", "0"):
            raise InvalidArgument(f"invalid filter 'is-task={value}'")
    return lambda _: any(value in ("false", "0") for value in values)


def _name_matches(container: Container, value: str) -> bool:
    import re

    try:
        pattern = re.compile(value)
    except re.error as error:
        raise InvalidArgument(f"invalid filter 'name': {error}") from None
    return bool(pattern.search(container.name) or pattern.search("/" + container.name))


def plan_ports(name: str, values: Sequence[str]) -> frozenset[str]:
    """`80`, `80/udp` and `8000-8010/tcp` as the ports that they mean."""
    ports: set[str] = set()
    for value in values:
        span, _, protocol = value.partition("/")
        first, _, last = span.partition("-")
        if not (first.isdigit() and (last or first).isdigit()):
            raise InvalidArgument(f"error while looking up for {name} {value}: invalid port range")
        ports.update(f"{number}/{protocol or 'tcp'}" for number in range(int(first), int(last or first) + 1))
    return frozenset(ports)


def _mounts(container: Container, value: str) -> bool:
    return any(value in (point.name, point.destination) for point in container.document.mounts)


def _on_network(container: Container, value: str) -> bool:
    return any(
        value == name or endpoint.network_id.startswith(value)
        for name, endpoint in container.document.endpoints.items()
    )


SIMPLE: dict[str, Callable[[Container, str], bool]] = {
    "id": lambda c, value: c.id.startswith(value),
    "name": _name_matches,
    "volume": _mounts,
    "network": _on_network,
}


def _plan_status(values: Sequence[str]) -> Test:
    for value in values:
        if value not in STATUSES:
            raise InvalidArgument(
                f"invalid filter 'status={value}': invalid value for state ({value}): must be one of "
                f"{', '.join(STATUSES)}"
            )
    return lambda c: c.state.status in values


def _plan_health(values: Sequence[str]) -> Test:
    for value in values:
        if value not in healthstate.STATUSES:
            raise InvalidArgument(
                f"invalid filter 'health={value}': invalid value for health ({value}): must be one of "
                "none, starting, healthy, unhealthy"
            )
    return lambda c: (c.state.health.status if c.state.health else healthstate.NO_HEALTHCHECK) in values


def _descendants(value: str, engine: Engine) -> set[str]:
    """Ids of the image and of those that were built on it: their history goes on where its own ends."""
    try:
        ancestor = engine.images.resolve(value)
    except (NotFound, InvalidArgument):
        return set()
    layers, history = ancestor.config.diff_ids, ancestor.config.history
    return {str(ancestor.id)} | {
        str(image.id)
        for image in (engine.images.list() if history else ())
        if image.config.diff_ids[: len(layers)] == layers and image.config.history[: len(history)] == history
    }


def _number(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidArgument(f"invalid filter 'exited={value}'") from None


def has_label(labels: Mapping[str, str], wanted: str) -> bool:
    """`name` or `name=value`."""
    name, given, value = wanted.partition("=")
    return name in labels and (not given or labels[name] == value)


def until_ns(value: str) -> int:
    """A moment, or a duration before now as Go writes it: `24h`, `1h30m`."""
    try:
        return time.time_ns() - parse_duration_ns(value)
    except Misuse:
        return timestamp_ns(value)
