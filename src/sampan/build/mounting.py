# SPDX-License-Identifier: Apache-2.0
"""The mounts of a RUN step: what they are in the key, and what is mounted in the end."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sampan.build.agents import lend_agent
from sampan.build.dockerfile.mounts import MountKind, RunMount, Sharing
from sampan.build.files.copy import Transfer, copy_selection
from sampan.build.files.names import Folder, canonical
from sampan.build.files.scan import Filters
from sampan.build.files.select import Selection, hash_files, select
from sampan.build.files.upper import Upper
from sampan.build.keys import mount_part
from sampan.build.origins import ContextFolder, OpenOrigin, Origin, Root, open_origin
from sampan.build.seams import ExecMount
from sampan.build.services import StepServices
from sampan.errors import NotFound

_AGENT = "SSH_AUTH_SOCK="
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class PlannedMount:
    """A mount of the step with its origin opened up: a context, a root filesystem, or nothing."""

    mount: RunMount
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class ReadyMounts:
    """What the executor is given."""

    mounts: tuple[ExecMount, ...]
    env: tuple[str, ...]


def describe_mount(services: StepServices, planned: PlannedMount) -> str:
    """The mount's part of the key: a bind mount counts by content, a whole root filesystem by identity."""
    mount, origin = planned.mount, planned.origin
    if mount.kind is not MountKind.BIND or origin is None:
        return mount_part(mount, "")
    if isinstance(origin, Root) and _is_whole(mount):
        return mount_part(mount, origin.identity)
    with open_origin(origin, services.workplace.empty) as tree:
        selection = _select(tree, mount)
        hash_files(selection, services.workplace.digests)
        return mount_part(mount, selection.digest().hex())


async def make_mounts(
    services: StepServices,
    planned: tuple[PlannedMount, ...],
    script: tuple[str, str] | None,
    stack: AsyncExitStack,
) -> ReadyMounts:
    """Prepare everything that is mounted; what is temporary goes with the stack."""
    mounts: list[ExecMount] = []
    env: list[str] = []
    for one in planned:
        match one.mount.kind:
            case MountKind.BIND:
                mounts.append(await services.blocking.run(_bind, services, one, stack))
            case MountKind.CACHE:
                mounts.append(await _cache(services, one, stack))
            case MountKind.TMPFS:
                mounts.append(ExecMount("tmpfs", one.mount.target, size_bytes=one.mount.size_bytes))
            case MountKind.SECRET:
                await _secret(services, one.mount, stack, mounts, env)
            case MountKind.SSH:
                number = sum(item.startswith(_AGENT) for item in env)
                target = one.mount.target or f"/run/buildkit/ssh_agent.{number}"
                env.append(_AGENT + target)  # also where nobody listens: so does BuildKit
                lent = await lend_agent(services, one.mount, target, stack)
                if lent is not None:
                    mounts.append(lent)
    if script is not None:
        mounts.append(_script(services, *script, stack))
    return ReadyMounts(tuple(mounts), tuple(env))


def _is_whole(mount: RunMount) -> bool:
    return mount.source.strip("/.") == ""


def _select(tree: OpenOrigin, mount: RunMount) -> Selection:
    return select(tree.fd, [mount.source or "/"], Filters(tree.ignored), keep_owners=not tree.is_context)


def _bind(services: StepServices, planned: PlannedMount, stack: AsyncExitStack) -> ExecMount:
    """The folder itself where nothing is ignored and nothing is written, else a copy that is thrown away."""
    mount, origin = planned.mount, planned.origin
    assert origin is not None
    if isinstance(origin, Root) and _is_whole(mount) and mount.readonly:
        return ExecMount("overlay", mount.target, lowers=origin.lowers, readonly=True)
    if isinstance(origin, ContextFolder) and mount.readonly and not origin.ignored:
        with open_origin(origin, services.workplace.empty) as tree:
            name = canonical(Folder(tree.fd), mount.source)
            if Folder(tree.fd).lookup(name) is None:
                raise NotFound(f'failed to compute cache key: "/{mount.source.strip("/")}": not found')
        return ExecMount("bind", mount.target, source=f"{origin.path}/{name}".rstrip("/"), readonly=True)
    return ExecMount("bind", mount.target, _copy(services, mount, origin, stack), readonly=mount.readonly)


