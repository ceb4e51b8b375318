# SPDX-License-Identifier: Apache-2.0
"""What `inspect` and `ps` say of a container (pure).

Source: Engine API v1.51, ContainerInspectResponse and ContainerSummary.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.engine.endpoints import endpoint_names
from sampan.engine.healthstate import inspect_health
from sampan.engine.inspect_config import describe_config, describe_host_config
from sampan.engine.links import describe_links
from sampan.engine.model import Container, Document, Endpoint, MountPoint
from sampan.engine.network_model import PREDEFINED
from sampan.engine.status import describe_status
from sampan.schema.container import ContainerConfig, HostConfig
from sampan.schema.times import format_time


def inspect_container(container: Container, *, data_dir: str, graph: dict[str, Any]) -> dict[str, Any]:
    """The whole truth about one container; `graph` says where its layers are."""
    document = container.document
    files = data_dir if document.state.started_ns else ""
    return {
        "Id": container.id,
        "Created": format_time(container.created_ns),
        "Path": document.path,
        "Args": document.args,
        "State": inspect_state(container),
        "Image": document.image_id,
        "ResolvConfPath": files and f"{files}/resolv.conf",
        "HostnamePath": files and f"{files}/hostname",
        "HostsPath": files and f"{files}/hosts",
        "LogPath": document.log_path,
        "Name": "/" + container.name,
        "RestartCount": document.state.restart_count,
        "Driver": graph["Name"],
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": container.exec_ids or None,
        "HostConfig": describe_host_config(document.host_config) | {"Links": describe_links(container)},
        "GraphDriver": graph,
        "Mounts": inspect_mounts(document),
        "Config": describe_config(document.config),
        "NetworkSettings": inspect_network_settings(container),
    }


def inspect_state(container: Container) -> dict[str, Any]:
    """The `State` object."""
    state = container.state
    health = {"Health": inspect_health(state.health)} if state.health else {}
    return {
        "Status": state.status,
        "Running": state.is_running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": format_time(state.started_ns),
        "FinishedAt": format_time(state.finished_ns),
        **health,
    }


def inspect_mounts(document: Document) -> list[dict[str, Any]]:
    """The `Mounts` list; those of `--tmpfs` are in the HostConfig alone, as in Docker."""
    short_tmpfs = document.host_config.tmpfs or {}
    return [
        inspect_mount(point)
        for point in document.mounts
        if point.type != "tmpfs" or point.destination not in short_tmpfs
    ]


def inspect_mount(point: MountPoint) -> dict[str, Any]:
    """One entry of `Mounts`."""
    mount: dict[str, Any] = {"Type": point.type}
    if point.name:
        mount["Name"] = point.name
    mount |= {"Source": point.source, "Destination": point.destination}
    if point.driver:
        mount["Driver"] = point.driver
    return mount | {"Mode": point.mode, "RW": point.rw, "Propagation": point.propagation}


def inspect_network_settings(container: Container) -> dict[str, Any]:
    """The `NetworkSettings` object with the old top-level fields of the default bridge."""
    document = container.document
    running = container.state.is_running
    bridge = document.endpoints.get("bridge")
    shown = bridge if bridge and running else None
    has_sandbox = running and container.state.pid and not container.config.network_disabled
    key = f"/proc/{container.state.pid}/ns/net" if has_sandbox else ""
    return {
        "Bridge": "",
        "SandboxID": container.id if running else "",
        "SandboxKey": key,
        "Ports": _inspect_ports(container.config, document.ports) if running else {},
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": shown.endpoint_id if shown else "",
        "Gateway": shown.gateway if shown else "",
        "GlobalIPv6Address": shown.address6 if shown else "",
        "GlobalIPv6PrefixLen": shown.prefix_length6 if shown else 0,
        "IPAddress": shown.address if shown else "",
        "IPPrefixLen": shown.prefix_length if shown else 0,
        "IPv6Gateway": shown.gateway6 if shown else "",
        "MacAddress": shown.mac_address if shown else bridge.wanted.mac_address if bridge else "",
        "Networks": {
            name: inspect_endpoint(container, endpoint) for name, endpoint in document.endpoints.items()
        },
    }


def inspect_endpoint(container: Container, endpoint: Endpoint) -> dict[str, Any]:
    """One entry of `Networks`; addresses show only while the container runs."""
    running = container.state.is_running
    wanted: dict[str, Any] = msgspec.to_builtins(endpoint.wanted)
    return {
        "IPAMConfig": _omit_empty(wanted["IPAMConfig"]),
        "Links": wanted["Links"],
        "Aliases": wanted["Aliases"],
        "MacAddress": endpoint.mac_address if running else endpoint.wanted.mac_address,
        "DriverOpts": wanted["DriverOpts"],
        "GwPriority": wanted["GwPriority"],
        "NetworkID": endpoint.network_id,
        "EndpointID": endpoint.endpoint_id if running else "",
        "Gateway": endpoint.gateway if running else "",
        "IPAddress": endpoint.address if running else "",
        "IPPrefixLen": endpoint.prefix_length if running else 0,
        "IPv6Gateway": endpoint.gateway6 if running else "",
        "GlobalIPv6Address": endpoint.address6 if running else "",
        "GlobalIPv6PrefixLen": endpoint.prefix_length6 if running else 0,
        "DNSNames": endpoint_names(container, endpoint) if endpoint.network not in PREDEFINED else None,
    }


def _omit_empty(value: dict[str, Any] | None) -> dict[str, Any] | None:
    return value and {name: each for name, each in value.items() if each}


def _inspect_ports(config: ContainerConfig, ports: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """Published ports with where they are; exposed but unpublished ones as null."""
    exposed = (port if "/" in port else f"{port}/tcp" for port in config.exposed_ports or ())
    shown: dict[str, Any] = dict.fromkeys(exposed)
    return shown | {port: list(bindings) for port, bindings in ports.items()}


def summarise_container(container: Container, *, now_ns: int) -> dict[str, Any]:
    """One line of `ps`."""
    document = container.document
    return {
        "Id": container.id,
        "Names": ["/" + container.name],
        "Image": document.image,
        "ImageID": document.image_id,
        "Command": " ".join([document.path, *(_quote(arg) for arg in document.args)]),
        "Created": container.created_ns // 1_000_000_000,
        "Ports": _summarise_ports(container),
        "Labels": document.config.labels or {},
        "State": document.state.status,
        "Status": describe_status(document.state, now_ns=now_ns),
        "HostConfig": _summarise_host_config(document.host_config),
        "NetworkSettings": {
            "Networks": {
                name: inspect_endpoint(container, endpoint) for name, endpoint in document.endpoints.items()
            }
        },
        "Mounts": inspect_mounts(document),
    }


def _summarise_host_config(host: HostConfig) -> dict[str, Any]:
    """Annotations are left out where there are none."""
    return {"NetworkMode": host.network_mode} | (
        {"Annotations": host.annotations} if host.annotations else {}
    )


def _quote(arg: str) -> str:
    return f"'{arg}'" if " " in arg else arg


def _summarise_ports(container: Container) -> list[dict[str, Any]]:
    if not container.state.is_running:
        return []
    lines: list[dict[str, Any]] = []
    for port, bindings in _inspect_ports(container.config, container.document.ports).items():
        number, _, protocol = port.partition("/")
        private = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        lines += [
            {"IP": binding["HostIp"], **private, "PublicPort": int(binding["HostPort"])}
            for binding in bindings or ()
            if binding["HostPort"]
        ] or [private]
    return lines
