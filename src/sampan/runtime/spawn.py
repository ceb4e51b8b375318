# SPDX-License-Identifier: Apache-2.0
"""Bringing a process into being in the right namespaces (runtime-spec: linux.namespaces, uidMappings).

New namespaces come with the clone itself. One that exists already (a `path`) can only be joined by a process
that is then stuck with it, so an intermediate one joins and clones with CLONE_PARENT: the child is the
caller's own all the same. The cgroup namespace is left to the child, which must first be in its groups.
"""

from __future__ import annotations

import contextlib
import os

from sampan.errors import InvalidArgument, Unsupported
from sampan.linux import namespace
from sampan.linux.socket import seqpacket_pair
from sampan.runtime.failure import SetupFailed, decode_failure, encode_failure
from sampan.runtime.state import namespaces_of
from sampan.runtime.sync import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

FLAGS = {
    "user": namespace.CLONE_NEWUSER,
    "mount": namespace.CLONE_NEWNS,
    "pid": namespace.CLONE_NEWPID,
    "network": namespace.CLONE_NEWNET,
    "ipc": namespace.CLONE_NEWIPC,
    "uts": namespace.CLONE_NEWUTS,
    "cgroup": namespace.CLONE_NEWCGROUP,
    "time": namespace.CLONE_NEWTIME,
}
"""Type in the config → flag, in the order in which they are joined."""

_LATER = namespace.CLONE_NEWCGROUP | namespace.CLONE_NEWTIME


def plan_namespaces(spec: dict[str, Any]) -> tuple[int, dict[str, str]]:
    """Return the flags of the namespaces to make, and the paths of those to join."""
    new, joined = 0, {}
    for entry in namespaces_of(spec):
        kind, path = entry["type"], entry.get("path")
        if kind not in FLAGS:
            raise InvalidArgument(f'namespace type "{kind}" is unknown')
        if path:
            joined[kind] = path
        else:
            new |= FLAGS[kind]
    if not new & namespace.CLONE_NEWNS:
        raise Unsupported("a container needs a mount namespace of its own")
    return new, {kind: joined[kind] for kind in FLAGS if kind in joined}


def gets_new_user_namespace(spec: dict[str, Any]) -> bool:
    """Tell whether the child waits for its maps."""
    return any(n["type"] == "user" and not n.get("path") for n in namespaces_of(spec))


def spawn(
    spec: dict[str, Any], child: Callable[[], NoReturn], cgroup_fd: int | None, *, sibling: bool = False
) -> tuple[int, int]:
    """Run `child` in the namespaces of the config and return its pid and pidfd.

    A `sibling` becomes a child of this process' parent, which then has to reap it.
    """
    new, joined = plan_namespaces(spec)
    if joined or new & namespace.CLONE_NEWTIME:
        offsets = (spec.get("linux") or {}).get("timeOffsets") or {}

        def join() -> None:
            _join(joined)
            if new & namespace.CLONE_NEWTIME:
                _enter_time_namespace(offsets)

        return spawn_through(join, child, new & ~_LATER, cgroup_fd, sibling=sibling)
    flags = new & ~_LATER | (namespace.CLONE_PARENT if sibling else 0)
    pid, pidfd = namespace.clone(flags, cgroup_fd=cgroup_fd)
    if pid == 0:
        child()
    return pid, pidfd


def spawn_through(
    join: Callable[[], None],
    child: Callable[[], NoReturn],
    flags: int,
    cgroup_fd: int | None,
    *,
    sibling: bool = False,
) -> tuple[int, int]:
    """Fork a process that does `join` and has `child` cloned as this process' own, or as its sibling."""
    ours, theirs = (Channel(sock) for sock in seqpacket_pair())
    middle, middle_fd = namespace.clone(namespace.CLONE_PARENT if sibling else 0)
    if middle == 0:
        ours.close()
        _be_intermediate(join, child, flags, cgroup_fd, theirs)
    theirs.close()
    try:
        kind, fields, fds = ours.receive()
        if kind == "born":
            return fields["pid"], fds[0]
        _raise_failure(kind, fields)
    finally:
        ours.close()
        os.close(middle_fd)
        with contextlib.suppress(ChildProcessError):  # a sibling is our parent's to reap
            os.waitpid(middle, 0)


def _raise_failure(kind: str, fields: dict[str, Any]) -> NoReturn:
    """Raise what the intermediate process told, or that it has told nothing."""
    if kind == "failed":
        raise decode_failure(fields)
    raise SetupFailed("join namespaces: the process ended early", stage="join namespaces")


def _be_intermediate(
    join: Callable[[], None],
    child: Callable[[], NoReturn],
    flags: int,
    cgroup_fd: int | None,
    channel: Channel,
) -> NoReturn:
    try:
        join()
        pid, pidfd = namespace.clone(flags | namespace.CLONE_PARENT, cgroup_fd=cgroup_fd)
        if pid == 0:
            channel.close()
            child()
        channel.send("born", [pidfd], pid=pid)
    except BaseException as error:  # noqa: BLE001 - told to the parent, unwinds nothing
        channel.send("failed", **encode_failure(error, "join namespaces"))
    finally:
        os._exit(0)


def _join(paths: dict[str, str]) -> None:
    opened = {kind: os.open(path, os.O_RDONLY | os.O_CLOEXEC) for kind, path in paths.items()}
    for kind, fd in opened.items():
        namespace.setns(fd, FLAGS[kind])
        os.close(fd)


def _enter_time_namespace(offsets: dict[str, dict[str, int]]) -> None:
    """Make a time namespace for the children and set its clocks while it is empty (time_namespaces(7))."""
    namespace.unshare(namespace.CLONE_NEWTIME)
    lines = [f"{clock} {o.get('secs', 0)} {o.get('nanosecs', 0)}" for clock, o in offsets.items()]
    if lines:
        with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
            file.write("\n".join(lines))


def write_id_maps(pid: int, linux: dict[str, Any]) -> None:
    """Write the new user namespace's maps; whoever is not root of the outer one has to give up setgroups."""
    if os.geteuid() != 0:
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/uid_map", format_id_map(linux.get("uidMappings") or ()))
    _write(f"/proc/{pid}/gid_map", format_id_map(linux.get("gidMappings") or ()))


def format_id_map(mappings: tuple[dict[str, int], ...] | list[dict[str, int]]) -> str:
    """Return the kernel's form of a mapping: inside, outside, how many (user_namespaces(7))."""
    return "".join(f"{m['containerID']} {m['hostID']} {m['size']}\n" for m in mappings)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)
