# SPDX-License-Identifier: Apache-2.0
"""The networks of an engine: made, removed, listed.

Every engine has three: `bridge` (the default, with a way out), `host` and `none`; people make more.

Holds: a network has a record before it is in the kernel and as long as it is, so that a killed engine leaves
nothing that the next does not know.
Not here: who is on them (memberships).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine.addressing import Addresses
from sampan.engine.kernel_networks import KernelNetworks, host_name_servers
from sampan.engine.model import Container
from sampan.engine.names import new_id
from sampan.engine.network_checks import check_create, check_options
from sampan.engine.network_model import (
    PREDEFINED,
    Network,
    Pool,
    Settings,
    decode_network,
    encode_network,
)
from sampan.engine.network_plan import apply_config, plan_settings
from sampan.engine.network_pools import Ground
from sampan.engine.network_view import (
    Filters,
    check_filters,
    describe_members,
    describe_network,
    passes,
)
from sampan.errors import Conflict, NotFound, PermissionDenied, SampanError
from sampan.network.address import Subnet, choose_subnet, default_gateway
from sampan.network.exclusion import sole_planner
from sampan.network.names import names_for_data_root
from sampan.schema.network import NetworkCreate

if TYPE_CHECKING:
    from sampan.engine.events import EventBus
    from sampan.metadata.networks import NetworkTable
    from sampan.network.publication import Publication
    from sampan.paths import Roots

logger = logging.getLogger(__name__)


class Networks:
    """Networks by name. `addresses` says who is on them, `kernel` is what the host has of them."""

    def __init__(self, records: NetworkTable, roots: Roots, events: EventBus) -> None:
        self._records = records
        self._events = events
        self._by_name = {record.name: decode_network(record) for record in records.list()}
        self._ensure_predefined()
        self._change = asyncio.Lock()
        self._identity = host_identity(roots.data)
        self.kernel = KernelNetworks(names_for_data_root(roots.data))
        self.addresses = Addresses()

    def _ensure_predefined(self) -> None:
        for name, driver in PREDEFINED.items():
            if name not in self._by_name:
                self._put(Network(new_id(), name, time.time_ns(), Settings(driver)))

    def _put(self, network: Network) -> None:
        self._records.put(encode_network(network))
        self._by_name[network.name] = network

    def restore(self, published: Sequence[Publication], endpoints: set[str]) -> None:
        """Make the kernel have the networks on record; `endpoints` are the veths of running containers.

        Without the right to change the network the engine still serves `--network none` and `host`.
        """
        try:
            with sole_planner():
                host = self.kernel.open()
                taken = host.taken_networks(host_name_servers())
                self._settle_default(taken, host.default_mtu())
                self._move_off(taken, host.links)
                self.kernel.restore(self._bridged(), published, endpoints)
        except (SampanError, OSError) as error:
            self.kernel.fail(error)
            logger.warning("networks cannot be used: %s", error)

    def _bridged(self) -> list[Network]:
        return [
            network
            for network in self._by_name.values()
            if network.settings.driver == "bridge" and not network.settings.config_only
        ]

    def _settle_default(self, taken: list[Subnet], mtu: int) -> None:
        """The default network keeps the subnet it was once given; its MTU follows the host's."""
        network = self._by_name["bridge"]
        pool = network.settings.ipv4
        if pool is None:
            subnet = choose_subnet([*taken, *self._subnets()])
            pool = Pool(str(subnet), str(default_gateway(subnet)))
        settings = msgspec.structs.replace(
            network.settings, ipv4=pool, bridge=self.kernel.names.bridge, mtu=mtu
        )
        if settings != network.settings:
            self._put(replace(network, settings=settings))

    def _move_off(self, taken: Collection[Subnet], links: Collection[str]) -> None:
        """Give another subnet to networks that have no bridge now, and whose own is somebody else's by now.

        A tunnel or another engine may have come while this one was away. A subnet that the user gave stays.
        """
        for network in self._bridged():
            pool = network.settings.ipv4
            if pool is None or pool.is_subnet_given or network.settings.bridge in links:
                continue
            if not any(ip_network(pool.subnet).overlaps(other) for other in taken):
                continue
            subnet = choose_subnet([*taken, *self._subnets()])
            logger.warning(
                "network %s moves to %s: the host has %s in use", network.name, subnet, pool.subnet
            )
            moved = Pool(str(subnet), str(default_gateway(subnet)))
            self._put(replace(network, settings=msgspec.structs.replace(network.settings, ipv4=moved)))

    def close(self, *, is_idle: bool) -> None:
        """Let go; an engine with nothing running also takes its bridges and rules away."""
        self.kernel.close(is_idle=is_idle)

    def find(self, name: str) -> Network:
        """A network by name, id or prefix of it."""
        found = self._by_name.get(name) or self._by_name.get(self._records.find(name).name)
        if found is None:
            raise NotFound(f"network {name} not found")
        return found

    def by_name(self, name: str) -> Network | None:
        """The network of exactly this name."""
        return self._by_name.get(name)

    def all(self) -> list[Network]:
        """All networks."""
        return list(self._by_name.values())

    def by_id(self) -> dict[str, Network]:
        """All networks by id."""
        return {network.id: network for network in self._by_name.values()}

    def _subnets(self) -> list[Subnet]:
        return [subnet for network in self._by_name.values() for subnet in network.subnets]

    async def create(self, create: NetworkCreate) -> Network:
        """Make a network: its record first, then its bridge."""
        check_create(create)
        async with self._change:
            if create.name in self._by_name:
                raise Conflict(f"network with name {create.name} already exists")
            with sole_planner():
                network = self._plan(create)
                self._make(network)
            self._by_name[network.name] = network
        self.publish(network, "create")
        return network

    def _make(self, network: Network) -> None:
        self._records.put(encode_network(network))
        try:
            if not network.settings.config_only:
                self.kernel.add(network)
        except BaseException:
            self._records.remove(network.id)
            raise

    def _plan(self, create: NetworkCreate) -> Network:
        if create.config_from and create.config_from.network:
            create = apply_config(create, self._by_name.get(create.config_from.network))
            check_options(create)
        network_id = new_id()
        ground = Ground.bare() if create.config_only else self._survey(network_id)
        return Network(network_id, create.name, time.time_ns(), plan_settings(create, ground))

    def _survey(self, network_id: str) -> Ground:
        host = self.kernel.host()
        return Ground(
            bridge=self.kernel.names.network_bridge(network_id),
            mtu=host.default_mtu(),
            own=self._subnets(),
            taken=host.taken_networks(host_name_servers()),
            has_ipv6=host.has_ipv6,
            identity=self._identity,
        )

    async def remove(self, name: str) -> None:
        """Remove a network that no running container is on."""
        async with self._change:
            network = self.find(name)
            if network.is_predefined:
                raise PermissionDenied(f"{network.name} is a pre-defined network and cannot be removed")
            if any(each.settings.config_from == network.name for each in self.all()):
                raise PermissionDenied(
                    f'error while removing network: configuration network "{network.name}" is in use'
                )
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
                and not network.settings.config_only
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


def host_identity(data_root: str) -> str:
    """What tells this engine from those of other hosts: its IPv6 subnets are to be no other's."""
    with contextlib.suppress(OSError), open("/etc/machine-id", encoding="ascii") as file:
        return f"{file.read().strip()} {data_root}"
    return f"{socket.gethostname()} {data_root}"
