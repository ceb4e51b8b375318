# SPDX-License-Identifier: Apache-2.0
"""Which addresses of which networks are in use, and by whom: kept in memory, told again at each start."""

from __future__ import annotations

from ipaddress import ip_address

from sampan.engine.model import Container, Endpoint
from sampan.engine.network_model import Network
from sampan.network.address import Address, choose_address


class Addresses:
    """The addresses of running containers on bridge networks."""

    def __init__(self) -> None:
        self._owners: dict[str, dict[Address, Container]] = {}

    def take(
        self, container: Container, network: Network, endpoint: Endpoint, version: int
    ) -> Address | None:
        """Choose and take an address: the one asked for, else the last one if it is free, else the lowest."""
        own = network.range(version)
        if own is None:
            return None
        owners = self._owners.setdefault(network.id, {})
        used = {*owners, *own.reserved}
        asked, last = _wanted(endpoint, version)
        if asked is None and last is not None and last in (own.within or own.subnet) and last not in used:
            asked = last
        address = choose_address(own.subnet, used, within=own.within, requested=asked)
        owners[address] = container
        return address

    def remember(self, container: Container, endpoint: Endpoint) -> None:
        """Note the addresses that a running container has."""
        owners = self._owners.setdefault(endpoint.network_id, {})
        for address in (endpoint.address, endpoint.address6):
            if address:
                owners[ip_address(address)] = container

    def give_back(self, container: Container, network_id: str) -> None:
        """Let others have the container's addresses on one network."""
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
        return list(dict.fromkeys(self._owners.get(network_id, {}).values()))

    def used_networks(self) -> set[str]:
        """Ids of the networks that somebody is on."""
        return set(self._owners)


def _wanted(endpoint: Endpoint, version: int) -> tuple[Address | None, Address | None]:
    """The address that the user asks for, and the one that the container had last."""
    ipam = endpoint.wanted.ipam_config
    if version == 4:
        asked, last = ipam.ipv4_address if ipam else "", endpoint.address
    else:
        asked, last = ipam.ipv6_address if ipam else "", endpoint.address6
    return ip_address(asked) if asked else None, ip_address(last) if last else None
