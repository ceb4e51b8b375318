# SPDX-License-Identifier: Apache-2.0
"""Changes to the network of a container that runs, made from outside of it.

Holds: no thread of the engine is ever seen in a container's network namespace but one that was made for it and
ends at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sampan.linux.namespace import CLONE_NEWNET, setns
from sampan.linux.route_dump import find_link
from sampan.linux.rtnetlink import add_default_route, open_route_socket
from sampan.network.endpoint import attach_interface, remove_endpoint, wait_for_interface


def attach_running(pid: int, interface: Mapping[str, Any]) -> None:
    """Give the container that process `pid` lives in one more interface (a plan of `endpoint`)."""
    with open_route_socket() as host:

        def attach(namespace: int) -> None:
            with open_route_socket() as own:
                attach_interface(interface, host, own, namespace)

        _run_inside(pid, attach)
        wait_for_interface(host, interface)


def detach_running(host_interface: str) -> None:
    """Take an interface away by its end on the host; one that is gone is no error."""
    with open_route_socket() as host:
        remove_endpoint(host, host_interface)


def detach_inside(pid: int, interface: str) -> None:
    """Take an interface away that has no end on the host; one that is gone is no error."""

    def detach(_namespace: int) -> None:
        with open_route_socket() as own:
            remove_endpoint(own, interface)

    _run_inside(pid, detach)


def set_default_routes(pid: int, routes: Sequence[tuple[str, str]]) -> None:
    """Send what has no better route by these interfaces of the container to these gateways."""

    def set_routes(_namespace: int) -> None:
        with open_route_socket() as own:
            for interface, gateway in routes:
                link = find_link(own, interface)
                if link is not None:
                    own.exchange([add_default_route(link.index, gateway, replace=True)])

    if routes:
        _run_inside(pid, set_routes)


def _run_inside(pid: int, action: Callable[[int], None]) -> None:
    """Call `action` with a descriptor of the network namespace of process `pid`, in a thread that is in there."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def enter() -> None:
        setns(namespace, CLONE_NEWNET)
        action(namespace)

    try:
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(enter).result()
    finally:
        os.close(namespace)
