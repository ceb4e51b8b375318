# SPDX-License-Identifier: Apache-2.0
"""Put one file over another.

Implements: the Compose specification, "Merge" (13-merge.md): mappings merge, sequences append, commands and
scalars are replaced; what may be written as a list or as a map is brought to one form first. What is
redefined in a sequence is dropped afterwards (`uniqueness`).
Holds: neither tree is changed; the result shares values with both.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.float_text import format_general
from sampan.compose.tree import Rules, Series, Table, Value, copy_tree


def merge_trees(base: Table, over: Table) -> Table:
    """`over` on top of `base`, as whole projects."""
    return _merge_tables(copy_tree(base), over, ())


def merge_services(base: Table, over: Table) -> Table:
    """`over` on top of `base`, as what one service extends and what it says itself."""
    return _merge_tables(copy_tree(base), over, ("services", "x"))


def _merge(base: Value, over: Value, path: Path, mark: Mark | None) -> Value:
    rule = _SPECIAL.find(path)
    if rule is not None:
        return rule(base, over, path, mark)
    if over is None:
        return base
    if isinstance(base, Table):
        if not isinstance(over, Table):
            raise _cannot_override(path, mark)
        return _merge_tables(base, over, path)
    if isinstance(base, Series):
        if not isinstance(over, Series):
            raise _cannot_override(path, mark)
        return _join(base, over)
    return over


def _cannot_override(path: Path, mark: Mark | None) -> ComposeError:
    return ComposeError("cannot override: the two files give different kinds of values", mark=mark, path=path)


def _merge_tables(base: Table, over: Table, path: Path) -> Table:
    for key, value in over.items():
        mark = over.mark_of(key)
        if key not in base:
            base.put(key, value, mark)
            continue
        merged = _merge(base[key], value, (*path, key), mark)
        base.put(key, merged, mark if merged is value or not isinstance(merged, Table | Series) else None)
    return base


def _join(base: Series, over: Series) -> Series:
    joined = Series(mark=base.mark)
    for series in (base, over):
        for item, mark in series.iter_marked():
            joined.add(item, mark)
    return joined


def _replace(_base: Value, over: Value, _path: Path, _mark: Mark | None) -> Value:
    return over


def _merge_sequences(base: Value, over: Value, _path: Path, mark: Mark | None) -> Value:
    return _join(to_series(base, mark), to_series(over, mark))


def to_series(value: Value, mark: Mark | None) -> Series:
    """``{A: 1, B: null}`` as ``[A=1, B]``; text as a series of one; nothing as an empty one."""
    if isinstance(value, Series):
        return value
    series = Series(mark=mark)
    if isinstance(value, Table):
        for key in sorted(value):
            item, where = value[key], value.mark_of(key)
            for single in item if isinstance(item, Series) else [item]:
                series.add(key if single is None else f"{key}={format_scalar(single)}", where)
    elif isinstance(value, str):
        series.add(value, mark)
    return series


def format_scalar(value: Value) -> str:
    """A scalar as text: what a number or boolean is in the value of a variable or label."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format_general(value)
    return "" if value is None else str(value)


def _merge_hosts(base: Value, over: Value, _path: Path, mark: Mark | None) -> Value:
    first = to_series(base, mark)
    fresh = Series(mark=mark)
    for item, where in to_series(over, mark).iter_marked():
        if item not in first:
            fresh.add(item, where)
    return _join(first, fresh)


def _merge_maps(default: Callable[[], Value]) -> Callable[[Value, Value, Path, Mark | None], Value]:
    """For keys that may be a list of names or a map of them."""

    def merge(base: Value, over: Value, path: Path, mark: Mark | None) -> Value:
        return _merge_tables(_to_table(base, default, mark), _to_table(over, default, mark), path)

    return merge


def _to_table(value: Value, default: Callable[[], Value], mark: Mark | None) -> Table:
    if isinstance(value, Table):
        return value
    table = Table(mark=mark)
    if isinstance(value, Series):
        for item, where in value.iter_marked():
            table.put(str(item), default(), where)
    return table


def new_dependency() -> Table:
    """What the short form of ``depends_on`` means."""
    return Table([("condition", "service_started"), ("required", True)])


def _merge_build(base: Value, over: Value, path: Path, mark: Mark | None) -> Value:
    def long_form(value: Value) -> Table:
        if isinstance(value, Table):
            return value
        table = Table(mark=mark)
        if isinstance(value, str):
            table.put("context", value, mark)
        return table

    return _merge_tables(long_form(base), long_form(over), path)


def _merge_logging(base: Value, over: Value, path: Path, mark: Mark | None) -> Value:
    """Options belong to a driver: they merge only where both files mean the same one."""
    if not isinstance(base, Table) or not isinstance(over, Table):
        raise _cannot_override(path, mark)
    drivers = [table["driver"] for table in (base, over) if "driver" in table]
    if len(drivers) < 2 or drivers[0] == drivers[1]:
        return _merge_tables(base, over, path)
    return over


def _merge_pools(base: Value, over: Value, path: Path, mark: Mark | None) -> Value:
    """Pools of addresses are the same when their subnet is."""
    if not isinstance(base, Series) or not isinstance(over, Series):
        raise _cannot_override(path, mark)
    pools = Series(mark=base.mark)
    for pool, where in [*base.iter_marked(), *over.iter_marked()]:
        if not isinstance(pool, Table):
            raise _cannot_override(path, where)
        same = next(
            (index for index, held in enumerate(pools) if held.get("subnet") == pool.get("subnet")), -1
        )
        if same < 0:
            pools.add(pool, where)
        else:
            pools[same] = _merge_tables(pools[same], pool, path)
    return pools


_SERVICE_SEQUENCES = (
    *("annotations", "build.args", "build.additional_contexts", "build.labels", "deploy.labels"),
    *("dns", "dns_opt", "dns_search", "env_file", "label_file", "environment", "labels"),
    *("volumes.*.volume.labels", "sysctls", "tmpfs"),
)
_SPECIAL = Rules(
    {
        "networks.*.ipam.config": _merge_pools,
        "networks.*.labels": _merge_sequences,
        "volumes.*.labels": _merge_sequences,
        **{f"services.*.{key}": _merge_sequences for key in _SERVICE_SEQUENCES},
        **{f"services.*.{key}": _replace for key in ("command", "entrypoint", "healthcheck.test")},
        "services.*.build": _merge_build,
        "services.*.build.extra_hosts": _merge_hosts,
        "services.*.extra_hosts": _merge_hosts,
        "services.*.depends_on": _merge_maps(new_dependency),
        "services.*.networks": _merge_maps(lambda: None),
        "services.*.models": _merge_maps(lambda: None),
        "services.*.logging": _merge_logging,
        "services.*.ulimits.*": _replace,
    }
)
