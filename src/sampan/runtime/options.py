# SPDX-License-Identifier: Apache-2.0
"""Mount options as fstab and the OCI runtime-spec (config, Linux mount options) write them, as a value."""

from __future__ import annotations

from sampan.linux import mount as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ATTRIBUTES = {
    "ro": (m.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, m.MOUNT_ATTR_RDONLY),
    "nosuid": (m.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, m.MOUNT_ATTR_NOSUID),
    "nodev": (m.MOUNT_ATTR_NODEV, 0),
    "dev": (0, m.MOUNT_ATTR_NODEV),
    "noexec": (m.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, m.MOUNT_ATTR_NOEXEC),
    "nodiratime": (m.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, m.MOUNT_ATTR_NODIRATIME),
    "nosymfollow": (m.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, m.MOUNT_ATTR_NOSYMFOLLOW),
    "relatime": (m.MOUNT_ATTR_RELATIME, m.MOUNT_ATTR_ATIME),
    "norelatime": (0, 0),
    "noatime": (m.MOUNT_ATTR_NOATIME, m.MOUNT_ATTR_ATIME),
    "atime": (0, m.MOUNT_ATTR_ATIME),
    "strictatime": (m.MOUNT_ATTR_STRICTATIME, m.MOUNT_ATTR_ATIME),
    "nostrictatime": (0, m.MOUNT_ATTR_ATIME),
}
"""Name → (bits set, bits cleared). With an `r` in front the option holds for the mounts below as well."""

PROPAGATION = {
    "private": m.MS_PRIVATE,
    "shared": m.MS_SHARED,
    "slave": m.MS_SLAVE,
    "unbindable": m.MS_UNBINDABLE,
}

_IGNORED = frozenset(("defaults", "auto", "noauto", "nofail", "_netdev", "loud"))


class MountOptions:
    """Parsed options: attribute bits, the same for mounts below, propagation, and the file system's own."""

    __slots__ = (
        "bind",
        "copy_up",
        "data",
        "off",
        "on",
        "propagation",
        "propagation_recursive",
        "recursive_bind",
        "recursive_off",
        "recursive_on",
        "remount",
    )

    def __init__(self) -> None:
        self.on = self.off = self.recursive_on = self.recursive_off = 0
        self.propagation = 0
        self.propagation_recursive = False
        self.bind = self.recursive_bind = self.remount = self.copy_up = False
        self.data: tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        """Whether the mount itself is to be read-only."""
        return bool((self.on | self.recursive_on) & m.MOUNT_ATTR_RDONLY)

    def _set(self, bits: tuple[int, int], *, recursive: bool) -> None:
        """Apply one option; a later one wins over an earlier."""
        on, off = bits
        if recursive:
            self.recursive_on = self.recursive_on & ~off | on
            self.recursive_off = self.recursive_off & ~on | off
        else:
            self.on = self.on & ~off | on
            self.off = self.off & ~on | off


def parse_mount_options(options: Iterable[str]) -> MountOptions:
    """Sort options into attributes, propagation and what is left for the file system."""
    parsed = MountOptions()
    for option in options:
        if not _take_attribute(parsed, option) and not _take_word(parsed, option):
            parsed.data += (option,)
    return parsed


def _take_attribute(parsed: MountOptions, option: str) -> bool:
    if option in ATTRIBUTES:
        parsed._set(ATTRIBUTES[option], recursive=False)
    elif option[:1] == "r" and option[1:] in ATTRIBUTES:
        parsed._set(ATTRIBUTES[option[1:]], recursive=True)
    elif option in PROPAGATION:
        parsed.propagation, parsed.propagation_recursive = PROPAGATION[option], False
    elif option[:1] == "r" and option[1:] in PROPAGATION:
        parsed.propagation, parsed.propagation_recursive = PROPAGATION[option[1:]], True
    else:
        return False
    return True


def _take_word(parsed: MountOptions, option: str) -> bool:
    if option in ("bind", "rbind"):
        parsed.bind, parsed.recursive_bind = True, option == "rbind"
    elif option == "remount":
        parsed.remount = True
    elif option == "tmpcopyup":
        parsed.copy_up = True
    elif option in ("idmap", "ridmap"):
        pass  # whose ids are meant, the mount's entry says (see `idmap`)
    else:
        return option in _IGNORED
    return True
