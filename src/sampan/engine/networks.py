# SPDX-License-Identifier: Apache-2.0
"""The networks of an engine and who is in them.

Every engine has three: `bridge` (the default, with a way out), `host` and `none`; people make more. A running
container has one endpoint on each of its networks; one of them is its way out, and its published ports lead to
that one.

Holds: a network has a record before it is in the kernel and as long as it is, so that a killed engine leaves
nothing that the next does not know.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine.addressing import Addresses
from sampan.engine.endpoints import (
    choose_gateway,
    choose_interface,
    endpoint_names,
    plan_endpoints,
    plan_interface_of,
)
from sampan.engine.kernel_networks import KernelNetworks, host_name_servers
from sampan.engine.model import Container, Endpoint
from sampan.engine.names import new_id
from sampan.engine.naming import Naming
from sampan.engine.network_model import (
    HOST_BINDING,
    PREDEFINED,
    Network,
    Settings,
    decode_network,
    encode_network,
)
from sampan.engine.network_plan import check_create, plan_settings
from sampan.engine.network_view import (
    Filters,
    check_filters,
    describe_members,
    describe_network,
    passes,
)
from sampan.engine.publishing import Publishing
from sampan.errors import Conflict, NotFound, PermissionDenied, SampanError
from sampan.network.address import choose_subnet, mac_of_address
from sampan.network.endpoint import plan_endpoint, plan_host_endpoint
from sampan.network.names import names_for_data_root
from sampan.network.ports import ReservedPorts
from sampan.schema.container import ContainerCreate, HostConfig
from sampan.schema.network import NetworkCreate

if TYPE_CHECKING:
    from sampan.engine.events import EventBus
    from sampan.metadata.networks import NetworkTable
    from sampan.paths import Roots

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a start needs of its networks: the shim's `network` order, and sockets that keep ports taken.

    The shim gets duplicates; `close` these when it has them.
    """

    order: dict[str, Any]
    reserved: ReservedPorts = field(default_factory=ReservedPorts)


