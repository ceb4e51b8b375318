# SPDX-License-Identifier: Apache-2.0
"""From a container's configuration to its OCI runtime-spec (pure).

Implements: OCI runtime-spec 1.2, config.md and config-linux.md, filled as Docker fills it.
Holds: no "network" namespace is listed, so the runtime stays in the one its shim made or inherited.
Not here: which image or volumes are meant (containers, mounts); names of users, which only the image's own
passwd can tell (the shim asks it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.engine.idmap import AUTO, parse_id_maps
from sampan.engine.model import MountPoint
from sampan.engine.privileges import (
    DEFAULT_DEVICE_RULES,
    MASKED_PATHS,
    READONLY_PATHS,
    plan_capabilities,
)
from sampan.engine.resources import plan_resources, plan_rlimits
from sampan.schema.container import HostConfig

OCI_VERSION = "1.2.0"
DEFAULT_SHM_BYTES = 64 * 1024 * 1024
INIT_ANNOTATION = "io.sampan.init"


@dataclass(frozen=True, slots=True)
class Host:
    """Facts of this machine that a spec depends on."""

    capabilities: tuple[str, ...]
    devices: tuple[dict[str, Any], ...] = ()  # for privileged containers: every node below /dev


@dataclass(frozen=True, slots=True)
class SpecRequest:
    """All that a spec is made of. Paths of files are on the host; `seccomp` is an OCI profile or None."""

    container_id: str
    args: Sequence[str]
    env: Sequence[str]
    cwd: str
    hostname: str
    host_config: HostConfig
    cgroup_path: str
    seccomp: dict[str, Any] | None
    domainname: str = ""
    tty: bool = False
    no_new_privileges: bool = False
    mounts: Sequence[MountPoint] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # destination → source, e.g. /etc/hosts
    devices: Sequence[dict[str, Any]] = ()
    device_rules: Sequence[dict[str, Any]] = ()
    namespace_paths: Mapping[str, str] = field(default_factory=dict)  # e.g. {"pid": "/proc/12/ns/pid"}
    shared_namespaces: frozenset[str] = frozenset()  # those of the host that it keeps
    annotations: Mapping[str, str] = field(default_factory=dict)


def plan_spec(request: SpecRequest, host: Host) -> dict[str, Any]:
    """The bundle's config.json as a plain value."""
    privileged = request.host_config.privileged
    spec: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "process": _plan_process(request, host),
        "root": {"path": "rootfs", "readonly": request.host_config.readonly_rootfs},
        "hostname": request.hostname,
        "mounts": [*_system_mounts(request), *_user_mounts(request)],
        "annotations": dict(request.annotations),
        "linux": {
            "namespaces": _plan_namespaces(request),
            "cgroupsPath": request.cgroup_path,
            "resources": plan_resources(request.host_config, _device_rules(request)),
            "devices": [*request.devices, *(host.devices if privileged else ())],
            "sysctl": _own_sysctls(request.host_config),
            "maskedPaths": _paths(request.host_config.masked_paths, MASKED_PATHS, privileged),
            "readonlyPaths": _paths(request.host_config.readonly_paths, READONLY_PATHS, privileged),
        },
    }
    if request.domainname:
        spec["domainname"] = request.domainname
    if "uts" in request.shared_namespaces:
        del spec["hostname"]
    if request.seccomp is not None:
        spec["linux"]["seccomp"] = request.seccomp
    return spec


def _own_sysctls(host: HostConfig) -> dict[str, str]:
    """Those of the network belong to its namespace, which the shim makes and writes."""
    return {name: value for name, value in (host.sysctls or {}).items() if not name.startswith("net.")}


def _plan_process(request: SpecRequest, host: Host) -> dict[str, Any]:
    config = request.host_config
    capabilities = plan_capabilities(
        host.capabilities,
        add=config.cap_add or (),
        drop=config.cap_drop or (),
        privileged=config.privileged,
    )
    process: dict[str, Any] = {
        "terminal": request.tty,
        "user": {"uid": 0, "gid": 0},
        "args": list(request.args),
        "env": list(request.env),
        "cwd": request.cwd or "/",
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        "noNewPrivileges": request.no_new_privileges,
        "rlimits": plan_rlimits(config.ulimits or []),
    }
    if config.oom_score_adj:
        process["oomScoreAdj"] = config.oom_score_adj
    if config.console_size and any(config.console_size):
        process["consoleSize"] = {"height": config.console_size[0], "width": config.console_size[1]}
    return process


