# SPDX-License-Identifier: Apache-2.0
"""From `-v`, `--mount`, `--tmpfs` and the image's VOLUMEs to mount points (pure).

A volume without a name gets one from the caller's `new_name`. Sources that a bind needs and volumes that
must exist are only named here; `plan_mount_points` never looks at a disk.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable

from sampan.engine.idmap import read_idmap
from sampan.engine.model import MountPoint
from sampan.errors import InvalidArgument
from sampan.schema.container import (
    BindOptions,
    ContainerConfig,
    DriverConfig,
    HostConfig,
    Mount,
    VolumeOptions,
)

PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
ACCESS_MODES = frozenset({"rw", "ro"})
LABEL_MODES = frozenset({"z", "Z"})  # SELinux relabelling: accepted, nothing to do without SELinux
CONSISTENCY_MODES = frozenset({"consistent", "cached", "delegated", "default"})
TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")


def plan_mount_points(
    config: ContainerConfig,
    host: HostConfig,
    *,
    new_name: Callable[[], str],
    volumes_from: Iterable[MountPoint] = (),
) -> list[MountPoint]:
    """All mount points, one a destination: a mount of the user wins over a VOLUME of the image."""
    points: dict[str, MountPoint] = {point.destination: point for point in volumes_from}
    explicit: set[str] = set()
    for point in _explicit_points(host, new_name):
        if point.destination in explicit:
            raise InvalidArgument(f"Duplicate mount point: {point.destination}")
        explicit.add(point.destination)
        points[point.destination] = point
    for destination in config.volumes or {}:
        target = clean_destination(destination)
        if target not in points:
            points[target] = _volume_point(new_name(), target)
    return [points[destination] for destination in sorted(points)]


def _explicit_points(host: HostConfig, new_name: Callable[[], str]) -> Iterable[MountPoint]:
    for text in host.binds or ():
        if text.startswith("/") and ":" not in text:  # the destination of a volume without a name
            yield _volume_point(new_name(), clean_destination(text), mode="z")
        else:
            yield parse_bind(text)
    for mount in host.mounts or ():
        yield plan_mount(mount, new_name)
    for destination, options in (host.tmpfs or {}).items():
        yield MountPoint(
            type="tmpfs",
            source="",
            destination=clean_destination(destination),
            options=[*TMPFS_DEFAULTS, *filter(None, options.split(","))],
        )


def parse_bind(text: str) -> MountPoint:
    """`SOURCE:DESTINATION[:OPTIONS]`, where a source that is no absolute path names a volume."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not parts[0] or not parts[1]:
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    source = parts[0]
    destination = clean_destination(
        parts[1], specification=text, kind="bind" if source.startswith("/") else "volume"
    )
    modes = [mode for mode in (parts[2].split(",") if len(parts) == 3 else []) if mode]
    _check_modes(modes, text)
    propagation = next((mode for mode in modes if mode in PROPAGATIONS), "")
    readonly = "ro" in modes
    mode = ",".join(modes)
    if source.startswith("/"):
        return MountPoint(
            type="bind",
            source=posixpath.normpath(source),
            destination=destination,
            mode=mode,
            rw=not readonly,
            propagation=propagation or "rprivate",
            recursive_readonly=readonly,
            options=["create"],
            id_map=next((read_idmap(mode) for mode in modes if mode.startswith("idmap")), ""),
        )
    if any(mode.startswith("idmap") for mode in modes):
        raise InvalidArgument(f"invalid mode: {parts[2]}", hint="idmap is for folders of the host")
    check_volume_name(source)
    point = _volume_point(source, destination, copy_up="nocopy" not in modes, mode=mode or "z")
    point.rw = not readonly
    return point


def plan_mount(mount: Mount, new_name: Callable[[], str]) -> MountPoint:
    """The long form; the kind decides which options may be there."""
    if not mount.target:
        raise InvalidArgument(f'invalid mount config for type "{mount.type}": field Target must not be empty')
    destination = clean_destination(mount.target)
    if mount.type == "bind":
        return _bind_point(mount, destination)
    if mount.type == "volume":
        options = mount.volume_options or VolumeOptions()
        if mount.source:
            check_volume_name(mount.source)
        copy_up = not (options.no_copy or options.subpath)
        point = _volume_point(mount.source or new_name(), destination, copy_up=copy_up, mode="z")
        point.rw = not mount.read_only
        point.subpath = _check_subpath(options.subpath)
        driver = options.driver_config or DriverConfig()
        point.driver = driver.name or "local"
        point.new_labels, point.new_options = dict(options.labels or {}), dict(driver.options or {})
        return point
    if mount.type == "tmpfs":
        return _tmpfs_point(mount, destination)
    raise InvalidArgument(f'invalid mount config for type "{mount.type}": mount type unknown')


