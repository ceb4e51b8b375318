# SPDX-License-Identifier: Apache-2.0
"""Connecting containers to networks and disconnecting them, also while they run.

A container that does not run only has it noted. For one that runs, an interface comes or goes, and with it: its
address, its names, its line in /etc/hosts, perhaps its way out, and the ports that lead there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.engine.endpoints import plan_endpoint_of, plan_interface_of
from sampan.engine.hostfiles import format_resolv_conf
from sampan.errors import InvalidArgument, PermissionDenied
from sampan.network.resolv import add_hosts_line, drop_hosts_line
from sampan.network.running import attach_running, detach_inside, detach_running, set_default_routes
from sampan.schema.container import EndpointConfig

if TYPE_CHECKING:
    from sampan.engine.containers import Containers
    from sampan.engine.memberships import Memberships
    from sampan.engine.model import Container, Endpoint
    from sampan.engine.network_model import Network
    from sampan.shim.control import Shim


class Connecting:
    """Changes of who is on which network."""

    def __init__(self, memberships: Memberships, containers: Containers, data_dir: str) -> None:
        self._memberships = memberships
        self._containers = containers
        self._data_dir = data_dir

    async def connect(self, network: Network, container: Container, config: EndpointConfig | None) -> None:
        """Put a container on a network."""
        async with container.lock:
            _check_may_change(container, network)
            if network.name in container.document.endpoints:
                raise PermissionDenied(
                    f"endpoint with name {container.name} already exists in network {network.name}"
                )
            endpoint = plan_endpoint_of(network, config or EndpointConfig())
            if container.shim is None:
                container.document.endpoints[network.name] = endpoint
            else:
                await self._connect_running(network, container, container.shim, endpoint)
            self._containers.save(container)

    async def _connect_running(
        self, network: Network, container: Container, shim: Shim, endpoint: Endpoint
    ) -> None:
        memberships = self._memberships
        memberships.place(container, network, endpoint)
        plan = plan_interface_of(network, endpoint)
        try:
            await asyncio.to_thread(attach_running, shim.pid, plan)
            container.document.endpoints[network.name] = endpoint
            await self._follow_gateway(container, shim)
            await self._follow_names(container)
        except BaseException:
            await self._detach(network, container, endpoint)
            raise
        self._rewrite(container, "hosts", add=_addresses(endpoint), names=container.config.hostname)
        memberships.joined(container, network)

    async def _follow_names(self, container: Container) -> None:
        """Tell the names, and have them answered in a container that had none before."""
        memberships = self._memberships
        had_names = memberships.naming.knows(container)
        memberships.tell_names(container)
        if memberships.has_names(container):
            await memberships.naming.serve(container)
            if not had_names:
                self._rewrite(container, "resolv.conf", text=format_resolv_conf(container, memberships))

    async def disconnect(self, network: Network, container: Container) -> None:
        """Take a container off a network."""
        async with container.lock:
            _check_may_change(container, network, leaving=True)
            endpoint = container.document.endpoints.get(network.name)
            if endpoint is None:
                raise PermissionDenied(f"container {container.id} is not connected to network {network.name}")
            if container.shim is None:
                del container.document.endpoints[network.name]
            else:
                await self._detach(network, container, endpoint)
                await self._follow_gateway(container, container.shim)
                self._memberships.tell_names(container)
                self._rewrite(container, "hosts", drop=_addresses(endpoint))
                self._memberships.left(container, network)
            self._containers.save(container)

    async def _detach(self, network: Network, container: Container, endpoint: Endpoint) -> None:
        if not network.is_macvlan:
            await asyncio.to_thread(detach_running, endpoint.host_interface)
        elif container.shim is not None:
            await asyncio.to_thread(detach_inside, container.shim.pid, endpoint.interface)
        container.document.endpoints.pop(network.name, None)
        self._memberships.addresses.give_back(container, network.id)

    async def _follow_gateway(self, container: Container, shim: Shim) -> None:
        """Let packets go out by the endpoints that are the ways out now, and ports lead to them."""
        memberships = self._memberships
        ways = memberships.ways_out(container)
        await asyncio.to_thread(set_default_routes, shim.pid, ways.routes())
        if memberships.publishing.has_ports(container):
            memberships.publishing.move(container, ways)
            await shim.relay(memberships.publishing.targets(container))
            return
        reserved = memberships.publish_ports(container, ways)
        try:
            await shim.hold(reserved)
        finally:
            reserved.close()

    def _rewrite(
        self,
        container: Container,
        name: str,
        *,
        text: str | None = None,
        add: Sequence[str] = (),
        names: str = "",
        drop: Sequence[str] = (),
    ) -> None:
        """Change a file that is mounted in the container: in place, for a rename would not be seen there."""
        path = f"{self._data_dir}/{container.id}/{name}"
        if text is None:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        for address in add:
            text = add_hosts_line(text, address, names)
        for address in drop:
            text = drop_hosts_line(text, address)
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.truncate(0)
            file.write(text)


def _addresses(endpoint: Endpoint) -> list[str]:
    return [address for address in (endpoint.address, endpoint.address6) if address]


def _check_may_change(container: Container, network: Network, *, leaving: bool = False) -> None:
    mode = container.host_config.network_mode
    if leaving and mode == "host":
        raise InvalidArgument(
            "cannot disconnect container from host network - container was created in host network mode"
        )
    if network.settings.driver == "host":
        raise InvalidArgument(
            "cannot connect container to host network - container must be created in host network mode"
        )
    if mode == "host" or mode.startswith("container:"):
        raise InvalidArgument(
            "container sharing network namespace with another container or host cannot be connected to any "
            "other network"
        )
    if not leaving and "none" in {network.name, *container.document.endpoints}:
        raise InvalidArgument(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        )
