# SPDX-License-Identifier: Apache-2.0
"""Put variables into every text of a tree, and turn texts into numbers and booleans where a key wants those.

Only values are interpolated, never keys. What is quoted is interpolated, too: ``scale: "${N}"`` is a number.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.template import Lookup, substitute
from sampan.compose.tree import Rules, Series, Table, Value
from sampan.errors import InvalidArgument

Warn = Callable[[str], None]

_TRUE = frozenset(("true", "y", "yes", "on"))
_FALSE = frozenset(("false", "n", "no", "off"))


def interpolate(tree: Table, lookup: Lookup, *, warn: Warn) -> Table:
    """A tree of the same shape; `warn` hears of variables that are not set."""
    table = _Interpolation(lookup, warn).table(tree, ())
    assert isinstance(table, Table)
    return table


class _Interpolation:
    def __init__(self, lookup: Lookup, warn: Warn) -> None:
        self._lookup = lookup
        self._warn = warn

    def table(self, tree: Table, path: Path) -> Table:
        result = Table(mark=tree.mark)
        for key, value in tree.items():
            mark = tree.mark_of(key)
            result.put(key, self._value(value, (*path, key), mark), mark)
        return result

    def _value(self, value: Value, path: Path, mark: Mark | None) -> Value:
        if isinstance(value, str):
            return self._text(value, path, mark)
        if isinstance(value, Table):
            return self.table(value, path)
        if isinstance(value, Series):
            series = Series(mark=value.mark)
            for index, (item, where) in enumerate(value.iter_marked()):
                series.add(self._value(item, (*path, index), where), where)
            return series
        return value

    def _text(self, text: str, path: Path, mark: Mark | None) -> Value:
        try:
            text = substitute(text, self._lookup, unset=self._unset)
        except InvalidArgument as error:
            raise ComposeError(error.message, mark=mark, path=path, hint=error.hint) from None
        cast = _CASTS.find(path)
        if cast is None:
            return text
        try:
            return cast(text)
        except ValueError:
            kind = _CAST_NAMES[cast]
            raise ComposeError(f'"{text}" is not {kind}', mark=mark, path=path) from None

    def _unset(self, name: str) -> None:
        self._warn(f'The "{name}" variable is not set. Defaulting to a blank string.')


def read_whole(text: str) -> int:
    """A whole number as Go reads one; ValueError for anything else."""
    if not text.lstrip("+-").isdecimal() or not text.isascii():
        raise ValueError(text)
    return int(text)


def read_real(text: str) -> float:
    """A number; ValueError for anything else."""
    if "_" in text or text != text.strip():
        raise ValueError(text)
    return float(text)


def read_boolean(text: str) -> bool:
    """``true`` or ``false``, and what YAML 1.1 had for them; ValueError for anything else."""
    word = text.lower()
    if word not in _TRUE and word not in _FALSE:
        raise ValueError(text)
    return word in _TRUE


_CAST_NAMES: dict[Callable[[str], Value], str] = {
    read_whole: "a whole number",
    read_real: "a number",
    read_boolean: "a boolean: use true or false",
}

_WHOLE_KEYS = (
    *("cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares"),
    *("deploy.replicas", "deploy.update_config.parallelism", "deploy.rollback_config.parallelism"),
    *("deploy.restart_policy.max_attempts", "deploy.placement.max_replicas_per_node"),
    *("healthcheck.retries", "oom_score_adj", "pids_limit", "ports.*.target", "scale"),
    *("ulimits.*", "ulimits.*.hard", "ulimits.*.soft"),
)
_REAL_KEYS = (
    *("cpu_percent", "cpus"),
    *("deploy.update_config.max_failure_ratio", "deploy.rollback_config.max_failure_ratio"),
)
_BOOLEAN_KEYS = (
    *("healthcheck.disable", "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty"),
    *("volumes.*.read_only", "volumes.*.volume.nocopy"),
)
_CASTS = Rules(
    {
        **{f"services.*.{key}": read_whole for key in _WHOLE_KEYS},
        **{f"services.*.{key}": read_real for key in _REAL_KEYS},
        **{f"services.*.{key}": read_boolean for key in _BOOLEAN_KEYS},
        **{
            f"networks.*.{key}": read_boolean
            for key in ("external", "internal", "attachable", "enable_ipv4", "enable_ipv6")
        },
        **{f"{kind}.*.external": read_boolean for kind in ("volumes", "secrets", "configs")},
    }
)
