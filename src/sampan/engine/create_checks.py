# SPDX-License-Identifier: Apache-2.0
"""What a new container may be asked to be, and what not; refused in Docker's words (pure).

Source: moby `daemon/container.go`, verifyContainerSettings and validateHostConfig. Limits are limit_checks'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

from sampan.engine.bindings import parse_port
from sampan.engine.log_options import check_log_options
from sampan.engine.signals import parse_signal
from sampan.errors import InvalidArgument, Unsupported
from sampan.network.resolv import parse_extra_host
from sampan.schema.container import ContainerCreate, HostConfig, PortBinding

LOG_DRIVERS = frozenset({"", "json-file", "local", "none"})
RESTART_POLICIES = frozenset({"", "no", "always", "unless-stopped", "on-failure"})

_ANY_GATEWAY = IPv4Address(0)
_HOST_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?|")
_HIGHEST_PORT = 65535


def check_config(create: ContainerCreate) -> None:
    """Refuse what does not depend on the host."""
    if create.working_dir and not create.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{create.working_dir}' is invalid, it needs to be an absolute path"
        )
    if create.stop_signal:
        parse_signal(create.stop_signal)
    for entry in create.env or ():
        if not entry.partition("=")[0]:
            raise InvalidArgument(f"invalid environment variable: {entry}")
    asked = (create.networking_config.endpoints_config or {}) if create.networking_config else {}
    for name, config in asked.items():
        if config is None:
            raise InvalidArgument(f"invalid config for network {name}: EndpointsConfig is nil")


def check_host_config(host: HostConfig) -> None:
    """Refuse what contradicts itself, and by name what this engine does not do yet."""
    _check_restart_policy(host)
    if host.log_config.type not in LOG_DRIVERS:
        name = host.log_config.type
        raise InvalidArgument(f'error looking up logging plugin {name}: plugin "{name}" not found')
    check_log_options(host.log_config)
    _check_modes(host)
    for port, bindings in (host.port_bindings or {}).items():
        _check_bindings(port, bindings or ())
    for device in host.devices or ():
        if not set(device.cgroup_permissions) <= set("rwm"):
            raise InvalidArgument(f"invalid device mode: {device.cgroup_permissions}")
    for entry in host.extra_hosts or ():
        parse_extra_host(entry, _ANY_GATEWAY)
    if any(not name for name in host.annotations or ()):
        raise InvalidArgument("invalid Annotations: the empty string is not permitted as an annotation key")
    for request in host.device_requests or ():
        _refuse_device_request(request)
    _refuse_unsupported(host)
    if host.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")


def _check_restart_policy(host: HostConfig) -> None:
    policy = host.restart_policy
    if policy.name not in RESTART_POLICIES:
        raise InvalidArgument(
            f"invalid restart policy: unknown policy '{policy.name}'; use one of 'no', 'always', "
            "'on-failure', or 'unless-stopped'"
        )
    if policy.name == "on-failure" and policy.maximum_retry_count < 0:
        raise InvalidArgument("invalid restart policy: maximum retry count cannot be negative")
    if policy.name not in ("", "on-failure") and policy.maximum_retry_count:
        raise InvalidArgument(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'"
            + (" and cannot be negative" if policy.maximum_retry_count < 0 else "")
        )
    if host.auto_remove and policy.name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")


def _check_modes(host: HostConfig) -> None:
    kind, colon, name = host.network_mode.partition(":")
    if kind == "container" and colon and not name:
        raise InvalidArgument("invalid network mode: invalid container format container:<name|id>")
    modes: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("cgroup namespace", host.cgroupns_mode, ("private", "host")),
        ("IPC", host.ipc_mode, ("none", "private", "host", "shareable", "container:*")),
        ("PID", host.pid_mode, ("host", "container:*")),
        ("UTS", host.uts_mode, ("host",)),
    )
    for what, mode, known in modes:
        if mode and mode not in known and not (_names_container(mode) and "container:*" in known):
            raise InvalidArgument(f"invalid {what} mode: {mode}")
    if host.isolation not in ("", "default"):
        raise InvalidArgument(f"invalid isolation ({host.isolation}): linux only supports 'default'")


def _names_container(mode: str) -> bool:
    kind, _, name = mode.partition(":")
    return kind == "container" and bool(name)


def _check_bindings(port: str, bindings: Iterable[PortBinding]) -> None:
    """A port of the container, and the ports or ranges of the host that lead to it."""
    parse_port(port)
    for binding in bindings:
        found = _HOST_PORT.fullmatch(binding.host_port)
        if found is None or any(int(each) > _HIGHEST_PORT for each in found.groups() if each):
            raise InvalidArgument(f'invalid port specification: "{binding.host_port}"')


def _refuse_device_request(request: Mapping[str, Any]) -> None:
    """`--gpus` and names of the Container Device Interface: nobody here can provide them."""
    driver, names = request.get("Driver") or "", request.get("DeviceIDs") or []
    hint = "GPUs and CDI devices are not supported; `--device /dev/…` gives a container a device of the host"
    if driver == "cdi":
        raise InvalidArgument(
            f"CDI device injection failed: unresolvable CDI devices {', '.join(names)}", hint=hint
        )
    capabilities = " ".join(f"[{' '.join(group)}]" for group in request.get("Capabilities") or ())
    raise InvalidArgument(
        f'could not select device driver "{driver}" with capabilities: [{capabilities}]', hint=hint
    )


def _refuse_unsupported(host: HostConfig) -> None:
    """Options that would change what a container may do are refused, never ignored."""
    unsupported = {
        "--storage-opt": host.storage_opt,
        "--userns": host.userns_mode not in ("", "host"),
        "--volume-driver": host.volume_driver not in ("", "local"),
    }
    for flag, value in unsupported.items():
        if value:
            raise Unsupported(f"{flag} is not supported yet")
