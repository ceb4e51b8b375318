# SPDX-License-Identifier: Apache-2.0
"""A service's volumes, configs and secrets as the API's Binds and Mounts, and what is copied in instead.

A config or secret that is a file is mounted; one that has its content elsewhere (a variable, the compose file
itself), or that wants an owner or mode of its own, is copied into the container before it starts.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sampan.compose.creation_resources import present
from sampan.compose.model import Service
from sampan.compose.model_files import FileReference
from sampan.compose.model_mounts import BindOptions, Mount
from sampan.compose.model_resources import FileObject
from sampan.compose.project import Project

Body = dict[str, Any]

_DEFAULT_MODE = 0o444
_RECURSIVE = {
    "disabled": "NonRecursive",
    "writable": "ReadOnlyNonRecursive",
    "readonly": "ReadOnlyForceRecursive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A file to copy into a container: `content`, or what is at `file` on this machine."""

    target: str
    content: str = ""
    file: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = _DEFAULT_MODE


def plan_mounts(
    project: Project,
    service: Service,
    *,
    inherited: Sequence[Mapping[str, Any]] = (),
    image_volumes: frozenset[str] = frozenset(),
) -> tuple[list[str], list[Body]]:
    """Binds, and Mounts; anonymous volumes are those of the container before (`inherited`)."""
    binds: list[str] = []
    mounts: dict[str, Body] = {}
    anonymous = {mount.target for mount in service.volumes if not mount.source and mount.type == "volume"}
    for old in inherited:
        if old["Destination"] in anonymous | image_volumes and old.get("Type") != "tmpfs":
            mounts[old["Destination"]] = _inherit(old)
    for mount in service.volumes:
        if _is_plain(project, mount):
            binds.append(_format_bind(project, mount))
            mounts.pop(mount.target, None)
        elif mount.source or mount.target not in mounts:
            mounts[mount.target] = _plan_mount(project, mount)
    taken = {*mounts, *(mount.target for mount in service.volumes)}
    for target, held in _iter_mounted_files(project, service):
        if target not in taken:
            mounts[target] = {"Type": "bind", "Source": held.file, "Target": target, "ReadOnly": True}
    return binds, [mounts[target] for target in sorted(mounts)]


def _inherit(old: Mapping[str, Any]) -> Body:
    source = old["Name"] if old.get("Type") == "volume" else old.get("Source", "")
    mount = {"Type": old.get("Type", "volume"), "Source": source, "Target": old["Destination"]}
    return mount if old.get("RW", True) else {**mount, "ReadOnly": True}


def _is_plain(project: Project, mount: Mount) -> bool:
    """Whether a mount can be one of the old form, which makes a directory that is missing."""
    if mount.type == "volume" and mount.source in project.volumes:
        return not _volume_options(mount)
    bind = mount.bind
    if mount.type != "bind" or bind is None:
        return mount.type == "bind"
    return bind.create_host_path and not bind.propagation and not bind.recursive


def _format_bind(project: Project, mount: Mount) -> str:
    options = ["ro" if mount.read_only else "rw"]
    if mount.bind is not None and mount.bind.selinux:
        options.append(mount.bind.selinux)
    source = project.volumes[mount.source].name if mount.type == "volume" else mount.source
    return f"{source}:{mount.target}:{','.join(options)}"


def _plan_mount(project: Project, mount: Mount) -> Body:
    source = mount.source
    if mount.type == "volume" and source in project.volumes:
        source = project.volumes[source].name
    return {"Type": mount.type, "Target": mount.target} | present(
        Source=source,
        ReadOnly=mount.read_only,
        Consistency=mount.consistency,
        BindOptions=_bind_options(mount) if mount.type == "bind" else {},
        VolumeOptions=_volume_options(mount) if mount.type == "volume" else {},
        TmpfsOptions=_tmpfs_options(mount) if mount.type == "tmpfs" else {},
        ImageOptions=present(Subpath=mount.image.subpath) if mount.image else {},
    )


def _bind_options(mount: Mount) -> Body:
    bind = mount.bind or BindOptions()
    options = present(Propagation=bind.propagation, CreateMountpoint=bind.create_host_path)
    return {**options, _RECURSIVE[bind.recursive]: True} if bind.recursive in _RECURSIVE else options


def _volume_options(mount: Mount) -> Body:
    if mount.volume is None:
        return {}
    return present(NoCopy=mount.volume.nocopy, Subpath=mount.volume.subpath, Labels=mount.volume.labels)


def _tmpfs_options(mount: Mount) -> Body:
    return present(SizeBytes=mount.tmpfs.size, Mode=mount.tmpfs.mode) if mount.tmpfs else {}


# Configs and secrets


def _iter_files(project: Project, service: Service) -> Iterator[tuple[str, FileReference, FileObject]]:
    for directory, references, objects in (
        ("/run/secrets", service.secrets, project.secrets),
        ("/", service.configs, project.configs),
    ):
        for reference in references:
            target = posixpath.join(directory, reference.target or reference.source)
            yield target, reference, objects[reference.source]


def _is_copied(reference: FileReference, held: FileObject) -> bool:
    wants_owner = bool(reference.uid or reference.gid or reference.mode is not None)
    return not held.file or wants_owner


def _iter_mounted_files(project: Project, service: Service) -> Iterator[tuple[str, FileObject]]:
    for target, reference, held in _iter_files(project, service):
        if not _is_copied(reference, held):
            yield target, held


def plan_injections(project: Project, service: Service) -> tuple[Injection, ...]:
    """The configs and secrets that are copied into each container of the service, between create and start."""
    injections = []
    for target, reference, held in _iter_files(project, service):
        if not _is_copied(reference, held):
            continue
        kind = "secret" if held in project.secrets.values() else "config"
        if held.environment and held.environment not in project.environment and not held.content:
            raise project.error(
                ("services", service.name),
                f'environment variable "{held.environment}" required by {kind} "{reference.source}" is not set',
            )
        injections.append(
            Injection(
                target=target,
                content=held.content,
                file=held.file,
                uid=_number(reference.uid),
                gid=_number(reference.gid),
                mode=_DEFAULT_MODE if reference.mode is None else reference.mode,
            )
        )
    return tuple(injections)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
