# SPDX-License-Identifier: Apache-2.0
"""Copy configs and secrets that are no plain files of this machine into a container before it starts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

from sampan.client.api import Engine
from sampan.compose.creation_mounts import Injection
from sampan.errors import InvalidArgument


def inject(engine: Engine, container_id: str, injections: Sequence[Injection]) -> None:
    """Put them in their places, with the owners and modes that were asked for."""
    if injections:
        engine.containers.put_archive(container_id, "/", [pack(injections)], copy_owners=True)


def pack(injections: Sequence[Injection]) -> bytes:
    """The files as a tar archive, whose names are those in the container."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for injection in injections:
            content = _read(injection)
            member = tarfile.TarInfo(injection.target.lstrip("/"))
            member.size = len(content)
            member.mode = injection.mode
            member.uid, member.gid = injection.uid, injection.gid
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def _read(injection: Injection) -> bytes:
    if not injection.file:
        return injection.content.encode()
    try:
        with open(injection.file, "rb") as file:
            return file.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"{injection.target}: cannot read {injection.file}: {reason}") from error
