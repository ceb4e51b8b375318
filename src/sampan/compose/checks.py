# SPDX-License-Identifier: Apache-2.0
"""What a schema cannot say about single values of a canonical tree."""

from __future__ import annotations

from collections.abc import Callable

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.tree import Rules, Series, Table, Value


def check_values(tree: Table) -> None:
    """Raise a ComposeError for the first value that makes no sense."""
    _walk(tree, (), None)


def _walk(value: Value, path: Path, mark: Mark | None) -> None:
    rule = _RULES.find(path)
    if rule is not None:
        reason = rule(value)
        if reason is not None:
            raise ComposeError(reason, mark=mark, path=path)
        return
    if isinstance(value, Table):
        for key, item in value.items():
            _walk(item, (*path, key), value.mark_of(key))
    elif isinstance(value, Series):
        for index, (item, where) in enumerate(value.iter_marked()):
            _walk(item, (*path, index), where)


def _volume(value: Value) -> str | None:
    if not isinstance(value, Table) or value.get("external") is not True:
        return None
    other = [key for key in value if key not in ("name", "external") and not key.startswith("x-")]
    return f'conflicting parameters "external" and "{other[0]}" specified' if other else None


def _one_source(*keys: str) -> Callable[[Value], str | None]:
    def check(value: Value) -> str | None:
        if not isinstance(value, Table):
            return f"one of {', '.join(keys)} must be set"
        given = [key for key in keys if key in value]
        if len(given) > 1:
            return f"{'|'.join(keys)} attributes are mutually exclusive"
        if not given and "driver" not in value and "external" not in value:
            return f"one of {', '.join(keys)} must be set"
        return None

    return check


def _port(value: Value) -> str | None:
    host_ip = value.get("host_ip") if isinstance(value, Table) else None
    if host_ip is None:
        return None
    from ipaddress import ip_address

    try:
        ip_address(str(host_ip))
    except ValueError:
        return f"invalid ip address: {host_ip}"
    return None


def _not_blank(value: Value) -> str | None:
    return None if value else "value can't be blank"


def _device(value: Value) -> str | None:
    if isinstance(value, Table) and "count" in value and "device_ids" in value:
        return '"count" and "device_ids" attributes are exclusive'
    return None


_RULES = Rules(
    {
        "volumes.*": _volume,
        "configs.*": _one_source("file", "environment", "content"),
        "secrets.*": _one_source("file", "environment"),
        "services.*.ports.*": _port,
        "services.*.develop.watch.*.path": _not_blank,
        "services.*.deploy.resources.reservations.devices.*": _device,
        "services.*.gpus.*": _device,
    }
)
