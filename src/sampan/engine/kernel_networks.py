# SPDX-License-Identifier: Apache-2.0
"""What the kernel holds of an engine's networks: bridges, and one table of the packet filter.

It outlives the engine, as running containers do; `restore` makes it agree with the records again.
Holds: a network that cannot be had does not keep the others from working.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from sampan.engine.network_model import PARENT, Network
from sampan.errors import Conflict, NotFound, SampanError, Unavailable
from sampan.linux.netlink import NetlinkSocket
from sampan.linux.route_dump import find_link
from sampan.linux.rtnetlink import open_route_socket
from sampan.network.bridge import Bridge, plan_bridge, remove_bridge, stale_bridges, stale_interfaces
from sampan.network.coexistence import forward_warnings
from sampan.network.endpoint import remove_endpoint
from sampan.network.firewall import Firewall
from sampan.network.forwarding import plan_forwarding
from sampan.network.host import HostNetwork, read_host
from sampan.network.names import EngineNames
from sampan.network.publication import Publication
from sampan.network.resolv import read_host_resolv_conf

logger = logging.getLogger(__name__)


class KernelNetworks:
    """The bridges by network id, and the sockets to change them; for the event loop's thread only."""

    def __init__(self, names: EngineNames) -> None:
        self.names = names
        self.firewall: Firewall | None = None
        self._failures: dict[str, SampanError | OSError] = {}
        self._failure: SampanError | OSError | None = None
        self._route: NetlinkSocket | None = None
        self._bridges: dict[str, Bridge] = {}

    def open(self) -> HostNetwork:
        """Open the way to the kernel and read what is there; without the right to, remember why."""
        self._route = open_route_socket()
        return read_host(self._route)

    def fail(self, error: SampanError | OSError) -> None:
        """Nothing can be had of the kernel: containers can still do without a network of their own."""
        self._failure = error

    def restore(
        self, networks: Collection[Network], published: Collection[Publication], endpoints: set[str]
    ) -> None:
        """Make the kernel have these networks and ports; `endpoints` are the veths that belong to somebody."""
        assert self._route is not None
        host = read_host(self._route)
        for network in networks:
            self._restore_one(network, host)
        bridges = list(self._bridges.values())
        self.firewall = Firewall(self.names.table)
        for warning in forward_warnings(self.names.table, self.names.bridge):
            logger.warning("%s", warning)
        self.firewall.reconcile(bridges, published)
        self._forward()
        for name in stale_interfaces(host, {bridge.name for bridge in bridges}, endpoints):
            remove_endpoint(self._route, name)
        wanted = {network.settings.bridge for network in networks}
        for name in stale_bridges(host, self.names.is_network_bridge, wanted):
            logger.warning("removing the bridge %s, which belongs to no network", name)
            remove_bridge(self._route, name)

    def _forward(self) -> None:
        """Let the host forward for the bridges; IPv6 only once one has it."""
        assert self._route is not None
        bridges = list(self._bridges.values())
        ipv6 = any(bridge.subnet6 for bridge in bridges)
        for step in plan_forwarding(read_host(self._route), [bridge.name for bridge in bridges], ipv6=ipv6):
            step.apply(self._route)

    def _restore_one(self, network: Network, host: HostNetwork) -> None:
        try:
            self._ensure(network.bridge(), host)
        except (SampanError, OSError) as error:
            self._failures[network.id] = error
            logger.warning("network %s cannot be used: %s", network.name, error)
        else:
            self._bridges[network.id] = network.bridge()

    def _ensure(self, bridge: Bridge, host: HostNetwork) -> None:
        assert self._route is not None
        for step in plan_bridge(bridge, host):
            step.apply(self._route)

    def require(self, network: Network) -> None:
        """Refuse to use a network that is not there, saying why."""
        if network.is_macvlan and self._route is not None:
            self._require_parent(network)
            return
        if network.id not in self._bridges:
            reason = self._failures.get(network.id) or self._failure or "not set up"
            raise Unavailable(
                f"network {network.name}: {reason}",
                hint="run the engine as root, or use --network none or host",
            )

    def _require_parent(self, network: Network) -> None:
        """A macvlan network is nothing in the kernel but its containers' interfaces on this one."""
        assert self._route is not None
        parent = network.option(PARENT)
        if find_link(self._route, parent) is None:
            raise NotFound(f"network {network.name}: the host has no interface {parent}")

    def host(self) -> HostNetwork:
        """What new networks must keep clear of."""
        if self._route is None:
            raise self._cannot_make("run the engine as root")
        return read_host(self._route)

    def _cannot_make(self, hint: str | None = None) -> Unavailable:
        return Unavailable(f"networks cannot be made: {self._failure or 'not set up'}", hint=hint)

    def add(self, network: Network) -> None:
        """Make a network's bridge; a link of that name is somebody else's."""
        assert self._route is not None
        if network.is_macvlan:
            self._require_parent(network)
            return
        if self.firewall is None:  # the engine found no subnet for its default network, perhaps
            raise self._cannot_make()
        bridge = network.bridge()
        if find_link(self._route, bridge.name) is not None:
            raise Conflict(f"network interface {bridge.name}: exists already")
        try:
            self._ensure(bridge, read_host(self._route))
            self._bridges[network.id] = bridge
            self.firewall.set_bridges(list(self._bridges.values()))
            if bridge.subnet6:
                self._forward()
        except BaseException:
            self._bridges.pop(network.id, None)
            remove_bridge(self._route, bridge.name)
            raise

    async def remove(self, network: Network) -> None:
        """Take a network's bridge away. The kernel takes its time to delete a link: not on the loop's."""
        bridge = self._bridges.pop(network.id, None)
        if bridge is None or self.firewall is None:
            return
        await asyncio.to_thread(delete_bridge, bridge.name)
        self.firewall.set_bridges(list(self._bridges.values()))

    def close(self, *, is_idle: bool) -> None:
        """Let go; an engine with nothing running also takes its bridges and rules away."""
        if is_idle and self.firewall is not None and self._route is not None:
            self.firewall.remove()
            for bridge in self._bridges.values():
                remove_bridge(self._route, bridge.name)
        for held in (self.firewall, self._route):
            if held is not None:
                held.close()


def delete_bridge(name: str) -> None:
    """Delete a bridge; for a thread of its own."""
    with open_route_socket() as route:
        remove_bridge(route, name)


def host_name_servers() -> list[str]:
    """The name servers that containers ask."""
    return list(read_host_resolv_conf().nameservers)
