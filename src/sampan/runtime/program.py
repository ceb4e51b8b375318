# SPDX-License-Identifier: Apache-2.0
"""The last steps before the user's program: who it is, what it may do, and execve.

The order is the kernel's doing. The bounding set can be cut only while CAP_SETPCAP is there, so it comes
first. Without no_new_privs a filter needs CAP_SYS_ADMIN, so it is installed while that is left, and as few
calls as can be come after it: the filter judges them too. With no_new_privs the filter is the very last.
"""

from __future__ import annotations

import errno
import os
import signal

from sampan.linux import capability, credentials, process
from sampan.linux.seccomp import install_filter
from sampan.runtime.failure import ExecFailed
from sampan.runtime.lookup import exec_failure, find_program
from sampan.runtime.scheduling import apply_scheduling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_SETS = ("effective", "permitted", "inheritable")


class Program:
    """A process of the container as the config describes it (runtime-spec: process)."""

    __slots__ = ("arguments", "dies_with_parent", "environment", "filter", "path", "process", "uid")

    def __init__(self, process: dict[str, Any], seccomp_filter: bytes | None) -> None:
        self.process = process
        self.arguments: list[str] = process.get("args") or []
        self.environment = parse_environment(process.get("env") or ())
        self.filter = seccomp_filter
        self.dies_with_parent = False
        self.uid: int = (process.get("user") or {}).get("uid") or 0
        self.path = ""

    def enter_directory(self, *, create: bool) -> None:
        """Go to the working directory and make sure that it is inside the root (CVE-2024-21626).

        A first process has a missing one made, as Docker does; an exec does not.
        """
        directory = self.process.get("cwd") or "/"
        if create:
            os.makedirs(directory, exist_ok=True)
        try:
            os.chdir(directory)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ExecFailed(
                error.errno or 0, f'chdir to cwd ("{directory}") set in config.json failed: {reason}'
            ) from None
        try:
            outside = not os.getcwd().startswith("/")
        except FileNotFoundError:  # glibc's word for the kernel's "(unreachable)"
            outside = True
        if outside:
            raise PermissionError(
                errno.EPERM, "current working directory is outside of the container's root", directory
            )

    def find(self) -> None:
        """Find the file to execute, in the container's root and working directory."""
        if not self.arguments:
            raise ExecFailed(errno.EINVAL, "args must not be empty")
        self.path = find_program(self.arguments[0], self.environment)

    def become(self) -> None:
        """Take on the user, the capabilities and the filter; there is no way back."""
        user = self.process.get("user") or {}
        wanted = _wanted_capabilities(self.process)
        apply_scheduling(self.process)
        set_profile(self.process)
        capability.limit_bounding_set(wanted["bounding"])
        set_groups(user.get("additionalGids") or [])
        credentials.set_group(user.get("gid") or 0)
        process.prctl(process.PR_SET_KEEPCAPS, 1)
        credentials.set_user(self.uid)
        if self.dies_with_parent:  # only now: the kernel forgets it when the user changes
            process.set_parent_death_signal(signal.SIGKILL)
        os.umask(0o022 if user.get("umask") is None else user["umask"])
        no_new_privileges = bool(self.process.get("noNewPrivileges"))
        if no_new_privileges:
            process.set_no_new_privileges()
        elif self.filter is not None:
            _, permitted, inheritable = capability.read_sets()
            capability.write_sets(permitted, permitted, inheritable)
            install_filter(self.filter)
        apply_capabilities(wanted)
        if no_new_privileges and self.filter is not None:
            install_filter(self.filter)

    def execute(self) -> NoReturn:
        """Replace this process by the program; raises ExecFailed if the kernel refuses."""
        try:
            os.execve(self.path, self.arguments, self.environment)  # noqa: S606
        except OSError as error:
            raise exec_failure(self.arguments[0], error) from error


def parse_environment(entries: tuple[str, ...] | list[str]) -> dict[str, str]:
    """Read KEY=VALUE entries; of two with the same key the later holds, as a shell would see it."""
    environment = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if key and equals:
            environment[key] = value
    return environment


def _wanted_capabilities(process_spec: dict[str, Any]) -> dict[str, int]:
    """Return the five sets as masks; a config without capabilities means none at all (runtime-spec)."""
    sets = process_spec.get("capabilities") or {}
    return {name: capability.mask_of(sets.get(name) or ()) for name in (*_SETS, "bounding", "ambient")}


def apply_capabilities(wanted: dict[str, int]) -> None:
    """Set what is wanted of what this process has: nothing can be given that the engine itself lacks."""
    _, held, _ = capability.read_sets()
    effective, permitted, inheritable = (wanted[name] & held for name in _SETS)
    capability.write_sets(effective & permitted, permitted, inheritable)
    if wanted["ambient"]:
        capability.raise_ambient(wanted["ambient"] & permitted & inheritable)


def set_groups(gids: list[int]) -> None:
    """Set the supplementary groups; a user namespace with setgroups denied has none to set."""
    try:
        credentials.set_groups(gids)
    except PermissionError:
        if gids:
            raise


def set_profile(process_spec: dict[str, Any]) -> None:
    """Ask for the AppArmor profile or SELinux label that execve shall change to.

    Written through a descriptor on procfs itself: whatever the image has put at /proc/self/attr stays unread
    (CVE-2019-16884, CVE-2025-52881).
    """
    profile, label = process_spec.get("apparmorProfile"), process_spec.get("selinuxLabel")
    if profile:
        process.write_own_attribute("apparmor/exec", f"exec {profile}")
    if label:
        process.write_own_attribute("exec", label)
