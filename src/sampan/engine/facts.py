# SPDX-License-Identifier: Apache-2.0
"""What the engine says of itself and of the machine: `version` and `info`.

Source: Engine API v1.51, SystemVersion and SystemInfo.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sampan
from sampan.engine.inspect_config import DEFAULT_RUNTIME
from sampan.engine.registry_facts import describe_proxies, describe_registries
from sampan.registry.settings import Settings
from sampan.runtime.state import OCI_VERSION
from sampan.schema.times import format_time

DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Facts:
    """Read once at start: nothing here changes while the engine runs, but the clock."""

    engine_id: str
    data_root: str
    started_ns: int
    storage_driver: str
    cgroup_version: str
    warnings: tuple[str, ...] = ()
    registries: Settings = field(default_factory=Settings)

    def version(self, *, api: str, minimum: str) -> dict[str, Any]:
        """SystemVersionResponse."""
        uname = os.uname()
        details = {
            "ApiVersion": api,
            "MinAPIVersion": minimum,
            "Arch": architecture(uname.machine),
            "BuildTime": "",
            "Experimental": "false",
            "GitCommit": "",
            "GoVersion": f"python{platform.python_version()}",
            "KernelVersion": uname.release,
            "Os": "linux",
            "PythonVersion": platform.python_version(),
        }
        return {
            "Platform": {"Name": "Sampan"},
            "Components": [
                {"Name": "Engine", "Version": sampan.__version__, "Details": details},
                {"Name": "sampan-runtime", "Version": sampan.__version__, "Details": {"Spec": OCI_VERSION}},
            ],
            "Version": sampan.__version__,
            "ApiVersion": api,
            "MinAPIVersion": minimum,
            "GitCommit": "",
            "GoVersion": details["GoVersion"],
            "Os": "linux",
            "Arch": architecture(uname.machine),
            "KernelVersion": uname.release,
            "BuildTime": "",
        }

    def info(self, counts: Mapping[str, int], *, now_ns: int, images: int) -> dict[str, Any]:
        """SystemInfo; `counts` are containers by status."""
        uname = os.uname()
        paused, running = counts.get("paused", 0), counts.get("running", 0)
        return {
            "ID": self.engine_id,
            "Containers": sum(counts.values()),
            "ContainersRunning": running,
            "ContainersPaused": paused,
            "ContainersStopped": sum(counts.values()) - running - paused,
            "Images": images,
            "Driver": self.storage_driver,
            "DriverStatus": self._driver_status(),
            "DockerRootDir": self.data_root,
            "Plugins": {
                "Volume": ["local"],
                "Network": ["bridge", "host", "macvlan", "null"],
                "Authorization": None,
                "Log": ["json-file", "local", "none"],
            },
            "MemoryLimit": True,
            "SwapLimit": True,
            "CpuCfsPeriod": True,
            "CpuCfsQuota": True,
            "CPUShares": True,
            "CPUSet": True,
            "PidsLimit": True,
            "OomKillDisable": self.cgroup_version == "1",
            "IPv4Forwarding": True,
            "Debug": False,
            "NFd": len(os.listdir("/proc/self/fd")),
            "SystemTime": format_time(now_ns),
            "LoggingDriver": "json-file",
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": self.cgroup_version,
            "KernelVersion": uname.release,
            "OperatingSystem": operating_system(),
            "OSVersion": _os_release().get("VERSION_ID", ""),
            "OSType": "linux",
            "Architecture": uname.machine,
            "NCPU": len(os.sched_getaffinity(0)),
            "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": describe_registries(self.registries),
            "GenericResources": None,
            **describe_proxies(self.registries),
            "Name": uname.nodename,
            "Labels": [],
            "ExperimentalBuild": False,
            "ServerVersion": sampan.__version__,
            "Runtimes": {DEFAULT_RUNTIME: {"path": "sampan-runtime"}},
            "DefaultRuntime": DEFAULT_RUNTIME,
            "Swarm": {
                "NodeID": "",
                "NodeAddr": "",
                "LocalNodeState": "inactive",
                "ControlAvailable": False,
                "Error": "",
                "RemoteManagers": None,
            },
            "LiveRestoreEnabled": True,
            "Isolation": "",
            "InitBinary": "sampan-init",
            "ContainerdCommit": {"ID": "N/A"},
            "RuncCommit": {"ID": "N/A"},
            "InitCommit": {"ID": "N/A"},
            "FirewallBackend": {"Driver": "nftables"},
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
            "CDISpecDirs": [],
            "Warnings": list(self.warnings),
        }

    def _driver_status(self) -> list[list[str]]:
        status = [["Backing Filesystem", filesystem_of(self.data_root)]]
        if self.storage_driver == "overlay2":
            status += [
                ["Supports d_type", "true"],
                ["userxattr", "false"],
            ]  # overlay needs the one, not the other
        return status


def architecture(machine: str) -> str:
    """The kernel's name of the machine in Go's words."""
    return DOCKER_NAMES.get(machine, machine)


def operating_system() -> str:
    """PRETTY_NAME of os-release(5)."""
    return _os_release().get("PRETTY_NAME", "Linux")


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def filesystem_of(path: str) -> str:
    """The type of the file system that holds `path`, by its longest mount point in mountinfo."""
    best, kind = "", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields, _, tail = line.partition(" - ")
            mount_point = fields.split()[4]
            if len(mount_point) >= len(best) and (path + "/").startswith(mount_point.rstrip("/") + "/"):
                best, kind = mount_point, tail.split()[0]
    return kind
