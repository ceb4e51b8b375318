# SPDX-License-Identifier: Apache-2.0
"""From a bundle's config to the steps that build its file system (OCI runtime-spec: mounts, linux.devices,
maskedPaths, readonlyPaths; runtime-linux: device symbolic links).

Pure: what is decided here is compared as data in the tests.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument
from sampan.linux.mount import MOUNT_ATTR_RDONLY
from sampan.runtime.devices import plan_devices
from sampan.runtime.idmap import IdMap, plan_idmap
from sampan.runtime.options import MountOptions, parse_mount_options
from sampan.runtime.steps import Bind, Filesystem, Mask, ReadOnly, Remount, Step, Symlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.linux.cgroup import Cgroup


def plan_mounts(spec: dict[str, Any], bundle: str, cgroup: Cgroup) -> tuple[Step, ...]:
    """Return the mounts in the config's order."""
    steps: list[Step] = []
    for entry in spec.get("mounts") or ():
        id_map = plan_idmap(entry, spec.get("linux") or {})
        steps += _plan_mount(entry, bundle, cgroup, id_map, private_cgroup=_has_namespace(spec, "cgroup"))
    return tuple(steps)


def plan_root(
    spec: dict[str, Any], bundle: str, cgroup: Cgroup, *, has_kcore: bool = False
) -> tuple[Step, ...]:
    """Return everything: mounts, then devices and links in /dev, then what is hidden or made read-only."""
    linux = spec.get("linux") or {}
    steps = [*plan_mounts(spec, bundle, cgroup)]
    if not _is_bind(spec, "/dev"):
        steps += plan_devices(linux, bind=_has_namespace(spec, "user"), has_kcore=has_kcore)
    steps += [ReadOnly(path) for path in linux.get("readonlyPaths") or ()]
    steps += [Mask(path) for path in linux.get("maskedPaths") or ()]
    return tuple(steps)


def _plan_mount(
    entry: dict[str, Any], bundle: str, cgroup: Cgroup, id_map: IdMap | None, *, private_cgroup: bool
) -> tuple[Step, ...]:
    options = parse_mount_options(entry.get("options") or ())
    target, kind = entry["destination"], entry.get("type") or ""
    source = entry.get("source") or ""
    if options.remount:
        return (Remount(target, options),)
    if options.bind or kind == "bind":
        return (Bind(_absolute(source, bundle), target, options, id_map),)
    if id_map:
        raise InvalidArgument(f"mount {kind} at {target}: idmap is for bind mounts")
    if kind in ("cgroup", "cgroup2"):
        return _plan_cgroup_mount(target, options, cgroup, private=private_cgroup)
    return (Filesystem(kind, target, options, source=source),)


def _plan_cgroup_mount(
    target: str, options: MountOptions, cgroup: Cgroup, *, private: bool
) -> tuple[Step, ...]:
    """Show the container its own groups: with a cgroup namespace they are, as it should be, its roots.

    On v1 that is a tmpfs with a directory a hierarchy and a link for each of several controllers mounted
    together. On v2 without a namespace the container sees the whole tree, as with runc.
    """
    if not cgroup.hierarchies:
        return ()
    if cgroup.unified:
        hierarchy = cgroup.hierarchies[0]
        source = cgroup.directory(hierarchy) if private else hierarchy.mount_point
        return (Bind(source, target, options),)
    tmpfs = parse_mount_options(("nosuid", "noexec", "nodev", "mode=755"))
    steps: list[Step] = [Filesystem("tmpfs", target, tmpfs)]
    for hierarchy in cgroup.hierarchies:
        if hierarchy.version == 1:
            steps.append(Bind(cgroup.directory(hierarchy), f"{target}/{hierarchy.name}", options))
            steps += _controller_links(target, hierarchy.name, hierarchy.controllers)
    if options.read_only:
        only_read = MountOptions()
        only_read.on = MOUNT_ATTR_RDONLY
        steps.append(Remount(target, only_read))
    return tuple(steps)


def _controller_links(target: str, name: str, controllers: tuple[str, ...]) -> list[Step]:
    if len(controllers) < 2:
        return []
    return [Symlink(f"{target}/{controller}", name) for controller in controllers if controller != name]


def _absolute(source: str, bundle: str) -> str:
    """A relative source is relative to the bundle (runtime-spec, mounts)."""
    return source if source.startswith("/") else f"{bundle}/{source}"


def _is_bind(spec: dict[str, Any], target: str) -> bool:
    for entry in spec.get("mounts") or ():
        if entry["destination"].rstrip("/") == target:
            return entry.get("type") == "bind" or parse_mount_options(entry.get("options") or ()).bind
    return False


def _has_namespace(spec: dict[str, Any], kind: str) -> bool:
    namespaces = (spec.get("linux") or {}).get("namespaces") or ()
    return any(namespace["type"] == kind for namespace in namespaces)