def _bind_point(mount: Mount, destination: str) -> MountPoint:
    if not mount.source:
        raise InvalidArgument('invalid mount config for type "bind": field Source must not be empty')
    if not mount.source.startswith("/"):
        raise InvalidArgument(
            f"invalid mount config for type \"bind\": invalid mount path: '{mount.source}' mount path must be absolute"
        )
    options = mount.bind_options or BindOptions()
    propagation = options.propagation or "rprivate"
    _check_recursion(mount, options)
    if propagation not in PROPAGATIONS:
        raise InvalidArgument(
            f'invalid mount config for type "bind": invalid propagation mode: {propagation}'
        )
    return MountPoint(
        type="bind",
        source=posixpath.normpath(mount.source),
        destination=destination,
        rw=not mount.read_only,
        propagation=propagation,
        recursive_readonly=mount.read_only and not (options.read_only_non_recursive or options.non_recursive),
        options=["create"] if options.create_mountpoint else [],
        recursive=not options.non_recursive,
        id_map=read_idmap(f"idmap={options.id_map}") if options.id_map else "",
    )


def _check_recursion(mount: Mount, options: BindOptions) -> None:
    for given, name in (
        (options.read_only_non_recursive, "ReadOnlyNonRecursive"),
        (options.read_only_force_recursive, "ReadOnlyForceRecursive"),
    ):
        if given and not mount.read_only:
            raise InvalidArgument(
                f'invalid mount config for type "bind": mount source set to {name}, but ReadOnly is not'
            )
    if options.read_only_force_recursive and (options.non_recursive or options.read_only_non_recursive):
        raise InvalidArgument(
            'invalid mount config for type "bind": '
            "ReadOnlyForceRecursive conflicts with NonRecursive and ReadOnlyNonRecursive"
        )


def _check_subpath(subpath: str) -> str:
    """A relative path that stays below; links are the shim's to refuse, when it opens the folder."""
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise InvalidArgument(
            f'invalid mount config for type "volume": subpath must be a relative path within the volume: {subpath}'
        )
    return subpath


def _tmpfs_point(mount: Mount, destination: str) -> MountPoint:
    if mount.source:
        raise InvalidArgument('invalid mount config for type "tmpfs": field Source must not be specified')
    wanted = list(TMPFS_DEFAULTS)
    if mount.read_only:
        wanted.append("ro")
    options = mount.tmpfs_options
    if options and options.size_bytes:
        wanted.append(f"size={options.size_bytes}")
    if options and options.mode:
        wanted.append(f"mode={options.mode:o}")
    return MountPoint(
        type="tmpfs", source="", destination=destination, rw=not mount.read_only, options=wanted
    )


def _volume_point(name: str, destination: str, *, copy_up: bool = True, mode: str = "") -> MountPoint:
    return MountPoint(
        type="volume",
        source="",
        destination=destination,
        name=name,
        driver="local",
        mode=mode,
        copy_up=copy_up,
    )


def clean_destination(path: str, *, specification: str | None = None, kind: str = "volume") -> str:
    """An absolute, normalised path that is not the root."""
    prefix = (
        f"invalid volume specification: '{specification or path}': invalid mount config for type \"{kind}\": "
    )
    if not path.startswith("/"):
        raise InvalidArgument(f"{prefix}invalid mount path: '{path}' mount path must be absolute")
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if cleaned == "/":
        raise InvalidArgument(f"{prefix}invalid specification: destination can't be '/'")
    return cleaned


def check_volume_name(name: str) -> None:
    """Docker's rule for names: `[a-zA-Z0-9][a-zA-Z0-9_.-]`, at least two characters."""
    if len(name) == 1:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    allowed = all(c.isascii() and (c.isalnum() or c in "_.-") for c in name)
    if not name or not allowed or not name[0].isalnum():
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def _check_modes(modes: list[str], text: str) -> None:
    known = PROPAGATIONS | ACCESS_MODES | LABEL_MODES | CONSISTENCY_MODES | {"nocopy", "idmap"}
    unknown = any(mode.partition("=")[0] not in known for mode in modes)
    if unknown or any(len(kind & set(modes)) > 1 for kind in (ACCESS_MODES, PROPAGATIONS, LABEL_MODES)):
        raise InvalidArgument(f"invalid mode: {text.split(':', 2)[2]}")