def _plan_namespaces(request: SpecRequest) -> list[dict[str, str]]:
    """Mount is always private; the others unless the user shares them with the host or another container."""
    namespaces: list[dict[str, str]] = []
    for kind in ("mount", "uts", "pid", "ipc", "cgroup"):
        if kind in request.shared_namespaces:
            continue
        path = request.namespace_paths.get(kind)
        namespaces.append({"type": kind, "path": path} if path else {"type": kind})
    return namespaces


def _system_mounts(request: SpecRequest) -> list[dict[str, Any]]:
    privileged = request.host_config.privileged
    taken = {point.destination for point in request.mounts}
    access = "rw" if privileged else "ro"
    shm = request.host_config.shm_size or DEFAULT_SHM_BYTES
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid noexec nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"),
        _mount("/sys", "sysfs", "sysfs", f"nosuid noexec nodev {access}"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", f"nosuid noexec nodev relatime {access}"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
        _mount("/dev/shm", "tmpfs", "shm", f"nosuid noexec nodev mode=1777 size={shm}"),
    ]
    if request.host_config.ipc_mode == "none":
        mounts.pop()
    elif "ipc" in request.shared_namespaces:
        mounts[-1] = _mount("/dev/shm", "bind", "/dev/shm", "rbind rprivate")
    return [mount for mount in mounts if mount["destination"] not in taken]


def _user_mounts(request: SpecRequest) -> list[dict[str, Any]]:
    """Parents come before children; the engine's own files give way to what the user mounts there."""
    taken = {point.destination for point in request.mounts}
    mounts = [
        _mount(destination, "bind", source, "rbind rprivate")
        for destination, source in request.files.items()
        if destination not in taken
    ]
    mounts += [plan_mount_point(point) for point in request.mounts]
    return sorted(mounts, key=lambda mount: mount["destination"].count("/"))


def plan_mount_point(point: MountPoint) -> dict[str, Any]:
    """One entry of the runtime-spec's `mounts`."""
    if point.type == "tmpfs":
        return {
            "destination": point.destination,
            "type": "tmpfs",
            "source": "tmpfs",
            "options": point.options or ["noexec", "nosuid", "nodev"],
        }
    if point.type == "overlay":
        return {
            "destination": point.destination,
            "type": "overlay",
            "source": "overlay",
            "options": ["ro", *point.options],
        }
    if point.filesystem not in ("", "bind"):
        return _plan_filesystem(point)
    access = ("rro" if point.recursive_readonly else "ro") if not point.rw else "rw"
    bind = "rbind" if point.recursive else "bind"
    entry: dict[str, Any] = {
        "destination": point.destination,
        "type": "bind",
        "source": point.device or point.source,
        "options": [bind, access, point.propagation or "rprivate", *point.options],
    }
    if point.id_map:
        entry["options"].append("idmap")
    if point.id_map not in ("", AUTO):
        entry["uidMappings"], entry["gidMappings"] = parse_id_maps(point.id_map)
    return entry


def _plan_filesystem(point: MountPoint) -> dict[str, Any]:
    """A volume with driver options; an instance in memory is new each time, so it is filled each time.

    Copying also takes the folder's owner and mode from the image, unless the options give them.
    """
    options = [*point.options, *([] if point.rw else ["ro"])]
    has_owner = any(word.startswith(("uid=", "gid=", "mode=")) for word in point.options)
    if point.filesystem == "tmpfs" and point.copy_up and not has_owner:
        options.append("tmpcopyup")
    return {
        "destination": point.destination,
        "type": point.filesystem,
        "source": point.device,
        "options": options,
    }


def _mount(destination: str, kind: str, source: str, options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": options.split()}


def _device_rules(request: SpecRequest) -> list[dict[str, Any]]:
    if request.host_config.privileged:
        return [{"allow": True, "access": "rwm"}]
    return [*DEFAULT_DEVICE_RULES, *request.device_rules]


def _paths(wanted: list[str] | None, default: tuple[str, ...], privileged: bool) -> list[str]:
    """`--security-opt systempaths=unconfined` sends empty lists; privileged hides nothing."""
    if wanted is not None:
        return list(wanted)
    return [] if privileged else list(default)
