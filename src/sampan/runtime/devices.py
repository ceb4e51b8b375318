# SPDX-License-Identifier: Apache-2.0
"""Device nodes and links in /dev (runtime-spec: linux.devices, default devices, dev symbolic links)."""

from __future__ import annotations

import os
import stat

from sampan.errors import InvalidArgument
from sampan.linux import mount
from sampan.linux.resolve import make_file_in_root, makedirs_in_root
from sampan.runtime.steps import Step, Symlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
"""Path, major, minor: what every container has."""

LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
)

_TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


class Device(Step):
    """Make a device node or, where the kernel does not allow that, bind the host's."""

    __slots__ = ("bind", "device", "gid", "mode", "path", "uid")

    def __init__(self, path: str, mode: int, device: int, *, uid: int = 0, gid: int = 0, bind: bool) -> None:
        self.path, self.mode, self.device = path, mode, device
        self.uid, self.gid, self.bind = uid, gid, bind

    def describe(self) -> str:
        """Say in one line what this will do."""
        numbers = f"{os.major(self.device)}:{os.minor(self.device)}"
        return f"{'bind' if self.bind else 'make'} device {self.path} {numbers}"

    def apply(self, root_fd: int) -> None:
        """Make it; a user namespace may not, and gets the host's own node."""
        if self.bind:
            self._bind(root_fd)
            return
        parent, _, name = self.path.rpartition("/")
        directory = makedirs_in_root(root_fd, parent or "/")
        try:
            os.mknod(name, self.mode, self.device, dir_fd=directory)
            os.chown(name, self.uid, self.gid, dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            return  # the image's own; what it may do is the device cgroup's matter
        except PermissionError:
            self._bind(root_fd)
        finally:
            os.close(directory)

    def _bind(self, root_fd: int) -> None:
        target = make_file_in_root(root_fd, self.path)
        try:
            tree = mount.open_tree(self.path)
            try:
                mount.attach(tree, target)
            finally:
                os.close(tree)
        finally:
            os.close(target)


def plan_devices(linux: dict[str, Any], *, bind: bool, has_kcore: bool = False) -> list[Step]:
    """Return the default devices, the config's own, and the links; /dev/core where the kernel has it."""
    steps: dict[str, Step] = {}
    for path, major, minor in DEFAULT_DEVICES:
        steps[path] = Device(path, stat.S_IFCHR | 0o666, os.makedev(major, minor), bind=bind)
    for entry in linux.get("devices") or ():
        steps[entry["path"]] = _plan_device(entry, bind=bind)
    links = (*LINKS, ("/dev/core", "/proc/kcore")) if has_kcore else LINKS
    return [*steps.values(), *(Symlink(path, target) for path, target in links)]


def _plan_device(entry: dict[str, Any], *, bind: bool) -> Device:
    kind = entry.get("type", "")
    if kind not in _TYPES:
        raise InvalidArgument(f'device {entry["path"]}: unknown type "{kind}"')
    mode = _TYPES[kind] | (0o666 if entry.get("fileMode") is None else stat.S_IMODE(entry["fileMode"]))
    device = os.makedev(entry.get("major") or 0, entry.get("minor") or 0)
    uid, gid = entry.get("uid") or 0, entry.get("gid") or 0
    return Device(entry["path"], mode, device, uid=uid, gid=gid, bind=bind and kind != "p")
