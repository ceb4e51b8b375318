# SPDX-License-Identifier: Apache-2.0
"""Drop what a sequence defines again: the later definition stands in the place of the first.

What makes two entries the same depends on the key: the name of a variable, the target of a mount, address,
port and protocol of a published port.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.compose.errors import Path
from sampan.compose.tree import Rules, Series, Table, Value
from sampan.compose.volume_spec import parse_volume
from sampan.errors import InvalidArgument

Identify = Callable[[Value], object]

_EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what no address means


def drop_redefined(tree: Table) -> None:
    """Make the sequences of a project's tree unique, in place."""
    _walk(tree, ())


def _walk(value: Value, path: Path) -> None:
    if isinstance(value, Table):
        for key, item in value.items():
            rule = _UNIQUE.find((*path, key)) if isinstance(item, Series) else None
            if rule is not None:
                value[key] = _unique(item, rule)
            else:
                _walk(item, (*path, key))


def _unique(series: Series, identify: Identify) -> Series:
    kept = Series(mark=series.mark)
    places: dict[str, int] = {}
    for item, mark in series.iter_marked():
        # As text: nothing has been validated yet, so an identity may be a list.
        found = identify(item)
        identity = repr(found)
        if found is not None and identity in places:
            kept[places[identity]] = item
            kept.marks[places[identity]] = mark
        else:
            places[identity] = len(kept)
            kept.add(item, mark)
    return kept


def _name(item: Value) -> object:
    return item.partition("=")[0] if isinstance(item, str) else None


def _volume_target(item: Value) -> object:
    if isinstance(item, Table):
        return item.get("target")
    try:
        return parse_volume(item).get("target") if isinstance(item, str) else None
    except InvalidArgument:
        return None


def _device_target(item: Value) -> object:
    if isinstance(item, Table):
        return item.get("target")
    parts = item.split(":") if isinstance(item, str) else [None]
    return parts[1] if len(parts) > 1 else parts[0]


def _file_target(directory: str) -> Identify:
    def identify(item: Value) -> object:
        if isinstance(item, Table):
            return item.get("target") or f"{directory}/{item.get('source')}"
        return f"{directory}/{item}"

    return identify


def _port(item: Value) -> object:
    if isinstance(item, Table):
        return (
            item.get("host_ip", _EVERY_ADDRESS),
            str(item.get("published")),
            str(item.get("target")),
            item.get("protocol", "tcp"),
        )
    return str(item)


def _env_file(item: Value) -> object:
    return item.get("path") if isinstance(item, Table) else item


_NAMED = (
    *("annotations", "build.args", "build.additional_contexts", "build.platform", "build.tags"),
    *("build.labels", "cap_add", "cap_drop", "deploy.labels", "dns", "dns_opt", "dns_search", "environment"),
    *("labels", "links", "networks.*.aliases", "networks.*.link_local_ips", "profiles", "sysctls", "tmpfs"),
)
_UNIQUE = Rules(
    {
        "networks.*.labels": _name,
        "networks.*.ipam.options": _name,
        **{f"services.*.{key}": _name for key in _NAMED},
        "services.*.configs": _file_target(""),
        "services.*.secrets": _file_target("/run/secrets"),
        "services.*.env_file": _env_file,
        "services.*.expose": str,
        "services.*.ports": _port,
        "services.*.volumes": _volume_target,
        "services.*.devices": _device_target,
    }
)
