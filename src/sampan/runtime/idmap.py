# SPDX-License-Identifier: Apache-2.0
"""Id-mapped mounts (runtime-spec: mounts[].uidMappings and gidMappings, options idmap and ridmap).

A mapping's `containerID` is the number on disk, its `hostID` the one that processes see; the names are the
specification's. Without mappings of its own, an id-mapped mount has those of the container's user namespace.
"""

from __future__ import annotations

import errno
import os

from sampan.errors import InvalidArgument
from sampan.linux import mount
from sampan.linux.user_namespace import open_user_namespace
from sampan.runtime.spawn import format_id_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class IdMap:
    """The maps of one mount, in the kernel's form; `recursive` holds for the mounts below as well."""

    __slots__ = ("gids", "recursive", "uids")

    def __init__(self, uids: str, gids: str, *, recursive: bool = False) -> None:
        self.uids, self.gids, self.recursive = uids, gids, recursive

    def apply(self, tree: int, source: str) -> None:
        """Give a detached mount these maps, once: the kernel refuses to change them later."""
        namespace = open_user_namespace(self.uids, self.gids)
        try:
            mount.set_attributes(
                dir_fd=tree,
                on=mount.MOUNT_ATTR_IDMAP,
                user_namespace_fd=namespace,
                recursive=self.recursive,
            )
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            message = f"idmap {source}: its file system, or one mounted below it, cannot map ids"
            raise InvalidArgument(
                message, hint="mount it without idmap, or from another file system"
            ) from error
        finally:
            os.close(namespace)


def plan_idmap(entry: dict[str, Any], linux: dict[str, Any]) -> IdMap | None:
    """The id map that a mount's entry asks for, if it does."""
    options = entry.get("options") or ()
    asked = "idmap" in options or "ridmap" in options
    uids, gids = entry.get("uidMappings"), entry.get("gidMappings")
    if not (asked or uids or gids):
        return None
    if not uids and not gids:
        uids, gids = linux.get("uidMappings"), linux.get("gidMappings")
    if not uids or not gids:
        raise InvalidArgument(f"mount {entry['destination']}: idmap needs uidMappings and gidMappings")
    return IdMap(format_id_map(uids), format_id_map(gids), recursive="ridmap" in options)
