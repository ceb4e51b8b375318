# SPDX-License-Identifier: Apache-2.0
"""A container's configuration: what the user said over what the image says (pure).

Source: moby `daemon/commit.go` merge and `container/env.go`: whatever the user leaves out comes from the
image, and an entry point of the user's own also drops the image's command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerConfig, ContainerCreate, HealthConfig, HostConfig, LogConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge_config(create: ContainerCreate, image: Mapping[str, Any]) -> ContainerConfig:
    """The user's configuration completed by the image's `config` object (OCI image-spec names)."""
    fields = {name: getattr(create, name) for name in ContainerConfig.__struct_fields__}
    config = ContainerConfig(**fields)
    config.user = config.user or image.get("User") or ""
    config.working_dir = config.working_dir or image.get("WorkingDir") or ""
    config.stop_signal = config.stop_signal or image.get("StopSignal") or ""
    config.env = merge_env(config.env or [], image.get("Env") or [])
    config.labels = {**(image.get("Labels") or {}), **(config.labels or {})}
    config.exposed_ports = {**(image.get("ExposedPorts") or {}), **(config.exposed_ports or {})} or None
    config.volumes = {**(image.get("Volumes") or {}), **(config.volumes or {})} or None
    config.shell = config.shell or image.get("Shell")  # for its health check, which Docker runs with /bin/sh
    _merge_command(config, image)
    _merge_health(config, image)
    return config


def _merge_command(config: ContainerConfig, image: Mapping[str, Any]) -> None:
    entrypoint, command = as_list(config.entrypoint), as_list(config.cmd)
    if not entrypoint:
        if not command:
            command = as_list(image.get("Cmd"))
        if config.entrypoint is None:
            entrypoint = as_list(image.get("Entrypoint"))
    if entrypoint == [""]:
        entrypoint = []
    config.entrypoint = entrypoint or None
    config.cmd = command or None


def _merge_health(config: ContainerConfig, image: Mapping[str, Any]) -> None:
    raw = image.get("Healthcheck")
    if not raw:
        return
    inherited = msgspec.convert(raw, HealthConfig)
    if config.healthcheck is None:
        config.healthcheck = inherited
        return
    for name in HealthConfig.__struct_fields__:
        if not getattr(config.healthcheck, name):
            setattr(config.healthcheck, name, getattr(inherited, name))


def as_list(value: Any) -> list[str]:
    """Docker accepts a string where it means a list of one."""
    if not value:
        return []
    return [value] if isinstance(value, str) else list(value)


def merge_env(user: Sequence[str], image: Sequence[str]) -> list[str]:
    """The user's variables, then those of the image that the user did not name."""
    named = {entry.partition("=")[0] for entry in user}
    return [*user, *(entry for entry in image if entry.partition("=")[0] not in named)]


def program_env(config: ContainerConfig, *, hostname: str) -> list[str]:
    """The environment that the program gets: Docker's defaults, overridden by the configuration.

    A name without `=` in the configuration removes the variable.
    """
    env = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if config.tty:
        env["TERM"] = "xterm"
    for entry in config.env or []:
        name, given, value = entry.partition("=")
        if given:
            env[name] = value
        else:
            env.pop(name, None)
    return [f"{name}={value}" for name, value in env.items()]


def command_line(config: ContainerConfig) -> list[str]:
    """Entry point and command together; a container needs one of them."""
    args = [*as_list(config.entrypoint), *as_list(config.cmd)]
    if not args or not args[0]:
        raise InvalidArgument("no command specified")
    return args


def plan_warnings(host: HostConfig) -> list[str]:
    """What is recorded but does nothing here, told to whoever creates the container."""
    warnings = []
    if host.oom_kill_disable and not host.memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system "
            "running out of resources."
        )
    if host.network_mode == "host" and (host.port_bindings or host.publish_all_ports):
        warnings.append("Published ports are discarded when using host network mode")
    return warnings


def normalise_host_config(host: HostConfig) -> HostConfig:
    """Fill what inspect shows even where the user said nothing."""
    host.network_mode = "bridge" if host.network_mode in ("", "default") else host.network_mode
    host.restart_policy.name = host.restart_policy.name or "no"
    host.log_config = LogConfig(type=host.log_config.type or "json-file", config=host.log_config.config or {})
    host.ipc_mode = host.ipc_mode or "private"
    host.cgroupns_mode = host.cgroupns_mode or ("host" if host.privileged else "private")
    host.shm_size = host.shm_size or 64 * 1024 * 1024
    host.console_size = [*(host.console_size or ()), 0, 0][:2]
    if host.privileged or "host" in (host.ipc_mode, host.pid_mode):
        _add_label_disable(host)
    return host


def _add_label_disable(host: HostConfig) -> None:
    """What shares the host's processes gets no SELinux label of its own; Docker notes it without SELinux, too."""
    if "label=disable" not in (options := host.security_opt or []):
        host.security_opt = [*options, "label=disable"]