class Networks:
    """Networks by name, and everything that running containers have of them."""

    def __init__(self, records: NetworkTable, roots: Roots, events: EventBus) -> None:
        self._records = records
        self._events = events
        self._by_name = {record.name: decode_network(record) for record in records.list()}
        self._ensure_predefined()
        self._change = asyncio.Lock()
        self._joined: dict[str, list[Network]] = {}  # container id → networks whose events tell of it
        self.kernel = KernelNetworks(names_for_data_root(roots.data))
        self.addresses = Addresses()
        self.publishing = Publishing()
        self.naming = Naming(roots.names_socket, roots.names_log)

    def _ensure_predefined(self) -> None:
        for name, driver in PREDEFINED.items():
            if name not in self._by_name:
                self._put(Network(new_id(), name, time.time_ns(), Settings(driver)))

    def _put(self, network: Network) -> None:
        self._records.put(encode_network(network))
        self._by_name[network.name] = network

    async def restore(self, running: Iterable[Container]) -> None:
        """Bring the kernel to what the records and the running containers say; called once, at start.

        Without the right to change the network the engine still serves `--network none` and `host`.
        """
        containers = list(running)
        for container in containers:
            self._remember(container)
        try:
            self._restore_kernel(containers)
        except (SampanError, OSError) as error:
            self.kernel.fail(error)
            logger.warning("networks cannot be used: %s", error)
            return
        for container in containers:
            self.tell_names(container)
        await self.naming.restore()

    def _remember(self, container: Container) -> None:
        endpoints = container.document.endpoints.values()
        self._joined[container.id] = [
            network for network in self._by_name.values() if network.name in container.document.endpoints
        ]
        for endpoint in endpoints:
            if endpoint.address:
                self.addresses.remember(container, endpoint)
        gateway = self.gateway_of(container)
        if gateway is not None:
            self.publishing.remember(container, gateway)

    def _restore_kernel(self, containers: Iterable[Container]) -> None:
        host = self.kernel.open()
        self._settle_default(host.taken_networks(host_name_servers()), host.default_mtu())
        networks = [network for network in self._by_name.values() if network.settings.driver == "bridge"]
        endpoints = {e.host_interface for c in containers for e in c.document.endpoints.values()}
        self.kernel.restore(networks, self.publishing.all(), endpoints)
        self.publishing.firewall = self.kernel.firewall

    def _settle_default(self, taken: list[IPv4Network], mtu: int) -> None:
        """The default network keeps the subnet it was once given; its MTU follows the host's."""
        network = self._by_name["bridge"]
        subnet = network.settings.subnet or str(choose_subnet([*taken, *self._subnets()]))
        settings = msgspec.structs.replace(
            network.settings, subnet=subnet, bridge=self.kernel.names.bridge, mtu=mtu
        )
        if settings != network.settings:
            self._put(replace(network, settings=settings))

    def close(self, *, is_idle: bool) -> None:
        """Let go; an engine with nothing running also takes its bridges and rules away."""
        self.naming.close()
        self.kernel.close(is_idle=is_idle)

    def find(self, name: str) -> Network:
        """A network by name, id or prefix of it."""
        found = self._by_name.get(name) or self._by_name.get(self._records.find(name).name)
        if found is None:
            raise NotFound(f"network {name} not found")
        return found

    def by_id(self) -> dict[str, Network]:
        """All networks by id."""
        return {network.id: network for network in self._by_name.values()}

    def _subnets(self) -> list[IPv4Network]:
        return [network.subnet for network in self._by_name.values() if network.settings.subnet]

    async def create(self, create: NetworkCreate) -> Network:
        """Make a network: its record first, then its bridge."""
        check_create(create)
        async with self._change:
            if create.name in self._by_name:
                raise Conflict(f"network with name {create.name} already exists")
            taken, mtu = self.kernel.host()
            network_id = new_id()
            settings = plan_settings(
                create,
                bridge=self.kernel.names.network_bridge(network_id),
                mtu=mtu,
                own=self._subnets(),
                taken=taken,
            )
            network = Network(network_id, create.name, time.time_ns(), settings)
            self._records.put(encode_network(network))
            try:
                self.kernel.add(network)
            except BaseException:
                self._records.remove(network.id)
                raise
            self._by_name[network.name] = network
        self.publish(network, "create")
        return network

    async def remove(self, name: str) -> None:
        """Remove a network that no running container is on."""
        async with self._change:
            network = self.find(name)
            if network.is_predefined:
                raise PermissionDenied(f"{network.name} is a pre-defined network and cannot be removed")
            members = self.addresses.members(network.id)
            if members:
                raise PermissionDenied(_active_endpoints(network, members))
            await self._remove(network)

    async def _remove(self, network: Network) -> None:
        del self._by_name[network.name]
        try:
            await self.kernel.remove(network)
        except BaseException:
            self._by_name[network.name] = network
            raise
        self._records.remove(network.id)
        self.publish(network, "destroy")

    async def prune(self, wanted: Filters, *, before_ns: int | None) -> list[str]:
        """Remove the user-defined networks that no running container is on; their names."""
        async with self._change:
            used = self.addresses.used_networks()
            doomed = [
                network
                for network in self._by_name.values()
                if network.is_user_defined
                and network.id not in used
                and (before_ns is None or network.created_ns < before_ns)
                and passes(network, wanted, used)
            ]
            for network in doomed:
                await self._remove(network)
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return [network.name for network in doomed]

    def select(self, wanted: Filters) -> list[dict[str, Any]]:
        """All networks that pass the filters, by name."""
        check_filters(wanted)
        used = self.addresses.used_networks()
        return [
            describe_network(network)
            for _, network in sorted(self._by_name.items())
            if passes(network, wanted, used)
        ]

    def inspect(self, name: str, containers: Iterable[Container]) -> dict[str, Any]:
        """One network and the containers in it."""
        network = self.find(name)
        return describe_network(network) | {"Containers": describe_members(network, containers)}

    def publish(self, network: Network, action: str, **more: str) -> None:
        """Tell the world what happened to a network."""
        attributes = {"name": network.name, "type": network.settings.driver}
        self._events.publish("network", action, network.id, attributes | more)

    def plan_endpoints(self, host: HostConfig, create: ContainerCreate) -> dict[str, Endpoint]:
        """The networks that a new container belongs to, from its mode and its networking configuration."""
        return plan_endpoints(host, create, self.find)

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
        if announce:
            self._joined[container.id] = networks
            for network in networks:
                self.publish(network, "connect", container=container.id)
        return joined

    def _network_of(self, endpoint: Endpoint) -> Network:
        """The endpoint's network; one that was made anew under the same name takes the place of the old."""
        network = self.by_id().get(endpoint.network_id) or self._by_name.get(endpoint.network)
        if network is None:
            raise NotFound(f"network {endpoint.network} not found")
        return network

    async def _join(self, container: Container, networks: list[Network]) -> Joined:
        try:
            for network, endpoint in zip(networks, container.document.endpoints.values(), strict=True):
                self.place(container, network, endpoint)
            gateway = self.gateway_of(container)
            reserved = self.publish_ports(container, gateway)
            self.tell_names(container)
            if self.has_names(container):
                await self.naming.ensure()
        except BaseException:
            self.leave(container)
            raise
        interfaces = [
            plan_interface_of(network, endpoint, is_gateway=endpoint is gateway)
            for network, endpoint in zip(networks, container.document.endpoints.values(), strict=True)
        ]
        order = plan_endpoint(interfaces, sysctls=_network_sysctls(container))
        if self.has_names(container):
            order["names"] = {"socket": self.naming.path, "id": container.id}
        return Joined(order, reserved)

    def place(self, container: Container, network: Network, endpoint: Endpoint) -> None:
        """Give one endpoint all that it has while the container runs."""
        self.kernel.require(network)
        endpoint.network_id = network.id
        address = self.addresses.take(container, network, endpoint)
        endpoint.address, endpoint.prefix_length = str(address), network.subnet.prefixlen
        endpoint.gateway = str(network.gateway) if network.has_gateway else ""
        endpoint.mac_address = endpoint.wanted.mac_address or mac_of_address(address)
        endpoint.endpoint_id = new_id()
        endpoint.host_interface = self.kernel.names.host_interface(endpoint.endpoint_id)
        endpoint.interface = ""
        others = container.document.endpoints.values()
        endpoint.interface = choose_interface(network, endpoint, _placed(others, self.addresses, container))

    def publish_ports(self, container: Container, gateway: Endpoint | None) -> ReservedPorts:
        """Publish what the container asks for, if it has a way out."""
        if gateway is None:
            return ReservedPorts()
        default = self.by_id()[gateway.network_id].option(HOST_BINDING)
        return self.publishing.publish(container, gateway, default_address=default)

    def gateway_of(self, container: Container) -> Endpoint | None:
        """The endpoint that is the container's way out."""
        return choose_gateway(container.document.endpoints.values(), self.by_id())

    def has_names(self, container: Container) -> bool:
        """Whether the name server answers in this container."""
        return any(self._is_user_defined(endpoint) for endpoint in container.document.endpoints.values())

    def _is_user_defined(self, endpoint: Endpoint) -> bool:
        network = self.by_id().get(endpoint.network_id)
        return network is not None and network.is_user_defined

    def tell_names(self, container: Container) -> None:
        """Tell the name server who the container is and whom it may ask for.

        One that has gone off its last network with names has still that server in its resolv.conf.
        """
        if not self.has_names(container) and not self.naming.knows(container):
            return
        networks = self.by_id()
        places = [
            {
                "network": endpoint.network_id,
                "name": endpoint.network,
                "address": endpoint.address,
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
            self.publish(network, "disconnect", container=container.id)

    def joined(self, container: Container, network: Network) -> None:
        """A running container has come on a network."""
        self._joined.setdefault(container.id, []).append(network)
        self.publish(network, "connect", container=container.id)

    def left(self, container: Container, network: Network) -> None:
        """A running container has gone off a network."""
        networks = self._joined.get(container.id, [])
        self._joined[container.id] = [other for other in networks if other.id != network.id]
        self.publish(network, "disconnect", container=container.id)


def _placed(endpoints: Iterable[Endpoint], addresses: Addresses, container: Container) -> list[Endpoint]:
    """Those of the endpoints that are in use: the others' interfaces are of a former run."""
    return [each for each in endpoints if container in addresses.members(each.network_id)]


def _network_sysctls(container: Container) -> dict[str, str]:
    sysctls = container.host_config.sysctls or {}
    return {name: value for name, value in sysctls.items() if name.startswith("net.")}


def _active_endpoints(network: Network, members: Iterable[Container]) -> str:
    endpoints = [
        f'name:"{container.name}" id:"{endpoint.endpoint_id[:12]}"'
        for container in members
        for endpoint in container.document.endpoints.values()
        if endpoint.network_id == network.id
    ]
    return (
        f"error while removing network: network {network.name} has active endpoints ({', '.join(endpoints)})"
    )
