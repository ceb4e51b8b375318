# SPDX-License-Identifier: Apache-2.0
"""The `config` object of an image: what a container made from it starts with.

Implements: OCI image-spec 1.1, config.md, "config", and Docker's Healthcheck, OnBuild, Shell, StopTimeout and
ArgsEscaped. It is a value: a build changes it with dataclasses.replace.
Holds: fields we do not know survive (`extra`); no Cmd or Entrypoint (None) differs from an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.oci.document import (
    JSONObject,
    get_integer,
    get_object,
    get_string,
    get_string_map,
    get_strings,
)

_WHAT = "image config"


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How to ask a container whether it is well; times in nanoseconds, zero means Docker's default."""

    test: tuple[str, ...] = ()
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Defaults of containers made from an image."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    stop_timeout_s: int | None = None
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)


_FIELDS = frozenset(
    {
        "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
        "StopTimeout", "Healthcheck", "Shell", "OnBuild", "ArgsEscaped",
    }
)  # fmt: skip

_HEALTH_TIMES = {
    "Interval": "interval_ns",
    "Timeout": "timeout_ns",
    "StartPeriod": "start_period_ns",
    "StartInterval": "start_interval_ns",
    "Retries": "retries",
}


def decode_run_config(source: JSONObject) -> RunConfig:
    """Read a `config` object, of an image or of the Engine API."""
    return RunConfig(
        user=get_string(source, "User", _WHAT),
        exposed_ports=tuple(sorted(get_object(source, "ExposedPorts", _WHAT))),
        env=get_strings(source, "Env", _WHAT),
        entrypoint=_optional_strings(source, "Entrypoint"),
        cmd=_optional_strings(source, "Cmd"),
        volumes=tuple(sorted(get_object(source, "Volumes", _WHAT))),
        working_dir=get_string(source, "WorkingDir", _WHAT),
        labels=get_string_map(source, "Labels", _WHAT),
        stop_signal=get_string(source, "StopSignal", _WHAT),
        stop_timeout_s=_optional_integer(source, "StopTimeout"),
        healthcheck=_decode_healthcheck(get_object(source, "Healthcheck", _WHAT)),
        shell=get_strings(source, "Shell", _WHAT),
        on_build=get_strings(source, "OnBuild", _WHAT),
        args_escaped=source.get("ArgsEscaped") is True,
        extra={key: value for key, value in source.items() if key not in _FIELDS},
    )


def encode_run_config(config: RunConfig) -> JSONObject:
    """The `config` object with sorted keys; what is unset is left out."""
    fields: JSONObject = {
        **config.extra,
        "User": config.user or None,
        "ExposedPorts": _set(config.exposed_ports),
        "Env": list(config.env) or None,
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "Cmd": None if config.cmd is None else list(config.cmd),
        "Volumes": _set(config.volumes),
        "WorkingDir": config.working_dir or None,
        "Labels": dict(sorted(config.labels.items())) or None,
        "StopSignal": config.stop_signal or None,
        "StopTimeout": config.stop_timeout_s,
        "Healthcheck": _encode_healthcheck(config.healthcheck),
        "Shell": list(config.shell) or None,
        "OnBuild": list(config.on_build) or None,
        "ArgsEscaped": config.args_escaped or None,
    }
    return {key: value for key, value in sorted(fields.items()) if value is not None}


def _decode_healthcheck(source: JSONObject) -> Healthcheck | None:
    if not source:
        return None
    numbers = {name: get_integer(source, key, _WHAT, 0) for key, name in _HEALTH_TIMES.items()}
    return Healthcheck(test=get_strings(source, "Test", _WHAT), **numbers)


def _encode_healthcheck(healthcheck: Healthcheck | None) -> JSONObject | None:
    if healthcheck is None:
        return None
    fields: JSONObject = {key: getattr(healthcheck, name) for key, name in _HEALTH_TIMES.items()}
    fields["Test"] = list(healthcheck.test)
    return {key: value for key, value in sorted(fields.items()) if value}


def _set(names: tuple[str, ...]) -> JSONObject | None:
    """A Go set: an object whose keys are the members."""
    return {name: {} for name in sorted(set(names))} or None


def _optional_strings(source: JSONObject, key: str) -> tuple[str, ...] | None:
    return None if source.get(key) is None else get_strings(source, key, _WHAT)


def _optional_integer(source: JSONObject, key: str) -> int | None:
    return None if source.get(key) is None else get_integer(source, key, _WHAT)
