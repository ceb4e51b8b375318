# SPDX-License-Identifier: Apache-2.0
"""`--link` on the default network: lines for /etc/hosts, and variables that tell where the other's ports are.

Source: Docker's legacy container links. On user-defined networks a link is an alias that only this container knows,
and the name server's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sampan.engine.bindings import parse_port
from sampan.engine.model import Container
from sampan.errors import InvalidArgument

_OTHERS_OWN = ("PATH", "HOME", "HOSTNAME", "TERM")


@dataclass(frozen=True, slots=True)
class Links:
    """What a container gets to know of those it is linked to."""

    hosts: list[str]
    environment: list[str]


def plan_links(container: Container, find: Callable[[str], Container]) -> Links:
    """Resolve the links of a starting container; those it is linked to have to run."""
    links = Links([], [])
    if container.host_config.network_mode != "bridge":
        return links
    for link in container.host_config.links or ():
        name, alias = parse_link(link)
        other = find(name)
        endpoint = other.document.endpoints.get("bridge")
        if not other.state.is_running or endpoint is None or not endpoint.address:
            raise InvalidArgument(
                f"Cannot link to a non running container: /{other.name} AS /{container.name}/{alias}"
            )
        names = dict.fromkeys([alias, other.config.hostname, other.name])
        links.hosts.append(f"{endpoint.address}\t{' '.join(names)}")
        links.environment.extend(_environment(container, alias, other, endpoint.address))
    return links


def parse_link(text: str) -> tuple[str, str]:
    """`name:alias` or `name`; also as inspect shows it, `/name:/owner/alias`."""
    name, _, alias = text.partition(":")
    if not name:
        raise InvalidArgument(f"bad format for links: {text}")
    return name.removeprefix("/"), alias.rpartition("/")[2] or name.removeprefix("/")


def describe_links(container: Container) -> list[str] | None:
    """The links as inspect shows them."""
    links = [parse_link(link) for link in container.host_config.links or ()]
    return [f"/{name}:/{container.name}/{alias}" for name, alias in links] or None


def _environment(container: Container, alias: str, other: Container, address: str) -> Iterator[str]:
    prefix = alias.upper().replace("-", "_")
    ports = sorted(parse_port(port) for port in other.config.exposed_ports or ())
    for index, (number, protocol) in enumerate(ports):
        place = f"{protocol}://{address}:{number}"
        if index == 0:
            yield f"{prefix}_PORT={place}"
        port = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield f"{port}={place}"
        yield f"{port}_ADDR={address}"
        yield f"{port}_PORT={number}"
        yield f"{port}_PROTO={protocol}"
    yield f"{prefix}_NAME=/{container.name}/{alias}"
    for entry in other.config.env or ():
        name, given, value = entry.partition("=")
        if given and name not in _OTHERS_OWN:
            yield f"{prefix}_ENV_{name}={value}"
