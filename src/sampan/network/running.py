# SPDX-License-Identifier: Apache-2.0
"""Changes to the network of a container that runs, made from outside of it.

Holds: no thread of the engine is ever seen in a container's network namespace but one that was made for it and
ends at once. All it does there is to open a socket, which belongs to that namespace wherever it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sampan.linux.namespace import CLONE_NEWNET, setns
from sampan.linux.netlink import NetlinkSocket
from sampan.linux.route_dump import find_link
from sampan.linux.rtnetlink import add_default_route, open_route_socket
from sampan.network.endpoint import attach_interface, remove_endpoint, wait_for_links


def attach_running(pid: int, interface: Mapping[str, Any]) -> None:
    """Give the container that process `pid` lives in one more interface (a plan of `endpoint`)."""
    with open_route_socket() as host, _open_namespace(pid) as namespace:
        with open_route_socket_in(namespace) as own:
            attach_interface(interface, host, own, namespace)
        wait_for_links(host, [interface["host_interface"], interface["bridge"]])


def detach_running(host_interface: str) -> None:
    """Take an interface away; one that is gone is no error."""
    with open_route_socket() as host:
        remove_endpoint(host, host_interface)


def set_default_route(pid: int, interface: str, gateway: str) -> None:
    """Send what has no better route by another of the container's interfaces."""
    with _open_namespace(pid) as namespace, open_route_socket_in(namespace) as own:
        link = find_link(own, interface)
        if link is not None:
            own.exchange([add_default_route(link.index, gateway, replace=True)])


def open_route_socket_in(namespace: int) -> NetlinkSocket:
    """Return a route socket of another network namespace."""

    def enter() -> NetlinkSocket:
        setns(namespace, CLONE_NEWNET)
        return open_route_socket()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(enter).result()


@contextmanager
def _open_namespace(pid: int) -> Iterator[int]:
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield namespace
    finally:
        os.close(namespace)
