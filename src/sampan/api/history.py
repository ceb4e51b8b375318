# SPDX-License-Identifier: Apache-2.0
"""What answers looked like in older versions of the API: one table of changes, newest first (pure).

Source: moby `api/docs/CHANGELOG.md`, v1.24 to v1.51. The engine describes everything as the newest version
does; `as_of` undoes the changes that came after the version that a client speaks. What a request may say in an
older version is in `older_requests`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sampan.api.versions import CURRENT, parse_version

Kind = Literal[
    "container",
    "container summary",
    "disk usage",
    "exec",
    "image",
    "image listing",  # an image summary in `GET /images/json`, not in `GET /system/df`
    "image summary",
    "info",
    "network",
    "system version",
    "volume",
]
Shape = dict[str, Any]
Undo = Callable[[Shape], Shape]

NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Change:
    """From version 1.`minor` on an answer has its newer shape; `undo` gives the older one."""

    minor: int
    kind: Kind
    undo: Undo


def as_of(version: str, kind: Kind, value: Shape) -> Shape:
    """`value` as a client of this version knows it."""
    if version == CURRENT:
        return value
    minor = parse_version(version)[1]
    for change in CHANGES:
        if change.kind == kind and minor < change.minor:
            value = change.undo(value)
    return value


def without(*names: str) -> Undo:
    """Fields that came later; `A.B` is the field B of the object A."""

    def undo(value: Shape) -> Shape:
        for name in names:
            value = _edit(value, name.split("."), _less)
        return value

    return undo


def with_fields(fields: Mapping[str, Any]) -> Undo:
    """Fields that went later, with the value that they always had at the end."""

    def undo(value: Shape) -> Shape:
        for name, given in fields.items():
            value = _edit(value, name.split("."), _default_of(given))
        return value

    return undo


def each(name: str, undo: Undo) -> Undo:
    """The same change in every entry of a list or a map."""

    def undo_all(value: Shape) -> Shape:
        entries = value.get(name)
        if isinstance(entries, dict):
            return value | {name: {key: undo(entry) for key, entry in entries.items()}}
        return value | {name: [undo(entry) for entry in entries]} if entries else value

    return undo_all


def inside(name: str, undo: Undo) -> Undo:
    """A change in the object that a field holds."""
    return lambda value: value | {name: undo(value[name])} if isinstance(value.get(name), dict) else value


def _edit(value: Shape, path: list[str], change: Callable[[Shape, str], Shape]) -> Shape:
    if len(path) == 1:
        return change(value, path[0])
    nested = value.get(path[0])
    return value | {path[0]: _edit(nested, path[1:], change)} if isinstance(nested, dict) else value


def _default_of(given: Any) -> Callable[[Shape, str], Shape]:
    return lambda shape, name: {name: given} | shape


def _less(shape: Shape, name: str) -> Shape:
    return {key: field for key, field in shape.items() if key != name}


def _add_virtual_size(image: Shape) -> Shape:
    return image | {"VirtualSize": image["Size"]}


def _name_the_nameless(image: Shape) -> Shape:
    if image["RepoTags"] or image["RepoDigests"]:
        return image
    return image | {"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}


def _alias_by_short_id(container: Shape) -> Shape:
    """User-defined networks listed the short id and the host name among the aliases."""
    short, hostname = container["Id"][:12], container["Config"]["Hostname"]

    def alias(endpoint: Shape) -> Shape:
        names = [*(endpoint.get("Aliases") or ()), short, hostname]
        return endpoint | {"Aliases": list(dict.fromkeys(filter(None, names)))}

    networks = {
        name: endpoint if name in ("bridge", "host", "none", "default") else alias(endpoint)
        for name, endpoint in container["NetworkSettings"]["Networks"].items()
    }
    return container | {"NetworkSettings": container["NetworkSettings"] | {"Networks": networks}}


def _expect_commits(info: Shape) -> Shape:
    commits = {name: info[name] for name in ("ContainerdCommit", "RuncCommit", "InitCommit")}
    return info | {name: commit | {"Expected": commit["ID"]} for name, commit in commits.items()}


def _shorten_security_options(info: Shape) -> Shape:
    """`name=seccomp,profile=builtin` was plain `seccomp`."""
    options = [option.partition(",")[0].removeprefix("name=") for option in info["SecurityOptions"]]
    return info | {"SecurityOptions": options}


def _networks(undo: Undo) -> Undo:
    return inside("NetworkSettings", each("Networks", undo))


# What an image's configuration repeated of a container's: always empty.
_CONTAINER_ONLY = {
    "Hostname": "",
    "Domainname": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Image": "",
}
_EMPTY_CONFIG = _CONTAINER_ONLY | {
    "User": "",
    "Env": None,
    "Cmd": None,
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}

CHANGES: tuple[Change, ...] = (
    Change(51, "image listing", lambda image: image | {"Containers": -1}),
    Change(50, "info", without("DiscoveredDevices")),
    Change(50, "info", with_fields({"BridgeNfIptables": False, "BridgeNfIp6tables": False})),
    Change(50, "image", inside("Config", lambda config: _CONTAINER_ONLY | config)),
    Change(49, "info", without("FirewallBackend")),
    Change(49, "info", _expect_commits),
    Change(
        49,
        "info",
        with_fields(
            {
                "RegistryConfig.AllowNondistributableArtifactsCIDRs": None,
                "RegistryConfig.AllowNondistributableArtifactsHostnames": None,
            }
        ),
    ),
    Change(48, "container", without("ImageManifestDescriptor")),
    Change(48, "container", _networks(without("GwPriority"))),
    Change(48, "container summary", without("ImageManifestDescriptor")),
    Change(48, "container summary", _networks(without("GwPriority"))),
    Change(48, "image", without("Descriptor", "Manifests")),
    Change(48, "image summary", without("Descriptor")),
    Change(48, "network", without("EnableIPv4")),
    Change(47, "image summary", without("Manifests")),
    Change(46, "info", without("Containerd")),
    Change(46, "container summary", without("HostConfig.Annotations")),
    Change(45, "image", with_fields({"Container": "", "ContainerConfig": _EMPTY_CONFIG})),
    Change(45, "container", _alias_by_short_id),
    Change(44, "image", _add_virtual_size),
    Change(44, "image", with_fields({"Created": NEVER})),
    Change(44, "image summary", _add_virtual_size),
    Change(44, "info", without("CDISpecDirs")),
    Change(44, "info", each("Runtimes", without("status"))),
    Change(44, "container", _networks(without("DNSNames"))),
    Change(44, "container", without("Config.Healthcheck.StartInterval")),
    Change(44, "container summary", _networks(without("DNSNames"))),
    Change(43, "image summary", _name_the_nameless),
    Change(43, "container", without("HostConfig.Annotations")),
    Change(42, "container", with_fields({"HostConfig.KernelMemory": 0, "HostConfig.KernelMemoryTCP": 0})),
    Change(42, "info", with_fields({"KernelMemory": False, "KernelMemoryTCP": False})),
    Change(42, "disk usage", with_fields({"BuilderSize": 0})),
    Change(42, "disk usage", each("BuildCache", lambda entry: {"Parent": ""} | without("Parents")(entry))),
    Change(41, "info", without("CgroupVersion", "DefaultAddressPools")),
    Change(41, "container", without("HostConfig.CgroupnsMode")),
    Change(40, "info", without("PidsLimit")),
    Change(40, "container", without("HostConfig.DeviceRequests", "HostConfig.KernelMemoryTCP")),
    Change(39, "info", without("Warnings")),
    Change(35, "system version", without("Platform", "Components")),
    Change(31, "volume", without("CreatedAt")),
    Change(29, "network", without("Ingress")),
    Change(29, "container", without("Config.Healthcheck.StartPeriod")),
    Change(28, "container", without("HostConfig.DeviceCgroupRules")),
    Change(25, "system version", without("MinAPIVersion")),
    Change(25, "volume", without("Options")),
    Change(25, "network", without("Created")),
    Change(25, "exec", without("Pid")),
    Change(25, "info", without("Isolation")),
    Change(25, "info", _shorten_security_options),
    Change(25, "container", without("Config.StopTimeout", "HostConfig.AutoRemove", "HostConfig.Mounts")),
    Change(25, "container", without("HostConfig.NanoCpus", "HostConfig.CpuCount")),
    Change(25, "container", without("HostConfig.CpuRealtimePeriod", "HostConfig.CpuRealtimeRuntime")),
)
