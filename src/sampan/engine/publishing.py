# SPDX-License-Identifier: Apache-2.0
"""The ports of containers on the host: taken, led to the endpoint that is the way out, moved and given back."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import IPv4Address

from sampan.engine.bindings import describe_bindings, parse_bindings, plan_mappings
from sampan.engine.model import Container, Endpoint
from sampan.errors import SampanError
from sampan.network.firewall import Firewall
from sampan.network.ports import Endpoint as PortOwner
from sampan.network.ports import PortReserver, ReservedPorts, read_ephemeral_ports
from sampan.network.publication import HostPort, Publication

logger = logging.getLogger(__name__)


class Publishing:
    """Who has which port of the host. `firewall` is set as soon as there is one."""

    def __init__(self) -> None:
        self.firewall: Firewall | None = None
        self._published: dict[str, list[Publication]] = {}  # container id → its ports
        self._idle: dict[str, list[Publication]] = {}  # taken still, but leading nowhere
        self._reserver = PortReserver(read_ephemeral_ports())

    def remember(self, container: Container, endpoint: Endpoint) -> None:
        """Note the ports that a running container has."""
        address = IPv4Address(endpoint.address)
        self._published[container.id] = parse_bindings(container.document.ports, address)

    def all(self) -> list[Publication]:
        """Every published port."""
        return [publication for each in self._published.values() for publication in each]

    def _taken(self) -> list[HostPort]:
        idle = [publication for each in self._idle.values() for publication in each]
        return [publication.host for publication in [*self.all(), *idle]]

    def publish(
        self, container: Container, endpoint: Endpoint, *, default_address: str = ""
    ) -> ReservedPorts:
        """Take the container's ports of the host and lead them to its endpoint."""
        mappings = plan_mappings(container.config, container.host_config, default_address=default_address)
        if not mappings:
            return ReservedPorts()
        assert self.firewall is not None
        owner = PortOwner(container.name, endpoint.endpoint_id, IPv4Address(endpoint.address))
        reserved = self._reserver.reserve(mappings, owner, self._taken())
        try:
            self.firewall.publish(reserved.publications)
        except BaseException:
            reserved.close()
            raise
        self._published[container.id] = reserved.publications
        container.document.ports = describe_bindings(reserved.publications)
        return reserved

    def has_ports(self, container: Container) -> bool:
        """Whether any port of the host is taken for the container."""
        return container.id in self._published or container.id in self._idle

    def move(self, container: Container, endpoint: Endpoint | None) -> None:
        """Lead the container's ports to another endpoint of it, or nowhere; they stay taken."""
        assert self.firewall is not None
        published = self._published.get(container.id, [])
        if published and endpoint is not None and str(published[0].address) == endpoint.address:
            return
        if published:
            self.firewall.unpublish(published)
            self._idle[container.id] = self._published.pop(container.id)
            container.document.ports = {}
        if endpoint is not None:
            taken = self._idle.pop(container.id, [])
            moved = [replace(each, address=IPv4Address(endpoint.address)) for each in taken]
            self.firewall.publish(moved)
            self._published[container.id] = moved
            container.document.ports = describe_bindings(moved)

    def unpublish(self, container: Container) -> None:
        """Take the ports back from a container that does not run (any more)."""
        published = self._published.pop(container.id, [])
        self._idle.pop(container.id, None)
        container.document.ports = {}
        if not published or self.firewall is None:
            return
        try:
            self.firewall.unpublish(published)
        except (SampanError, OSError) as error:
            logger.warning(
                "ports of %s stay in the packet filter until the next start: %s", container.name, error
            )
