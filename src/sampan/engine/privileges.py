# SPDX-License-Identifier: Apache-2.0
"""Which capabilities, devices and hidden paths a container gets (pure).

Source: Docker's defaults (moby `oci/caps`, `oci/defaults.go`); the names are those of capabilities(7).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.errors import InvalidArgument
from sampan.linux.capability import NAMES

ALL_CAPABILITIES = frozenset(NAMES)

DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)

READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# What every container may use: the nodes that the runtime makes, ptys, and mknod of anything (not open).
DEFAULT_DEVICE_RULES: tuple[dict[str, Any], ...] = (
    {"allow": False, "access": "rwm"},
    {"allow": True, "type": "c", "access": "m"},
    {"allow": True, "type": "b", "access": "m"},
    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 7, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 8, "access": "rwm"},
    {"allow": True, "type": "c", "major": 1, "minor": 9, "access": "rwm"},
    {"allow": True, "type": "c", "major": 5, "minor": 0, "access": "rwm"},
    {"allow": True, "type": "c", "major": 5, "minor": 1, "access": "rwm"},
    {"allow": True, "type": "c", "major": 5, "minor": 2, "access": "rwm"},
    {"allow": True, "type": "c", "major": 136, "access": "rwm"},
)


def plan_capabilities(
    host: Iterable[str], *, add: Iterable[str], drop: Iterable[str], privileged: bool
) -> list[str]:
    """The capabilities of a container: Docker's rules for `--cap-add`, `--cap-drop` and `--privileged`.

    `host` are those that this engine holds itself: nothing can be given that is not had. ALL may stand for all.
    """
    known = list(host)
    if privileged:
        return known
    added = [_known_capability(name, "CapAdd") for name in add]
    dropped = [_known_capability(name, "CapDrop") for name in drop]
    base = known if "ALL" in added else [] if "ALL" in dropped else list(DEFAULT_CAPABILITIES)
    wanted = [name for name in base if name not in dropped]
    wanted += [name for name in added if name not in ("ALL", *wanted)]
    return [name for name in wanted if name in known]


def _known_capability(text: str, option: str) -> str:
    name = normalise_capability(text)
    if name != "ALL" and name not in ALL_CAPABILITIES:
        raise InvalidArgument(f'invalid {option}: unknown capability: "{name}"')
    return name


def normalise_capability(name: str) -> str:
    """`net_admin` and `CAP_NET_ADMIN` are the same capability; ALL stays ALL."""
    upper = name.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else "CAP_" + upper
