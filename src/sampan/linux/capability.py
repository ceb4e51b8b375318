# SPDX-License-Identifier: Apache-2.0
"""Capabilities (capabilities(7)) of the calling thread: names, the five sets, reading and setting."""

from __future__ import annotations

import ctypes

from sampan.linux.process import PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_CAPBSET_READ, prctl
from sampan.linux.syscall import SyscallError, call, per_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
    "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
"""Name by number, in the kernel's order."""

NUMBERS = {name: number for number, name in enumerate(NAMES)}
CAP_SYS_ADMIN = NUMBERS["CAP_SYS_ADMIN"]

_CAPGET, _CAPSET = per_machine(125, 90), per_machine(126, 91)
_VERSION_3 = 0x20080522
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4


def mask_of(names: Iterable[str]) -> int:
    """Return the bit mask of capability names; those that this table does not know are left out."""
    mask = 0
    for name in names:
        mask |= 1 << NUMBERS[name] if name in NUMBERS else 0
    return mask


def names_of(mask: int) -> list[str]:
    """Return the names of the bits set in `mask`."""
    return [name for number, name in enumerate(NAMES) if mask >> number & 1]


def read_sets() -> tuple[int, int, int]:
    """Return (effective, permitted, inheritable) of this thread."""
    header, data = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    call("capget", _CAPGET, ctypes.byref(header), ctypes.byref(data))
    effective, permitted, inheritable = (data[index] | data[index + 3] << 32 for index in range(3))
    return effective, permitted, inheritable


def write_sets(effective: int, permitted: int, inheritable: int) -> None:
    """Set (effective, permitted, inheritable) of this thread."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    sets = (effective, permitted, inheritable)
    data = (ctypes.c_uint32 * 6)(*(bits & 0xFFFFFFFF for bits in sets), *(bits >> 32 for bits in sets))
    call("capset", _CAPSET, ctypes.byref(header), ctypes.byref(data))


def last_known() -> int:
    """Return the highest capability number that the running kernel has."""
    number = len(NAMES) - 1
    while number > 0 and not _is_known(number):
        number -= 1
    return number


def _is_known(number: int) -> bool:
    try:
        prctl(PR_CAPBSET_READ, number)
    except SyscallError:
        return False
    return True


def limit_bounding_set(keep: int) -> None:
    """Drop from the bounding set whatever is not in `keep`."""
    for number in range(last_known() + 1):
        if not keep >> number & 1:
            prctl(PR_CAPBSET_DROP, number)


def raise_ambient(mask: int) -> None:
    """Make the ambient set equal to `mask` (which must be permitted and inheritable)."""
    prctl(PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    for number in range(len(NAMES)):
        if mask >> number & 1:
            prctl(PR_CAP_AMBIENT, _AMBIENT_RAISE, number)
