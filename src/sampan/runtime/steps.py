# SPDX-License-Identifier: Apache-2.0
"""The steps that turn an image's directory into a container's root, each described before it is done.

Steps run in the child, in its own mount namespace, before pivot_root. A target is always a path of the
container, resolved inside its root to a descriptor, and mounted on through that descriptor (CVE-2021-30465).
What comes from the host is opened before, by `prepare`, in the parent: a user namespace may not be able to
walk there, and nothing in the image can redirect it.
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.errors import InvalidArgument
from sampan.linux import mount
from sampan.linux.resolve import (
    PROC_SUPER_MAGIC,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_SYMLINKS,
    filesystem_type,
    make_file_in_root,
    makedirs_in_root,
    open_in_root,
    open_parent_in_root,
    openat2,
)
from sampan.linux.syscall import SyscallError
from sampan.runtime.copyup import copy_tree_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.runtime.idmap import IdMap
    from sampan.runtime.options import MountOptions


class Step:
    """One change below the root `root_fd`."""

    __slots__ = ()

    def describe(self) -> str:
        """Say in one line what this will do."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Open what the step needs of the host; runs in the parent before the child exists."""

    def apply(self, root_fd: int) -> None:
        """Do it."""
        raise NotImplementedError

    def descriptors(self) -> tuple[int, ...]:
        """Return what `prepare` opened."""
        return ()

    def close(self) -> None:
        """Close what `prepare` opened."""


class Bind(Step):
    """Show a file or directory of the host at `target`."""

    __slots__ = ("id_map", "options", "source", "target", "tree")

    def __init__(self, source: str, target: str, options: MountOptions, id_map: IdMap | None = None) -> None:
        self.source, self.target, self.options, self.id_map = source, target, options, id_map
        self.tree = -1

    def describe(self) -> str:
        """Say in one line what this will do."""
        kind = "rbind" if self.options.recursive_bind else "bind"
        access = " read-only" if self.options.read_only else ""
        return f"{kind} {self.source} at {self.target}{access}{' with mapped ids' if self.id_map else ''}"

    def prepare(self) -> None:
        """Take a detached copy of the source and give it its attributes while nobody sees it."""
        options = self.options
        self.tree = mount.open_tree(self.source, recursive=options.recursive_bind)
        if self.id_map:
            self.id_map.apply(self.tree, self.source)
        if not options.recursive_bind and not options.propagation:  # one mount: one call does all
            on, off = options.on | options.recursive_on, options.off | options.recursive_off
            mount.set_attributes(dir_fd=self.tree, on=on, off=off, propagation=mount.MS_SLAVE)
            return
        change_attributes(self.tree, options.on, options.off, recursive=False)
        change_attributes(self.tree, options.recursive_on, options.recursive_off, recursive=True)
        propagation = options.propagation or mount.MS_SLAVE
        recursive = options.propagation_recursive or not options.propagation
        mount.set_attributes(dir_fd=self.tree, propagation=propagation, recursive=recursive)

    def apply(self, root_fd: int) -> None:
        """Attach it, on a file where the source is one."""
        is_directory = stat.S_ISDIR(os.fstat(self.tree).st_mode)
        make = makedirs_in_root if is_directory else make_file_in_root
        target = make(root_fd, self.target)
        try:
            refuse_inside_proc(target, self.target)
            mount.attach(self.tree, target)
        finally:
            os.close(target)
            self.close()

    def descriptors(self) -> tuple[int, ...]:
        """Return the tree."""
        return (self.tree,)

    def close(self) -> None:
        """Close the tree, if it is open."""
        if self.tree >= 0:
            os.close(self.tree)
            self.tree = -1


class Filesystem(Step):
    """Mount a new file system instance at `target`."""

    __slots__ = ("kind", "options", "source", "target")

    def __init__(self, kind: str, target: str, options: MountOptions, *, source: str = "") -> None:
        self.kind, self.target, self.options, self.source = kind, target, options, source

    def describe(self) -> str:
        """Say in one line what this will do."""
        return f"mount {self.kind} at {self.target} ({','.join(self.options.data)})"

    def apply(self, root_fd: int) -> None:
        """Make the instance, fill it if it is to start with the image's files, attach it."""
        options = self.options
        target = self._open_target(root_fd)
        attributes = options.on | options.recursive_on
        late = attributes & mount.MOUNT_ATTR_RDONLY if options.copy_up else 0
        try:
            tree = self._create(attributes & ~late)
            try:
                if options.copy_up:
                    copy_tree_into(target, tree)
                mount.attach(tree, target)
                change_attributes(tree, late, 0, recursive=False)
                if options.propagation:
                    mount.set_attributes(dir_fd=tree, propagation=options.propagation)
            finally:
                os.close(tree)
        finally:
            os.close(target)

    def _create(self, attributes: int) -> int:
        try:
            return mount.create_mount(self.kind, self.options.data, source=self.source, attributes=attributes)
        except SyscallError as error:
            if error.errno != errno.ENODEV or error.call != "fsopen":
                raise
            message = f"mount {self.kind} at {self.target}: this kernel has no file system {self.kind}"
            raise InvalidArgument(message, hint=f"`modprobe {self.kind}` may load it") from error

    def _open_target(self, root_fd: int) -> int:
        """Open the mount point; /proc and /sys must be plain directories of the image (CVE-2019-19921)."""
        if self.kind not in ("proc", "sysfs"):
            target = makedirs_in_root(root_fd, self.target)
            refuse_inside_proc(target, self.target)
            return target
        flags = os.O_PATH | os.O_DIRECTORY
        try:
            return openat2(root_fd, self.target, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)
        except FileNotFoundError:
            return makedirs_in_root(root_fd, self.target)
        except SyscallError as error:
            if error.errno != errno.ELOOP:
                raise
            message = f"mount {self.kind} at {self.target}: the path is a symbolic link in the image"
            raise InvalidArgument(message) from error


