# SPDX-License-Identifier: Apache-2.0
"""The `Config` and `HostConfig` objects of `inspect`, field by field as Docker writes them (pure).

Source: Engine API v1.51, ContainerConfig, HostConfig, Mount; moby `api/types/container`: a field whose Go tag
says `omitempty` is absent when it is empty, any other is there, null for an empty list.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from sampan.engine.privileges import MASKED_PATHS, READONLY_PATHS
from sampan.schema.container import ContainerConfig, HostConfig

_CONFIG_OMITTED = frozenset(
    [
        "ArgsEscaped",
        "ExposedPorts",
        "Healthcheck",
        "MacAddress",
        "NetworkDisabled",
        "Shell",
        "StopSignal",
        "StopTimeout",
    ]
)
_HOST_OMITTED = frozenset(["Annotations", "Init", "Mounts", "StorageOpt", "Sysctls", "Tmpfs"])
DEFAULT_RUNTIME = "sampan"
_POINTERS = frozenset({"Init", "StopTimeout"})
# Of Windows alone; Docker writes them on Linux too.
_WINDOWS = {"CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0}
_EMPTY: tuple[Any, ...] = (None, "", 0, [], {})


def describe_config(config: ContainerConfig) -> dict[str, Any]:
    """ContainerConfig: what is independent of the host."""
    fields: dict[str, Any] = msgspec.to_builtins(config)
    if config.healthcheck is not None:
        fields["Healthcheck"] = _without_empty(fields["Healthcheck"], fields["Healthcheck"].keys())
    return _without_empty(fields, _CONFIG_OMITTED)


def describe_host_config(host: HostConfig) -> dict[str, Any]:
    """HostConfig: limits, mounts, ports, privileges, with the defaults that Docker fills in."""
    fields: dict[str, Any] = msgspec.to_builtins(host)
    fields["Mounts"] = [_without_empty_parts(mount) for mount in fields["Mounts"] or ()]
    fields["ConsoleSize"] = host.console_size or [0, 0]
    fields["Runtime"] = host.runtime or DEFAULT_RUNTIME
    fields["MemorySwap"] = host.memory_swap or host.memory * 2  # swap follows memory where nobody set it
    fields["PidsLimit"] = host.pids_limit if (host.pids_limit or 0) > 0 else None
    if not host.privileged:
        fields["MaskedPaths"] = list(MASKED_PATHS) if host.masked_paths is None else host.masked_paths
        fields["ReadonlyPaths"] = list(READONLY_PATHS) if host.readonly_paths is None else host.readonly_paths
    return _WINDOWS | _without_empty(fields, _HOST_OMITTED)


def _without_empty(fields: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Fields but the empty ones among `names`; what Go has as a pointer is empty only as null."""
    return {
        name: value
        for name, value in fields.items()
        if name not in names or value not in ((None,) if name in _POINTERS else _EMPTY)
    }


def _without_empty_parts(mount: dict[str, Any]) -> dict[str, Any]:
    """A Mount leaves out what is empty, at every depth."""
    return {
        name: _without_empty_parts(value) if isinstance(value, dict) else value
        for name, value in mount.items()
        if value not in _EMPTY
    }