def _copy(services: StepServices, mount: RunMount, origin: Origin, stack: AsyncExitStack) -> str:
    folder = services.snapshots.upper_path(stack.enter_context(services.active(None)))
    fd = os.open(folder, _DIRECTORY)
    try:
        with open_origin(origin, services.workplace.empty) as tree:
            selection = _select(tree, mount)
            transfer = Transfer(keep_xattrs=not tree.is_context, is_stopped=services.blocking.is_stopped)
            upper = Upper(fd, None)
            copy_selection(selection, upper, "/source", transfer)
            upper.finish()
    finally:
        os.close(fd)
    return f"{folder}/source"


async def _cache(services: StepServices, planned: PlannedMount, stack: AsyncExitStack) -> ExecMount:
    """A folder that outlives the build, by id; shared at the same time, one after the other, or one each."""
    mount = planned.mount
    name = hashlib.sha256(mount.id.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    path = f"{services.workplace.mounts}/{name}"
    if mount.sharing is Sharing.LOCKED:
        await stack.enter_async_context(services.cache.only_one(f"mount:{name}"))
    elif mount.sharing is Sharing.PRIVATE:
        path = await stack.enter_async_context(services.workplace.private_mount(path))
    stack.enter_context(services.workplace.cache_mounts.using(path))
    await services.blocking.run(_fill_cache, services, planned, path)
    return ExecMount("bind", mount.target, source=path, readonly=mount.readonly)


def _fill_cache(services: StepServices, planned: PlannedMount, path: str) -> None:
    """A new cache begins empty, or as what ``from=`` has."""
    if os.path.isdir(path):
        return
    mount = planned.mount
    building = f"{path}.{secrets.token_hex(4)}"
    os.mkdir(building, 0o700)
    if isinstance(planned.origin, Root):
        fd = os.open(building, _DIRECTORY)
        try:
            with open_origin(planned.origin, services.workplace.empty) as tree:
                upper = Upper(fd, None)
                copy_selection(_select(tree, mount), upper, "/", Transfer(keep_xattrs=True))
                upper.finish()
        finally:
            os.close(fd)
    os.chown(building, mount.uid or 0, mount.gid or 0)
    os.chmod(building, 0o755 if mount.mode is None else mount.mode)
    try:
        os.rename(building, path)
    except OSError:
        # Another build was faster; what it made is as good.
        os.rmdir(building)


async def _secret(
    services: StepServices, mount: RunMount, stack: AsyncExitStack, mounts: list[ExecMount], env: list[str]
) -> None:
    """A file in memory, or a variable; a secret that nobody gave is simply not there unless it is required."""
    name = mount.id or mount.source or os.path.basename(mount.target)
    value = await services.secrets.get(name)
    if value is None:
        if mount.required:
            raise NotFound(f"secret {name}: not found", hint=f"give it with --secret id={name},src=FILE")
        return
    if mount.env:
        env.append(f"{mount.env}={value.decode('utf-8', 'surrogateescape')}")
        if not mount.target:
            return
    path = _write_secret(stack.enter_context(services.workplace.secret_folder()), value, mount)
    target = mount.target or f"/run/secrets/{os.path.basename(name)}"
    mounts.append(ExecMount("bind", target, source=path, readonly=True))


def _write_secret(folder: str, value: bytes, mount: RunMount) -> str:
    path = f"{folder}/secret"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400), "wb") as file:
        file.write(value)
        os.fchown(file.fileno(), mount.uid or 0, mount.gid or 0)
        os.fchmod(file.fileno(), 0o400 if mount.mode is None else mount.mode)
    return path


def _script(services: StepServices, target: str, text: str, stack: AsyncExitStack) -> ExecMount:
    """A heredoc with a ``#!`` line is a file that the kernel runs."""
    path = stack.enter_context(services.workplace.temporary_folder()) + "/script"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755), "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        os.fchmod(file.fileno(), 0o755)
    return ExecMount("bind", target, source=path, readonly=True)
