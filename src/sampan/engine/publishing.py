# SPDX-License-Identifier: Apache-2.0
"""The ports of containers on the host: taken, led to the endpoints that are ways out, moved and given back.

Holds: a port that is taken stays so as long as the container runs, for its shim has the sockets. Where the container
is on no network with a way out for a while, its ports are idle: the record says so, for an engine that starts then.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from sampan.engine.bindings import describe_bindings, parse_bindings, plan_mappings
from sampan.engine.endpoints import WaysOut
from sampan.engine.model import Container
from sampan.errors import SampanError
from sampan.network.firewall import Firewall
from sampan.network.ports import Endpoint as PortOwner
from sampan.network.ports import PortReserver, ReservedPorts, read_ephemeral_ports, relay_targets
from sampan.network.publication import HostPort, Publication

logger = logging.getLogger(__name__)

_NOWHERE = PortOwner("", "", IPv4Address(0), IPv6Address(0))


class Publishing:
    """Who has which port of the host. `firewall` is set as soon as there is one."""

    def __init__(self) -> None:
        self.firewall: Firewall | None = None
        self._published: dict[str, list[Publication]] = {}  # container id → its ports
        self._idle: dict[str, list[Publication]] = {}  # taken still, but leading nowhere
        self._reserver = PortReserver(read_ephemeral_ports())

    def remember(self, container: Container, ways: WaysOut) -> None:
        """Note the ports that a running container has."""
        document = container.document
        if document.idle_ports:
            self._idle[container.id] = parse_bindings(document.idle_ports, _NOWHERE)
        if document.ports:
            self._published[container.id] = parse_bindings(document.ports, _owner(container, ways))

    def all(self) -> list[Publication]:
        """Every published port."""
        return [publication for each in self._published.values() for publication in each]

    def _taken(self) -> list[HostPort]:
        idle = (publication for each in self._idle.values() for publication in each)
        return [publication.host for publication in (*self.all(), *idle)]

    def publish(
        self,
        container: Container,
        ways: WaysOut,
        *,
        default_address: str = "",
        routed_versions: frozenset[int] = frozenset(),
    ) -> ReservedPorts:
        """Take the container's ports of the host and lead them to its ways out."""
        mappings = plan_mappings(
            container.config,
            container.host_config,
            default_address=default_address,
            routed_versions=routed_versions,
        )
        if not mappings:
            return ReservedPorts()
        assert self.firewall is not None
        reserved = self._reserver.reserve(mappings, _owner(container, ways), self._taken())
        try:
            self.firewall.publish(reserved.publications)
        except BaseException:
            reserved.close()
            raise
        self._note(container, reserved.publications)
        return reserved

    def has_ports(self, container: Container) -> bool:
        """Whether any port of the host is taken for the container."""
        return container.id in self._published or container.id in self._idle

    def targets(self, container: Container) -> dict[str, tuple[str, int]]:
        """Where the container's shim relays to what arrives at the ports that it holds."""
        return relay_targets(self._published.get(container.id, ()))

    def move(self, container: Container, ways: WaysOut) -> None:
        """Lead the container's ports to its present ways out, or nowhere; they stay taken."""
        assert self.firewall is not None
        published = self._published.get(container.id, [])
        taken = [*published, *self._idle.get(container.id, [])]
        moved = parse_bindings(describe_bindings(taken), _owner(container, ways))
        if moved != published:
            self.firewall.unpublish(published)
            self.firewall.publish(moved)
        led = {(each.host, each.port) for each in moved}
        self._note(container, moved, [each for each in taken if (each.host, each.port) not in led])

    def _note(
        self, container: Container, published: list[Publication], idle: Sequence[Publication] = ()
    ) -> None:
        for kept, publications in ((self._published, published), (self._idle, list(idle))):
            kept.pop(container.id, None)
            if publications:
                kept[container.id] = publications
        container.document.ports = describe_bindings(published)
        container.document.idle_ports = describe_bindings(idle)

    def unpublish(self, container: Container) -> None:
        """Take the ports back from a container that does not run (any more)."""
        published = self._published.pop(container.id, [])
        self._idle.pop(container.id, None)
        container.document.ports = {}
        container.document.idle_ports = {}
        if not published or self.firewall is None:
            return
        try:
            self.firewall.unpublish(published)
        except (SampanError, OSError) as error:
            logger.warning(
                "ports of %s stay in the packet filter until the next start: %s", container.name, error
            )


def _owner(container: Container, ways: WaysOut) -> PortOwner:
    endpoint_id = ways.first.endpoint_id if ways.first else ""
    return PortOwner(container.name, endpoint_id, *ways.addresses())
