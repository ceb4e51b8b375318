# SPDX-License-Identifier: Apache-2.0
"""Everything around a container that its runtime does not make: namespaces of the maker, root, network, user.

The maker's mount namespace is a slave of the host's: what the host unmounts goes away here, too, and nothing
that is mounted here is seen there. Its network namespace is the container's, since the config names none. When
the maker has ended, both live on in the container alone, and end with it.
"""

from __future__ import annotations

import os

from sampan.linux.mount import MS_REC, MS_SLAVE, mount
from sampan.linux.namespace import CLONE_NEWNET, CLONE_NEWNS, setns, unshare
from sampan.linux.rtnetlink import open_route_socket
from sampan.network.endpoint import apply_endpoint, needs_namespace
from sampan.runtime.copyup import copy_up
from sampan.runtime.user import resolve_user
from sampan.shim.idmap import apply_id_maps, assign_id_maps
from sampan.shim.rootfs import mount_rootfs
from sampan.shim.sources import attach_sources, open_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.linux.netlink import NetlinkSocket
    from sampan.shim.order import Order


class PreparedNetwork:
    """A network namespace made before anybody asked for it, with the way back to the host's."""

    __slots__ = ("_host_namespace", "_host_routes")

    def __init__(self) -> None:
        self._host_namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._host_routes: NetlinkSocket = open_route_socket()
        unshare(CLONE_NEWNET)

    def apply(self, plan: dict[str, Any]) -> None:
        """Set this network up as planned, or leave it for the one that the plan names."""
        if not needs_namespace(plan):
            self._leave(plan.get("path"))
        else:
            apply_endpoint(plan, self._host_routes)
        os.close(self._host_namespace)
        self._host_routes.close()

    def _leave(self, path: str | None) -> None:
        if path is None:
            setns(self._host_namespace, CLONE_NEWNET)
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(fd, CLONE_NEWNET)
        finally:
            os.close(fd)


def prepare_surroundings(order: Order, network: PreparedNetwork) -> None:
    """Make everything ready for the runtime."""
    network.apply(order.network)
    unshare(CLONE_NEWNS)
    sources = open_sources(order.sources)
    mount(None, "/", None, MS_REC | MS_SLAVE)
    attach_sources(sources)
    rootfs = f"{order.bundle}/rootfs"
    mount_rootfs(order.rootfs, rootfs)
    root_fd = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        assign_user(order.spec["process"], root_fd, order.user, order.group_add)
        assign_id_maps(order.spec)
        if order.runtime:
            apply_id_maps(order.spec, f"{order.run_dir}/idmap")
        for volume in order.copy_up:
            copy_up(root_fd, volume["path"], volume["target"])
    finally:
        os.close(root_fd)


def assign_user(process: dict[str, Any], root_fd: int, text: str, group_add: Sequence[str] = ()) -> None:
    """Put the numbers of `text` into a runtime-spec process, and HOME where its environment has none."""
    user = resolve_user(root_fd, text, group_add)
    process["user"] = {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}
    environment: list[str] = process.setdefault("env", [])
    if not any(entry.startswith("HOME=") for entry in environment):
        environment.append(f"HOME={user.home}")