class Remount(Step):
    """Change the attributes of the mount at `target`."""

    __slots__ = ("options", "target")

    def __init__(self, target: str, options: MountOptions) -> None:
        self.target, self.options = target, options

    def describe(self) -> str:
        """Say in one line what this will do."""
        return f"change attributes of the mount at {self.target}"

    def apply(self, root_fd: int) -> None:
        """Change them."""
        fd = open_in_root(root_fd, self.target)
        try:
            change_attributes(fd, self.options.on, self.options.off, recursive=False)
            change_attributes(fd, self.options.recursive_on, self.options.recursive_off, recursive=True)
        finally:
            os.close(fd)


class Symlink(Step):
    """Make a symbolic link; one that is there already is left."""

    __slots__ = ("path", "target")

    def __init__(self, path: str, target: str) -> None:
        self.path, self.target = path, target

    def describe(self) -> str:
        """Say in one line what this will do."""
        return f"link {self.path} to {self.target}"

    def apply(self, root_fd: int) -> None:
        """Make it."""
        directory, name = open_parent_in_root(root_fd, self.path)
        try:
            os.symlink(self.target, name, dir_fd=directory)
        except FileExistsError:
            return
        finally:
            os.close(directory)


class Mask(Step):
    """Hide a path of the kernel's: a file behind /dev/null, a directory behind an empty one."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def describe(self) -> str:
        """Say in one line what this will do."""
        return f"mask {self.path}"

    def apply(self, root_fd: int) -> None:
        """Hide it; what this kernel does not have needs no hiding."""
        try:
            target = open_in_root(root_fd, self.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            if stat.S_ISDIR(os.fstat(target).st_mode):
                tree = mount.create_mount("tmpfs", ("ro",), attributes=mount.MOUNT_ATTR_RDONLY)
            else:
                tree = open_null()
            try:
                mount.attach(tree, target)
            finally:
                os.close(tree)
        finally:
            os.close(target)


class ReadOnly(Step):
    """Make a path read-only by a bind mount of itself."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def describe(self) -> str:
        """Say in one line what this will do."""
        return f"make {self.path} read-only"

    def apply(self, root_fd: int) -> None:
        """Do so; a path that this kernel does not have is fine."""
        try:
            target = open_in_root(root_fd, self.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            tree = mount.open_tree("", dir_fd=target, recursive=True)
            try:
                mount.set_attributes(dir_fd=tree, on=mount.MOUNT_ATTR_RDONLY, recursive=True)
                mount.attach(tree, target)
            finally:
                os.close(tree)
        finally:
            os.close(target)


def change_attributes(tree: int, on: int, off: int, *, recursive: bool) -> None:
    """Set and clear attributes, if there are any."""
    if on or off:
        mount.set_attributes(dir_fd=tree, on=on, off=off, recursive=recursive)


def open_null() -> int:
    """Return a detached mount of the host's /dev/null, once sure that it is that device (CVE-2025-31133)."""
    tree = mount.open_tree("/dev/null", follow=False)
    status = os.fstat(tree)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(1, 3):
        os.close(tree)
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), "/dev/null")
    return tree


_ALLOWED_IN_PROC = frozenset(
    f"/proc/{name}"
    for name in ("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
                 "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled", "net/dev")
)  # fmt: skip
"""What lxcfs and its like may cover, runc's list: nothing there decides about the container's confinement."""


def refuse_inside_proc(target_fd: int, target: str) -> None:
    """Refuse a mount on a file of procfs: a false /proc/self/attr undoes the confinement (CVE-2019-16884)."""
    if filesystem_type(target_fd) == PROC_SUPER_MAGIC and target not in _ALLOWED_IN_PROC:
        raise InvalidArgument(f'"{target}" cannot be mounted because it is inside /proc')
