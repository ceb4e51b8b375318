# SPDX-License-Identifier: Apache-2.0
"""From what a user asks of a new network to its settings (pure).

Source: Engine API v1.51, NetworkCreate; the bridge driver's options and the words of refusals are Docker's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from sampan.engine.network_model import (
    BRIDGE_NAME,
    ICC,
    MASQUERADE,
    MTU,
    PREDEFINED,
    Settings,
    parse_switch,
)
from sampan.errors import InvalidArgument, PermissionDenied, Unsupported
from sampan.network.address import check_subnet, choose_subnet, default_gateway
from sampan.schema.network import IpamPool, NetworkCreate

GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4"
LONGEST_INTERFACE_NAME = 15  # IFNAMSIZ less the zero byte


def check_create(create: NetworkCreate) -> None:
    """Refuse what contradicts itself, and by name what is not to be had here."""
    if not create.name.strip():
        raise InvalidArgument("invalid name: name is empty")
    if create.name in PREDEFINED:
        raise PermissionDenied(f"operation is not permitted on predefined {create.name} network")
    if create.driver in ("host", "null"):
        raise PermissionDenied(f'only one instance of "{create.driver}" network is allowed')
    if create.driver not in ("", "default", "bridge"):
        raise Unsupported(f"network driver {create.driver} is not supported", hint="use the driver bridge")
    if create.ipam and create.ipam.driver not in ("", "default"):
        raise Unsupported(f"IPAM driver {create.ipam.driver} is not supported", hint="use the driver default")
    if create.scope not in ("", "local"):
        raise Unsupported(f"network scope {create.scope} is not supported", hint="networks are local")
    _refuse_unsupported(create)
    _check_options(create.options or {})


def _refuse_unsupported(create: NetworkCreate) -> None:
    refused = {
        "--ipv6": create.enable_ipv6,
        "--ipv4=false": create.enable_ipv4 is False,
        "--ingress": create.ingress,
        "--config-only": create.config_only,
        "--config-from": create.config_from and create.config_from.network,
    }
    for flag, value in refused.items():
        if value:
            raise Unsupported(f"{flag} is not supported for networks")


def _check_options(options: dict[str, str]) -> None:
    name = options.get(BRIDGE_NAME, "")
    if len(name.encode()) > LONGEST_INTERFACE_NAME or any(c.isspace() or c in "/:" for c in name):
        raise InvalidArgument(f"invalid bridge name: {name}", hint="at most 15 characters, no / : or spaces")
    mtu = options.get(MTU, "0")
    if not mtu.isdigit() or not (mtu == "0" or 68 <= int(mtu) <= 65535):
        raise InvalidArgument(f"invalid MTU: {mtu}")
    for switch in (ICC, MASQUERADE):
        value = options.get(switch, "true")
        if not parse_switch(value) and value not in ("0", "f", "F", "false", "FALSE", "False"):
            raise InvalidArgument(f'invalid value for {switch}: strconv.ParseBool: parsing "{value}"')
    mode = options.get(GATEWAY_MODE, "nat")
    if mode not in ("", "nat"):
        raise Unsupported(f"{GATEWAY_MODE}={mode} is not supported", hint="the only mode is nat")


def plan_settings(
    create: NetworkCreate,
    *,
    bridge: str,
    mtu: int,
    own: Collection[IPv4Network],
    taken: Collection[IPv4Network],
) -> Settings:
    """The settings of a new network; `own` are this engine's subnets, `taken` those that the host knows.

    `bridge` and `mtu` are for a network that names neither.
    """
    options = create.options or {}
    ipam = create.ipam
    pool = _only_pool(ipam.config or () if ipam else ())
    subnet = _plan_subnet(pool, own, taken)
    gateway = parse_member(pool.gateway, subnet, "gateway") if pool.gateway else default_gateway(subnet)
    return Settings(
        driver="bridge",
        subnet=str(subnet),
        gateway=str(gateway),
        ip_range=str(_parse_range(pool.ip_range, subnet)) if pool.ip_range else "",
        reserved={
            name: str(parse_member(address, subnet, "auxiliary address"))
            for name, address in (pool.auxiliary_addresses or {}).items()
        },
        is_subnet_given=bool(pool.subnet),
        is_gateway_given=bool(pool.gateway),
        internal=create.internal,
        attachable=create.attachable,
        bridge=options.get(BRIDGE_NAME) or bridge,
        mtu=int(options.get(MTU, "0")) or mtu,
        options=dict(options),
        labels=dict(create.labels or {}),
        ipam_options=ipam.options if ipam else None,
    )


def _only_pool(pools: Sequence[IpamPool]) -> IpamPool:
    if any(":" in pool.subnet for pool in pools):
        raise Unsupported("IPv6 subnets are not supported for networks")
    if len(pools) > 1:
        raise PermissionDenied("bridge driver doesn't support multiple subnets")
    return pools[0] if pools else IpamPool()


def _plan_subnet(pool: IpamPool, own: Collection[IPv4Network], taken: Collection[IPv4Network]) -> IPv4Network:
    if not pool.subnet:
        if pool.gateway or pool.ip_range:
            raise InvalidArgument("invalid network config: a gateway or an IP range needs a subnet")
        return choose_subnet([*own, *taken])
    subnet = parse_subnet(pool.subnet, "subnet")
    check_subnet(subnet, own)
    return subnet


def parse_subnet(text: str, what: str) -> IPv4Network:
    """An IPv4 subnet in CIDR form without host bits."""
    try:
        subnet = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise InvalidArgument(f"invalid {what} {text}: invalid CIDR block notation") from None
    if str(subnet) != text:
        raise InvalidArgument(f"invalid {what} {text}: it should be {subnet}")
    return subnet


def _parse_range(text: str, subnet: IPv4Network) -> IPv4Network:
    addresses = parse_subnet(text, "ip-range")
    if not addresses.subnet_of(subnet):
        raise InvalidArgument(f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range")
    return addresses


def parse_member(text: str, subnet: IPv4Network, what: str) -> IPv4Address:
    """An address that lies in the subnet."""
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise InvalidArgument(f"invalid {what} {text}: invalid address") from None
    if address not in subnet:
        raise InvalidArgument(f"invalid {what} {text}: parent subnet {subnet} doesn't contain this address")
    return address
