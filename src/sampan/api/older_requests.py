# SPDX-License-Identifier: Apache-2.0
"""What a request means that speaks an older version of the API: later fields are ignored, defaults are older.

Source: moby `daemon/server/router/container/container_routes.go`, postContainersCreate and its neighbours. Also
what only newer versions are strict about. Nothing here does anything: a request goes in and comes out.
"""

from __future__ import annotations

from sampan.api.versions import parse_version
from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerCreate, EndpointConfig, HostConfig, Mount

OPTIONS_OF = {"volume_options": "volume", "bind_options": "bind", "tmpfs_options": "tmpfs"}
DOCKER_NAMES = {
    "volume_options": "VolumeOptions",
    "bind_options": "BindOptions",
    "tmpfs_options": "TmpfsOptions",
}
MAC_WARNING = (
    "The container-wide MacAddress field is now deprecated. "
    "It should be specified in EndpointsConfig instead."
)


def is_before(version: str, newer: str) -> bool:
    """Whether a version is older than another."""
    return parse_version(version) < parse_version(newer)


def adapt_create(create: ContainerCreate, version: str) -> list[str]:
    """Change a request for a container into what it means today; gives warnings about what is outdated."""
    host = create.host_config = create.host_config or HostConfig()
    _adapt_host(host, version)
    if is_before(version, "1.44") and create.healthcheck is not None:
        create.healthcheck.start_interval = 0
    for mount in host.mounts or ():
        _check_mount(mount, version)
    _adapt_endpoints(create, version)
    return _adapt_mac_address(create, host, version)


def _adapt_host(host: HostConfig, version: str) -> None:
    if is_before(version, "1.25"):
        host.auto_remove = False
    if is_before(version, "1.40"):
        host.ipc_mode = host.ipc_mode or "shareable"
    if is_before(version, "1.42"):
        host.console_size = None
    if is_before(version, "1.43"):
        host.annotations = None


def _check_mount(mount: Mount, version: str) -> None:
    """Ignore or refuse what the version does not know of a mount."""
    for name, kind in OPTIONS_OF.items():
        if getattr(mount, name) is not None and mount.type != kind:
            if not is_before(version, "1.42"):
                raise InvalidArgument(
                    f'{DOCKER_NAMES[name]} must not be specified on mount type "{mount.type}"'
                )
            setattr(mount, name, None)
    bind, volume = mount.bind_options, mount.volume_options
    if bind is not None:
        bind.non_recursive = bind.non_recursive and not is_before(version, "1.40")
        bind.create_mountpoint = bind.create_mountpoint and not is_before(version, "1.42")
        if bind.read_only_force_recursive and is_before(version, "1.44"):
            raise InvalidArgument("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer")
    if volume is not None and volume.subpath and is_before(version, "1.45"):
        raise InvalidArgument("VolumeOptions.Subpath needs API v1.45 or newer")
    if mount.type == "image" and is_before(version, "1.48"):
        raise InvalidArgument('Mount type "Image" needs API v1.48 or newer')


def _adapt_endpoints(create: ContainerCreate, version: str) -> None:
    endpoints = create.networking_config.endpoints_config if create.networking_config else None
    if not endpoints:
        return
    if is_before(version, "1.44") and len(endpoints) > 1:
        raise InvalidArgument(
            f"Container cannot be created with multiple network endpoints: {', '.join(endpoints)}"
        )
    for endpoint in endpoints.values():
        if endpoint is not None and is_before(version, "1.48"):
            endpoint.gw_priority = 0
        if endpoint is not None and is_before(version, "1.44"):
            endpoint.mac_address = ""


def _adapt_mac_address(create: ContainerCreate, host: HostConfig, version: str) -> list[str]:
    """A container's MAC address became one of its main network's endpoint in 1.44."""
    if not create.mac_address:
        return []
    mode = "bridge" if host.network_mode in ("", "default") else host.network_mode
    if mode in ("host", "none") or mode.startswith("container:"):
        raise InvalidArgument("conflicting options: mac-address and the network mode")
    main = _main_endpoint(create, mode)
    if main is not None and main.mac_address not in ("", create.mac_address):
        raise InvalidArgument(
            "the container-wide MAC address must match the endpoint-specific MAC address for the main network, "
            "or be left empty"
        )
    return [] if is_before(version, "1.44") else [MAC_WARNING]


def _main_endpoint(create: ContainerCreate, mode: str) -> EndpointConfig | None:
    endpoints = (create.networking_config.endpoints_config if create.networking_config else None) or {}
    return endpoints.get(mode) or (endpoints.get("default") if mode == "bridge" else None)
