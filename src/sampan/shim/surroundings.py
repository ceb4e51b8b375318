# SPDX-License-Identifier: Apache-2.0
"""Everything around a container that its runtime does not make: namespaces of the shim, root, network, user.

The shim's mount namespace is a slave of the host's: what the host unmounts goes away here, too, and nothing
that is mounted here is seen there. Its network namespace is the container's, since the config names none.
"""

from __future__ import annotations

import os

from sampan.linux.mount import MS_REC, MS_SLAVE, mount
from sampan.linux.namespace import CLONE_NEWNET, CLONE_NEWNS, setns, unshare
from sampan.linux.rtnetlink import open_route_socket
from sampan.network.endpoint import apply_endpoint, needs_namespace
from sampan.runtime.copyup import copy_up
from sampan.runtime.user import resolve_user
from sampan.shim.child import run_in_child
from sampan.shim.rootfs import mount_rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.shim.order import Order


def prepare_surroundings(order: Order) -> None:
    """Make everything ready for the runtime."""
    with open_route_socket() as host:  # before leaving the host's network
        enter_namespaces(order.network)
        apply_endpoint(order.network, host)
    rootfs = f"{order.bundle}/rootfs"
    mount_rootfs(order.rootfs, rootfs)
    root_fd = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        assign_user(order.spec["process"], root_fd, order.user, order.group_add)
        for volume in order.copy_up:
            fill_volume(root_fd, volume["path"], volume["target"])
    finally:
        os.close(root_fd)


def enter_namespaces(network: dict[str, Any]) -> None:
    """Leave the host's mounts and, unless the container shares them, its network interfaces."""
    if path := network.get("path"):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(fd, CLONE_NEWNET)
        finally:
            os.close(fd)
    unshare(CLONE_NEWNS | (CLONE_NEWNET if needs_namespace(network) else 0))
    mount(None, "/", None, MS_REC | MS_SLAVE)


def assign_user(process: dict[str, Any], root_fd: int, text: str, group_add: Sequence[str] = ()) -> None:
    """Put the numbers of `text` into a runtime-spec process, and HOME where its environment has none."""
    user = resolve_user(root_fd, text, group_add)
    process["user"] = {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}
    environment: list[str] = process.setdefault("env", [])
    if not any(entry.startswith("HOME=") for entry in environment):
        environment.append(f"HOME={user.home}")


def fill_volume(root_fd: int, path: str, target: str) -> None:
    """Copy what the image has at `path` into an empty volume."""
    if not os.listdir(target):
        run_in_child(f"fill volume {target}", lambda: copy_up(root_fd, path, target))
