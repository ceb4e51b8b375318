# SPDX-License-Identifier: Apache-2.0
"""What the engine says of itself and of the machine: `version` and `info`.

Source: Engine API v1.51, SystemVersion and SystemInfo.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sampan
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
        }
        return {
            "Platform": {"Name": "Sampan"},
            "Components": [{"Name": "Engine", "Version": sampan.__version__, "Details": details}],
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
            "DriverStatus": [["Backing Filesystem", filesystem_of(self.data_root)]],
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
            "OSVersion": "",
            "OSType": "linux",
            "Architecture": uname.machine,
            "NCPU": len(os.sched_getaffinity(0)),
            "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {
                "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"],
                "IndexConfigs": {},
                "Mirrors": None,
            },
            "GenericResources": None,
            "HttpProxy": "",
            "HttpsProxy": "",
            "NoProxy": "",
            "Name": uname.nodename,
            "Labels": [],
            "ExperimentalBuild": False,
            "ServerVersion": sampan.__version__,
            "Runtimes": {"sampan": {"path": "sampan-runtime"}},
            "DefaultRuntime": "sampan",
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


def architecture(machine: str) -> str:
    """The kernel's name of the machine in Go's words."""
    return DOCKER_NAMES.get(machine, machine)


def operating_system() -> str:
    """PRETTY_NAME of os-release(5)."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


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
