# SPDX-License-Identifier: Apache-2.0
"""Which addresses of which networks are in use, and by whom: kept in memory, told again at each start."""

from __future__ import annotations

from ipaddress import IPv4Address

from sampan.engine.model import Container, Endpoint
from sampan.engine.network_model import Network
from sampan.network.address import choose_address


class Addresses:
    """The addresses of running containers on bridge networks."""

    def __init__(self) -> None:
        self._owners: dict[str, dict[IPv4Address, Container]] = {}

    def take(self, container: Container, network: Network, endpoint: Endpoint) -> IPv4Address:
        """Choose and take an address: the one asked for, else the last one if it is free, else the lowest."""
        owners = self._owners.setdefault(network.id, {})
        used = {*owners, *network.reserved}
        address = choose_address(
            network.subnet, used, within=network.range, requested=_wanted(network, endpoint, used)
        )
        owners[address] = container
        return address

    def remember(self, container: Container, endpoint: Endpoint) -> None:
        """Note the address that a running container has."""
        owners = self._owners.setdefault(endpoint.network_id, {})
        owners[IPv4Address(endpoint.address)] = container

    def give_back(self, container: Container, network_id: str) -> None:
        """Let others have the container's address on one network."""
        owners = self._owners.get(network_id, {})
        for address in [address for address, owner in owners.items() if owner is container]:
            del owners[address]
        if not owners:
            self._owners.pop(network_id, None)

    def give_all_back(self, container: Container) -> None:
        """Let others have every address of the container."""
        for network_id in list(self._owners):
            self.give_back(container, network_id)

    def members(self, network_id: str) -> list[Container]:
        """Who has an address on this network."""
        return list(self._owners.get(network_id, {}).values())

    def used_networks(self) -> set[str]:
        """Ids of the networks that somebody is on."""
        return set(self._owners)


def _wanted(network: Network, endpoint: Endpoint, used: set[IPv4Address]) -> IPv4Address | None:
    asked = endpoint.wanted.ipam_config.ipv4_address if endpoint.wanted.ipam_config else ""
    if asked:
        return IPv4Address(asked)
    last = IPv4Address(endpoint.address) if endpoint.address else None
    choice = network.range or network.subnet
    return last if last is not None and last in choice and last not in used else None
