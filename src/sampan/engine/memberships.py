# SPDX-License-Identifier: Apache-2.0
"""What running containers have of their networks: addresses, names, published ports.

A running container has one endpoint on each of its networks; one of them is its way out, and its published ports
lead to that one. What it has is taken in `join` and given back in `leave`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sampan.engine.addressing import Addresses
from sampan.engine.endpoints import (
    WaysOut,
    choose_interface,
    choose_ways_out,
    endpoint_names,
    plan_endpoints,
    plan_interface_of,
)
from sampan.engine.model import Container, Endpoint
from sampan.engine.names import new_id
from sampan.engine.naming import Naming
from sampan.engine.network_model import HOST_BINDING, Network, Range
from sampan.engine.publishing import Publishing
from sampan.errors import InvalidArgument, NotFound, PermissionDenied, SampanError
from sampan.network.address import Address, mac_of_address
from sampan.network.bridge import ISOLATED, ROUTED
from sampan.network.endpoint import plan_endpoint, plan_host_endpoint
from sampan.network.ports import ReservedPorts
from sampan.schema.container import ContainerCreate, HostConfig

if TYPE_CHECKING:
    from sampan.engine.networks import Networks
    from sampan.paths import Roots


@dataclass(frozen=True, slots=True)
class Joined:
    """What a start needs of its networks: the shim's `network` order, and sockets that keep ports taken.

    The shim gets duplicates; `close` these when it has them.
    """

    order: dict[str, Any]
    reserved: ReservedPorts = field(default_factory=ReservedPorts)


class Memberships:
    """Who is on which network, by which address and under which names."""

    def __init__(self, networks: Networks, roots: Roots) -> None:
        self.networks = networks
        self.addresses = networks.addresses
        self.publishing = Publishing()
        self.naming = Naming(roots.names_socket, roots.names_log)
        self._joined: dict[str, list[Network]] = {}  # container id → networks whose events tell of it

    async def restore(self, running: Iterable[Container]) -> None:
        """Bring the kernel and the name server to what the running containers have; called once, at start."""
        containers = list(running)
        for container in containers:
            self._remember(container)
        endpoints = {e.host_interface for c in containers for e in c.document.endpoints.values()}
        self.networks.restore(self.publishing.all(), endpoints)
        self.publishing.firewall = self.networks.kernel.firewall
        for container in containers:
            self.tell_names(container)
        await self.naming.restore()

    def _remember(self, container: Container) -> None:
        endpoints = container.document.endpoints.values()
        self._joined[container.id] = [
            network for network in self.networks.all() if network.name in container.document.endpoints
        ]
        for endpoint in endpoints:
            if endpoint.address or endpoint.address6:
                self.addresses.remember(container, endpoint)
        self.publishing.remember(container, self.ways_out(container))

    def plan_endpoints(self, host: HostConfig, create: ContainerCreate) -> dict[str, Endpoint]:
        """The networks that a new container belongs to, from its mode and its networking configuration."""
        return plan_endpoints(host, create, self.networks.find)

    async def join(
        self, container: Container, running_pid: int | None = None, *, announce: bool = True
    ) -> Joined:
        """Give a starting container its addresses, names and ports; undo with `leave`."""
        if running_pid is not None:
            return Joined({"namespace": "path", "path": f"/proc/{running_pid}/ns/net"})
        mode = container.host_config.network_mode
        networks = [self._network_of(endpoint) for endpoint in container.document.endpoints.values()]
        if mode == "host":
            joined = Joined(plan_host_endpoint())
        elif mode == "none" or container.config.network_disabled:
            joined = Joined(plan_endpoint(sysctls=_network_sysctls(container)))
        else:
            joined = await self._join(container, networks)
        for endpoint in container.document.endpoints.values():
            endpoint.endpoint_id = endpoint.endpoint_id or new_id()  # host and none have one, too
        if announce:
            self._joined[container.id] = networks
            for network in networks:
                self.networks.publish(network, "connect", container=container.id)
        return joined

    def _network_of(self, endpoint: Endpoint) -> Network:
        """The endpoint's network; one that was made anew under the same name takes the place of the old."""
        network = self.networks.by_id().get(endpoint.network_id) or self.networks.by_name(endpoint.network)
        if network is None:
            raise NotFound(f"failed to set up container networking: network {endpoint.network} not found")
        return network

    async def _join(self, container: Container, networks: list[Network]) -> Joined:
        try:
            for network, endpoint in zip(networks, container.document.endpoints.values(), strict=True):
                self.place(container, network, endpoint)
            ways = self.ways_out(container)
            reserved = self.publish_ports(container, ways)
            self.tell_names(container)
            if self.has_names(container):
                await self.naming.ensure()
        except BaseException as error:
            self.leave(container)
            if isinstance(error, SampanError):
                error.message = f"failed to set up container networking: {error.message}"
            raise
        interfaces = [
            plan_interface_of(network, endpoint, ways.gateways_of(endpoint))
            for network, endpoint in zip(networks, container.document.endpoints.values(), strict=True)
        ]
        order = plan_endpoint(interfaces, sysctls=_network_sysctls(container))
        if self.has_names(container):
            order["names"] = {"socket": self.naming.path, "id": container.id}
        return Joined(order, reserved)

    def place(self, container: Container, network: Network, endpoint: Endpoint) -> None:
        """Give one endpoint all that it has while the container runs."""
        if network.settings.config_only:
            raise PermissionDenied("cannot create endpoint on configuration-only network")
        self.networks.kernel.require(network)
        endpoint.network_id = network.id
        address = self._take(container, network, endpoint)
        endpoint.mac_address = endpoint.wanted.mac_address or mac_of_address(address)
        endpoint.endpoint_id = new_id()
        endpoint.host_interface = self.networks.kernel.names.host_interface(endpoint.endpoint_id)
        endpoint.interface = ""
        others = container.document.endpoints.values()
        endpoint.interface = choose_interface(network, endpoint, _placed(others, self.addresses, container))

    def _take(self, container: Container, network: Network, endpoint: Endpoint) -> Address:
        """Take the endpoint's addresses; returns the one that its MAC is made of."""
        has_gateway = network.has_gateway
        address = self.addresses.take(container, network, endpoint, 4)
        endpoint.address, endpoint.prefix_length, endpoint.gateway = _describe(
            network.range(4), address, has_gateway=has_gateway and network.gateway_mode(4) != ISOLATED
        )
        address6 = None
        if not _switches_ipv6_off(container):
            address6 = self.addresses.take(container, network, endpoint, 6)
        endpoint.address6, endpoint.prefix_length6, endpoint.gateway6 = _describe(
            network.range(6), address6, has_gateway=has_gateway and network.gateway_mode(6) != ISOLATED
        )
        chosen = address or address6
        if chosen is None:
            raise InvalidArgument(f"network {network.name}: has no address for a container without IPv6")
        return chosen

    def publish_ports(self, container: Container, ways: WaysOut) -> ReservedPorts:
        """Publish what the container asks for, if it has a way out."""
        networks = self.networks.by_id()
        if ways.first is None or networks[ways.first.network_id].is_macvlan:
            return ReservedPorts()  # where the host has no part, all ports are reached
        routed = [
            version
            for version, endpoint in ((4, ways.ipv4), (6, ways.ipv6))
            if endpoint and networks[endpoint.network_id].gateway_mode(version) == ROUTED
        ]
        default = networks[ways.first.network_id].option(HOST_BINDING)
        return self.publishing.publish(
            container, ways, default_address=default, routed_versions=frozenset(routed)
        )

    def ways_out(self, container: Container) -> WaysOut:
        """The endpoints that are the container's ways out."""
        return choose_ways_out(container.document.endpoints.values(), self.networks.by_id())

    def has_names(self, container: Container) -> bool:
        """Whether the name server answers in this container."""
        return any(self._is_user_defined(endpoint) for endpoint in container.document.endpoints.values())

    def _is_user_defined(self, endpoint: Endpoint) -> bool:
        network = self.networks.by_id().get(endpoint.network_id)
        return network is not None and network.is_user_defined

    def tell_names(self, container: Container) -> None:
        """Tell the name server who the container is and whom it may ask for.

        One that has gone off its last network with names has still that server in its resolv.conf.
        """
        if not self.has_names(container) and not self.naming.knows(container):
            return
        networks = self.networks.by_id()
        places = [
            {
                "network": endpoint.network_id,
                "name": endpoint.network,
                "address": endpoint.address,  # for a name server that an older engine has started
                "addresses": [each for each in (endpoint.address, endpoint.address6) if each],
                "names": endpoint_names(container, endpoint),
                "links": endpoint.wanted.links or [],
            }
            for endpoint in container.document.endpoints.values()
            if self._is_user_defined(endpoint)
        ]
        forwards = any(networks[e.network_id].has_gateway for e in container.document.endpoints.values())
        servers = (container.host_config.dns or None) if forwards else []
        self.naming.put(container, places, servers)

    def renamed(self, container: Container) -> None:
        """A container has another name: on its networks, too, if it runs."""
        if container.shim is not None:
            self.tell_names(container)

    def leave(self, container: Container) -> None:
        """Take ports, addresses and names back from a container that does not run (any more)."""
        self.publishing.unpublish(container)
        self.addresses.give_all_back(container)
        self.naming.forget(container)
        for network in self._joined.pop(container.id, []):
            self.networks.publish(network, "disconnect", container=container.id)

    def joined(self, container: Container, network: Network) -> None:
        """A running container has come on a network."""
        self._joined.setdefault(container.id, []).append(network)
        self.networks.publish(network, "connect", container=container.id)

    def left(self, container: Container, network: Network) -> None:
        """A running container has gone off a network."""
        networks = self._joined.get(container.id, [])
        self._joined[container.id] = [other for other in networks if other.id != network.id]
        self.networks.publish(network, "disconnect", container=container.id)


def _describe(own: Range | None, address: Address | None, *, has_gateway: bool) -> tuple[str, int, str]:
    """Address, prefix length and gateway as an endpoint has them."""
    if own is None or address is None:
        return "", 0, ""
    return str(address), own.subnet.prefixlen, str(own.gateway) if has_gateway else ""


def _switches_ipv6_off(container: Container) -> bool:
    """`--sysctl net.ipv6.conf.all.disable_ipv6=1`: there is no address then, as with Docker."""
    return (container.host_config.sysctls or {}).get("net.ipv6.conf.all.disable_ipv6") == "1"


def _placed(endpoints: Iterable[Endpoint], addresses: Addresses, container: Container) -> list[Endpoint]:
    """Those of the endpoints that are in use: the others' interfaces are of a former run."""
    return [each for each in endpoints if container in addresses.members(each.network_id)]


def _network_sysctls(container: Container) -> dict[str, str]:
    sysctls = container.host_config.sysctls or {}
    return {name: value for name, value in sysctls.items() if name.startswith("net.")}
