# SPDX-License-Identifier: Apache-2.0
"""The PORTS column of ``ps``: neighbouring ports that map to themselves are shown as ranges.

Follows docker's `formatter.DisplayablePorts`, its sort order and its quirks included.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.client.jsontext import Json


def format_ports(ports: Iterable[Json]) -> str:
    """``0.0.0.0:8000-8002->8000-8002/tcp, 443/tcp``."""
    finished: list[str] = []
    mapped: list[str] = []
    open_ranges: dict[tuple[str, str], tuple[int, int]] = {}
    for port in sorted(ports, key=_order):
        private, address = port["PrivatePort"], port.get("IP", "")
        if address and port.get("PublicPort", 0) != private:
            host = _join(address, port.get("PublicPort", 0))
            mapped.append(f"{host}->{private}/{port['Type']}")
            continue
        key = (address, port["Type"])
        first, last = open_ranges.get(key, (private, private))
        if private not in (last, last + 1) or (private == last and key in open_ranges):
            finished.append(_format_range(key, first, last))
            first = private
        open_ranges[key] = (first, private)
    finished.extend(_format_range(key, first, last) for key, (first, last) in open_ranges.items())
    return ", ".join(finished + mapped)


def _order(port: Json) -> tuple[int, str, int, str]:
    return port["PrivatePort"], port.get("IP", ""), port.get("PublicPort", 0), port["Type"]


def _format_range(key: tuple[str, str], first: int, last: int) -> str:
    address, protocol = key
    group = str(first) if first == last else f"{first}-{last}"
    return f"{_join(address, group)}->{group}/{protocol}" if address else f"{group}/{protocol}"


def _join(address: str, port: object) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
