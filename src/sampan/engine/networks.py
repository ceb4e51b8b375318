# SPDX-License-Identifier: Apache-2.0
"""The networks of an engine and who is in them.

Every engine has three: `bridge` (the default, with a way out), `host` and `none`. What the kernel holds of
them (a bridge, one table of the packet filter) outlives the engine, as running containers do; `restore`
makes it agree again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from sampan.engine.bindings import describe_bindings, parse_bindings, plan_mappings
from sampan.engine.model import Container, Endpoint
from sampan.engine.names import new_id
from sampan.errors import Conflict, InvalidArgument, SampanError, Unavailable
from sampan.linux.netlink import NetlinkSocket
from sampan.linux.rtnetlink import open_route_socket
from sampan.metadata.networks import NetworkRecord, NetworkTable
from sampan.network.address import choose_address, choose_subnet, default_gateway, mac_of_address
from sampan.network.bridge import (
    Bridge,
    ensure_bridge,
    remove_bridge,
    stale_interfaces,
)
from sampan.network.coexistence import forward_warnings
from sampan.network.endpoint import plan_endpoint, plan_host_endpoint, plan_interface, remove_endpoint
from sampan.network.firewall import Firewall
from sampan.network.forwarding import plan_forwarding
from sampan.network.host import read_host
from sampan.network.names import names_for_data_root
from sampan.network.ports import Endpoint as PortOwner
from sampan.network.ports import PortReserver, ReservedPorts, read_ephemeral_ports
from sampan.network.publication import Publication
from sampan.network.resolv import format_hosts, plan_resolv_conf, read_host_resolv_conf
from sampan.paths import Roots
from sampan.schema.container import ContainerCreate, EndpointConfig, HostConfig
from sampan.schema.times import format_time

logger = logging.getLogger(__name__)

PREDEFINED = {"bridge": "bridge", "host": "host", "none": "null"}  # name → driver
INTERFACE = "eth0"


@dataclass(frozen=True, slots=True)
class Joined:
    """What a start needs of its networks: the shim's `network` order, and sockets that keep ports taken.

    The shim gets duplicates; `close` these when it has them.
    """

    order: dict[str, Any]
    reserved: ReservedPorts = field(default_factory=ReservedPorts)


class Networks:
    """Addresses, published ports and the kernel's share of both."""

    def __init__(self, records: NetworkTable, roots: Roots) -> None:
        self._records = records
        self._names = names_for_data_root(roots.data)
        self._by_name = self._ensure_records()
        self._bridge: Bridge | None = None
        self._failure: SampanError | OSError | None = None
        self._route: NetlinkSocket | None = None
        self._firewall: Firewall | None = None
        self._addresses: dict[IPv4Address, str] = {}  # address → container id
        self._published: dict[str, list[Publication]] = {}  # container id → its ports
        self._reserver = PortReserver(read_ephemeral_ports())

    def _ensure_records(self) -> dict[str, NetworkRecord]:
        found = {record.name: record for record in self._records.list()}
        for name, driver in PREDEFINED.items():
            if name not in found:
                found[name] = NetworkRecord(new_id(), name, time.time_ns(), {"driver": driver})
                self._records.put(found[name])
        return found

    def restore(self, running: Iterable[Container]) -> None:
        """Bring the kernel to what the records and the running containers say; called once, at start.

        Without the right to change the network the engine still serves `--network none` and `host`.
        """
        containers = [c for c in running if "bridge" in c.document.endpoints]
        for container in containers:
            self._remember(container)
        try:
            self._restore_kernel(containers)
        except (SampanError, OSError) as error:
            self._failure = error
            logger.warning("the default network cannot be used: %s", error)

    def _restore_kernel(self, containers: Sequence[Container]) -> None:
        self._route = open_route_socket()
        host = read_host(self._route)
        self._bridge = self._plan_bridge(host.taken_networks(_nameservers()), host.default_mtu())
        ensure_bridge(self._route, self._bridge)
        self._firewall = Firewall(self._names.table)
        for warning in forward_warnings(self._names.table, self._bridge.name):
            logger.warning("%s", warning)
        published = [publication for each in self._published.values() for publication in each]
        self._firewall.reconcile([self._bridge], published)
        for step in plan_forwarding(host, [self._bridge.name]):
            step.apply(self._route)
        wanted = {c.document.endpoints["bridge"].host_interface for c in containers}
        for name in stale_interfaces(host, {self._bridge.name}, wanted):
            remove_endpoint(self._route, name)

    def _plan_bridge(self, taken: list[IPv4Network], mtu: int) -> Bridge:
        """The default bridge keeps the subnet it was once given."""
        record = self._by_name["bridge"]
        subnet_text = record.document.get("subnet")
        subnet = IPv4Network(subnet_text) if subnet_text else choose_subnet(taken)
        if not subnet_text:
            document = {**record.document, "subnet": str(subnet)}
            self._by_name["bridge"] = NetworkRecord(record.id, record.name, record.created_ns, document)
            self._records.put(self._by_name["bridge"])
        return Bridge(self._names.bridge, subnet, default_gateway(subnet), mtu)

    def _remember(self, container: Container) -> None:
        endpoint = container.document.endpoints["bridge"]
        if endpoint.address:
            self._addresses[IPv4Address(endpoint.address)] = container.id
            self._published[container.id] = parse_bindings(
                container.document.ports, IPv4Address(endpoint.address)
            )

    def close(self, *, is_idle: bool) -> None:
        """Let go; an engine with nothing running also takes its bridge and rules away."""
        if is_idle and self._firewall is not None and self._route is not None:
            self._firewall.remove()
            remove_bridge(self._route, self._names.bridge)
        for held in (self._firewall, self._route):
            if held is not None:
                held.close()

    def plan_endpoints(self, host: HostConfig, create: ContainerCreate) -> dict[str, Endpoint]:
        """The networks that a new container belongs to, from its mode and its networking configuration."""
        mode = host.network_mode
        if mode.startswith("container:"):
            return {}
        asked = (create.networking_config.endpoints_config or {}) if create.networking_config else {}
        wanted = {"bridge" if other == "default" else other: config for other, config in asked.items()}
        name = self.find(mode).name
        for other in wanted:
            if other != mode and self.find(other).name != name:
                raise InvalidArgument(f"network {other}: joining several networks is not supported yet")
        config = wanted.get(mode) or EndpointConfig()
        if create.mac_address and not config.mac_address:
            config.mac_address = create.mac_address
        if config.ipam_config and config.ipam_config.ipv4_address:
            raise InvalidArgument(
                "invalid endpoint settings: user specified IP address is supported on user defined networks only"
            )
        return {name: Endpoint(network=name, network_id=self._by_name[name].id, wanted=config)}

    def find(self, name: str) -> NetworkRecord:
        """A network by name, id or prefix of it."""
        record = self._by_name.get(name)
        return record or self._records.find(name)

    def join(self, container: Container, running_pid: int | None = None) -> Joined:
        """Give a starting container its addresses and ports; undo with `leave`."""
        mode = container.host_config.network_mode
        if mode == "host":
            return Joined(plan_host_endpoint())
        if running_pid is not None:
            return Joined({"namespace": "path", "path": f"/proc/{running_pid}/ns/net"})
        sysctls = {n: v for n, v in (container.host_config.sysctls or {}).items() if n.startswith("net.")}
        if mode == "none" or container.config.network_disabled:
            return Joined(plan_endpoint(sysctls=sysctls))
        endpoint = self._allocate(container)
        try:
            reserved = self._publish(container, endpoint)
        except BaseException:
            self.leave(container)
            raise
        return Joined(plan_endpoint([self._plan_interface(endpoint)], sysctls=sysctls), reserved)

    def _allocate(self, container: Container) -> Endpoint:
        if self._bridge is None or self._firewall is None:
            raise Unavailable(
                f"network bridge: {self._failure or 'not set up'}",
                hint="run the engine as root, or use --network none or host",
            )
        endpoint = container.document.endpoints["bridge"]
        used = {*self._addresses, self._bridge.gateway}
        last = IPv4Address(endpoint.address) if endpoint.address else None
        keep = last if last is not None and last in self._bridge.subnet and last not in used else None
        address = choose_address(self._bridge.subnet, used, requested=keep)
        self._addresses[address] = container.id
        endpoint.address, endpoint.prefix_length = str(address), self._bridge.subnet.prefixlen
        endpoint.gateway = str(self._bridge.gateway)
        endpoint.mac_address = endpoint.wanted.mac_address or mac_of_address(address)
        endpoint.endpoint_id = new_id()
        endpoint.host_interface = self._names.host_interface(endpoint.endpoint_id)
        return endpoint

    def _plan_interface(self, endpoint: Endpoint) -> dict[str, Any]:
        assert self._bridge is not None
        return plan_interface(
            bridge=self._bridge.name,
            host_interface=endpoint.host_interface,
            name=INTERFACE,
            mac=endpoint.mac_address,
            address=endpoint.address,
            prefix_length=endpoint.prefix_length,
            gateway=endpoint.gateway,
            mtu=self._bridge.mtu,
        )

    def _publish(self, container: Container, endpoint: Endpoint) -> ReservedPorts:
        """Take the container's ports of the host and lead them to it."""
        mappings = plan_mappings(container.config, container.host_config)
        if not mappings:
            return ReservedPorts()
        assert self._firewall is not None
        owner = PortOwner(container.name, endpoint.endpoint_id, IPv4Address(endpoint.address))
        allocated = [p.host for published in self._published.values() for p in published]
        reserved = self._reserver.reserve(mappings, owner, allocated)
        try:
            self._firewall.publish(reserved.publications)
        except BaseException:
            reserved.close()
            raise
        self._published[container.id] = reserved.publications
        container.document.ports = describe_bindings(reserved.publications)
        return reserved

    def leave(self, container: Container) -> None:
        """Take ports and addresses back from a container that does not run (any more)."""
        published = self._published.pop(container.id, [])
        if published and self._firewall is not None:
            try:
                self._firewall.unpublish(published)
            except (SampanError, OSError) as error:
                logger.warning(
                    "ports of %s stay in the packet filter until the next start: %s", container.name, error
                )
        for address in [a for a, owner in self._addresses.items() if owner == container.id]:
            del self._addresses[address]
        container.document.ports = {}

    def host_files(self, container: Container) -> tuple[str, str]:
        """The contents of /etc/hosts and /etc/resolv.conf for a starting container."""
        config, host = container.config, container.host_config
        endpoint = container.document.endpoints.get("bridge")
        shares_host = host.network_mode == "host"
        hosts = format_hosts(
            addresses=[endpoint.address] if endpoint and endpoint.address else (),
            hostname=config.hostname,
            domain=config.domainname,
            extra_hosts=host.extra_hosts or (),
            host_gateway=self._bridge.gateway if self._bridge else None,
            base=_read_host_hosts() if shares_host else None,
        )
        resolv_conf, warnings = plan_resolv_conf(
            read_host_resolv_conf(),
            nameservers=host.dns or (),
            search=host.dns_search or (),
            options=host.dns_options or (),
            shares_host=shares_host,
        )
        for warning in warnings:
            logger.warning("%s: %s", container.name, warning)
        return hosts, resolv_conf.format()

    def select(self, wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
        """All networks that pass the filters, by name."""
        return [self._describe(r) for name, r in sorted(self._by_name.items()) if _matches(r, wanted)]

    def inspect(self, name: str, containers: Iterable[Container]) -> dict[str, Any]:
        """One network and the containers in it."""
        record = self.find(name)
        members = {
            container.id: _describe_member(container, endpoint)
            for container in containers
            if container.state.is_running
            for endpoint in container.document.endpoints.values()
            if endpoint.network_id == record.id
        }
        return self._describe(record) | {"Containers": members}

    def _describe(self, record: NetworkRecord) -> dict[str, Any]:
        subnet = record.document.get("subnet")
        config = [{"Subnet": subnet, "Gateway": str(default_gateway(IPv4Network(subnet)))}] if subnet else []
        return {
            "Name": record.name,
            "Id": record.id,
            "Created": format_time(record.created_ns),
            "Scope": "local",
            "Driver": record.document["driver"],
            "EnableIPv4": True,
            "EnableIPv6": False,
            "IPAM": {"Driver": "default", "Options": None, "Config": config},
            "Internal": False,
            "Attachable": False,
            "Ingress": False,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": False,
            "Containers": {},
            "Options": {"com.docker.network.bridge.name": self._names.bridge} if subnet else {},
            "Labels": {},
        }

    def remove(self, name: str) -> None:
        """The predefined networks stay; there are no others."""
        record = self.find(name)
        raise Conflict(f"{record.name} is a pre-defined network and cannot be removed")


def _matches(record: NetworkRecord, wanted: dict[str, list[str]]) -> bool:
    return all(any(_has(record, name, value) for value in values) for name, values in wanted.items())


def _has(record: NetworkRecord, name: str, value: str) -> bool:
    match name:
        case "name":
            return value in record.name
        case "id":
            return record.id.startswith(value)
        case "driver":
            return bool(value == record.document["driver"])
        case "dangling":
            return value in ("false", "0")
        case _:
            return (name, value) in {("scope", "local"), ("type", "builtin")}


def _describe_member(container: Container, endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": container.name,
        "EndpointID": endpoint.endpoint_id,
        "MacAddress": endpoint.mac_address,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix_length}" if endpoint.address else "",
        "IPv6Address": "",
    }


def _nameservers() -> list[str]:
    return [server for server in read_host_resolv_conf().nameservers if ":" not in server]


def _read_host_hosts() -> str:
    with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
        return file.read()
