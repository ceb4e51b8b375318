# SPDX-License-Identifier: Apache-2.0
"""``sampan network create``: subnets, gateways and ranges become the engine's IPAM configuration."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from sampan.cli.command import Command, exactly
from sampan.cli.flags import several, switch, text
from sampan.cli.wording import split_pairs
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.jsontext import Json


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Create one and print its id."""
    created = context.engine.networks.create(plan_network(options, arguments[0]))
    if created.get("Warning"):
        context.out.warn(created["Warning"])
    context.out.line(created["Id"])
    return 0


def plan_network(options: Options, name: str) -> Json:
    """The document that creates this network."""
    body: Json = {
        "Name": name,
        "Driver": options.text("driver"),
        "Scope": options.text("scope"),
        "Internal": options.switch("internal"),
        "Attachable": options.switch("attachable"),
        "Ingress": options.switch("ingress"),
        "ConfigOnly": options.switch("config-only"),
        "Options": split_pairs(options.several("opt")),
        "Labels": split_pairs(options.several("label")),
        "IPAM": {
            "Driver": options.text("ipam-driver"),
            "Options": split_pairs(options.several("ipam-opt")),
            "Config": plan_pools(
                options.several("subnet"),
                options.several("ip-range"),
                options.several("gateway"),
                split_pairs(options.several("aux-address")),
            ),
        },
    }
    if options.text("config-from"):
        body["ConfigFrom"] = {"Network": options.text("config-from")}
    for flag, field in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if options.given(flag):
            body[field] = options.switch(flag)
    return body


def plan_pools(
    subnets: Sequence[str], ranges: Sequence[str], gateways: Sequence[str], aux: dict[str, str]
) -> list[Json]:
    """One entry a subnet, with the ranges, gateways and reserved addresses that lie in it."""
    if len(subnets) < len(ranges) or len(subnets) < len(gateways):
        raise InvalidArgument("every ip-range or gateway must have a corresponding subnet")
    pools: dict[str, Json] = {}
    for subnet in subnets:
        if any(_overlap(subnet, other) for other in pools):
            raise InvalidArgument("multiple overlapping subnet configuration is not supported")
        pools[subnet] = {"Subnet": subnet}
    for word in ranges:
        _pool_of(pools, word, "range")["IPRange"] = word
    for word in gateways:
        _pool_of(pools, word, "gateway")["Gateway"] = word
    for name, word in aux.items():
        _pool_of(pools, word, "aux-address").setdefault("AuxiliaryAddresses", {})[name] = word
    return list(pools.values())


def _pool_of(pools: dict[str, Json], word: str, what: str) -> Json:
    for subnet, pool in pools.items():
        if _contains(subnet, word):
            return pool
    raise InvalidArgument(f"no matching subnet for {what} {word}")


def _contains(subnet: str, word: str) -> bool:
    try:
        return ip_address(word.partition("/")[0]) in ip_network(subnet, strict=False)
    except ValueError as error:
        raise InvalidArgument(f"invalid address: {error}") from error


def _overlap(one: str, other: str) -> bool:
    try:
        return ip_network(one, strict=False).overlaps(ip_network(other, strict=False))
    except ValueError as error:
        raise InvalidArgument(f"invalid subnet: {error}") from error


COMMAND = Command(
    "network create",
    run=run,
    summary="Create a network",
    usage="[OPTIONS] NETWORK",
    arity=exactly(1),
    flags=(
        switch("attachable", "Enable manual container attachment"),
        several(
            "aux-address",
            "Auxiliary IPv4 or IPv6 addresses used by Network driver",
            shows="map",
            shows_default="map[]",
        ),
        text("config-from", "The network from which to copy the configuration"),
        switch("config-only", "Create a configuration only network"),
        text("driver", "Driver to manage the Network", short="d", default="bridge"),
        several("gateway", "IPv4 or IPv6 Gateway for the master subnet", commas=True),
        switch("ingress", "Create swarm routing-mesh network"),
        switch("internal", "Restrict external access to the network"),
        several("ip-range", "Allocate container ip from a sub-range", commas=True),
        text("ipam-driver", "IP Address Management Driver", default="default"),
        several("ipam-opt", "Set IPAM driver specific options", shows="map", shows_default="map[]"),
        switch("ipv4", "Enable or disable IPv4 address assignment", default=True),
        switch("ipv6", "Enable or disable IPv6 address assignment"),
        several("label", "Set metadata on a network"),
        several("opt", "Set driver specific options", short="o", shows="map", shows_default="map[]"),
        text("scope", "Control the network's scope"),
        several("subnet", "Subnet in CIDR format that represents a network segment", commas=True),
    ),
)
