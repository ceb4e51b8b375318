# SPDX-License-Identifier: Apache-2.0
"""``sampan port``: where a container's ports are published on the host."""

from __future__ import annotations

from sampan.cli.command import Command, between
from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json


def run(context: Context, _options: Options, arguments: list[str]) -> int:
    """Print all mappings, or the addresses of the one port that was asked for."""
    name, *asked = arguments
    container = context.engine.containers.inspect(name)
    ports = container.get("NetworkSettings", {}).get("Ports") or {}
    lines = list(iter_addresses(ports, asked[0], name) if asked else iter_mappings(ports))
    for line in lines:
        context.out.line(line)
    return 0


def iter_mappings(ports: Json) -> Iterator[str]:
    """``80/tcp -> 0.0.0.0:8080``, in the order of the ports."""
    for port in sorted(ports, key=_order):
        for binding in ports[port] or ():
            yield f"{port} -> {_address(binding)}"


def iter_addresses(ports: Json, asked: str, name: str) -> Iterator[str]:
    """``0.0.0.0:8080``; NotFound when the port is not published."""
    port = asked if "/" in asked else f"{asked}/tcp"
    if not ports.get(port):
        raise NotFound(f"No public port '{asked}' published for {name}")
    for binding in ports[port]:
        yield _address(binding)


def _order(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number), protocol


def _address(binding: Json) -> str:
    host = binding.get("HostIp", "")
    return f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"


COMMAND = Command(
    "container port",
    "port",
    run=run,
    summary="List port mappings or a specific mapping for the container",
    usage="CONTAINER [PRIVATE_PORT[/PROTO]]",
    arity=between(1, 2),
)
