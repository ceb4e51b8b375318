# SPDX-License-Identifier: Apache-2.0
"""From what a user asks of a new network to its settings (pure).

Source: Engine API v1.51, NetworkCreate; the bridge driver's options and the words of refusals are Docker's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import msgspec

from sampan.engine.network_model import (
    BRIDGE_NAME,
    GATEWAY_MODE,
    ICC,
    INHIBIT_IPV4,
    MACVLAN_MODE,
    MASQUERADE,
    MTU,
    PARENT,
    PREDEFINED,
    Network,
    Pool,
    Settings,
    parse_switch,
)
from sampan.errors import InvalidArgument, NotFound, PermissionDenied, Unavailable, Unsupported
from sampan.linux.rtnetlink import MACVLAN_MODES
from sampan.network.address import (
    Address,
    Subnet,
    check_subnet,
    choose_subnet,
    choose_unique_local,
    default_gateway,
)
from sampan.network.bridge import GATEWAY_MODES, ISOLATED, NAT
from sampan.schema.network import Ipam, IpamPool, NetworkCreate

LONGEST_INTERFACE_NAME = 15  # IFNAMSIZ less the zero byte

_REFUSED_DRIVERS = {
    "ipvlan": "containers would share a MAC address of the host",
    "overlay": "it belongs to Swarm",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """What a network is planned on: `own` are this engine's subnets, `taken` those that the host knows.

    `bridge` and `mtu` are for a network that names neither; unique local subnets come of the engine's `identity`.
    """

    bridge: str
    mtu: int
    own: Collection[Subnet]
    taken: Collection[Subnet]
    has_ipv6: bool
    identity: str

    @classmethod
    def bare(cls) -> Ground:
        """For a configuration that others are made from."""
        return cls("", 0, (), (), has_ipv6=True, identity="")


def check_create(create: NetworkCreate) -> None:
    """Refuse what contradicts itself, and by name what is not to be had here."""
    if not create.name.strip():
        raise InvalidArgument("invalid name: name is empty")
    if create.name in PREDEFINED:
        raise PermissionDenied(f"operation is not permitted on predefined {create.name} network")
    if create.driver in ("host", "null"):
        raise PermissionDenied(f'only one instance of "{create.driver}" network is allowed')
    if reason := _REFUSED_DRIVERS.get(create.driver):
        raise Unsupported(
            f"network driver {create.driver} is not supported: {reason}",
            hint="use the driver bridge or macvlan",
        )
    if create.driver not in ("", "default", "bridge", "macvlan"):
        raise NotFound(
            f'could not find plugin {create.driver} in v1 plugin registry: plugin "{create.driver}" not found'
        )
    if create.ipam and create.ipam.driver not in ("", "default"):
        raise Unsupported(f"IPAM driver {create.ipam.driver} is not supported", hint="use the driver default")
    _check_scope(create)
    _check_config(create)
    if not (create.config_from and create.config_from.network):
        check_options(create)


def check_options(create: NetworkCreate) -> None:
    """Refuse options that the driver does not know what to do with; also those that come from a configuration."""
    _check_mtu(create.options or {})
    if create.driver == "macvlan":
        _check_macvlan(create)
    else:
        _check_bridge(create)


def _check_macvlan(create: NetworkCreate) -> None:
    options = create.options or {}
    mode = options.get(MACVLAN_MODE) or "bridge"
    if mode not in MACVLAN_MODES:
        raise InvalidArgument(
            f"requested macvlan mode '{mode}' is not valid, 'bridge' mode is the macvlan driver default"
        )
    if not options.get(PARENT) and not create.config_only:
        raise InvalidArgument(
            "a macvlan network needs an interface of the host", hint="name it with -o parent=eth0"
        )


def _check_scope(create: NetworkCreate) -> None:
    if create.scope == "swarm" or create.ingress:
        raise Unavailable(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this '
            "node to swarm and try again."
        )
    if create.scope not in ("", "local"):
        raise Unsupported(f"network scope {create.scope} is not supported", hint="networks are local")


def _check_config(create: NetworkCreate) -> None:
    """Source: libnetwork's validateConfiguration."""
    is_from = bool(create.config_from and create.config_from.network)
    if create.config_only and (create.internal or create.attachable or create.scope):
        raise PermissionDenied(
            "configuration network can only contain network specific fields. Network operator fields like "
            "[ ingress | internal | attachable | scope ] are not supported."
        )
    if create.config_only and is_from:
        raise PermissionDenied("a configuration network cannot depend on another configuration network")
    has_pools = create.ipam is not None and bool(create.ipam.config or create.ipam.options)
    if is_from and (has_pools or create.enable_ipv4 is False or create.enable_ipv6 or create.labels):
        raise PermissionDenied(
            "user specified configurations are not supported if the network depends on a configuration network"
        )
    if is_from and create.options:
        raise PermissionDenied(
            "network driver options are not supported if the network depends on a configuration network"
        )
    if create.enable_ipv4 is False and not create.enable_ipv6:
        raise InvalidArgument("IPv4 or IPv6 must be enabled")


def _check_bridge(create: NetworkCreate) -> None:
    options = create.options or {}
    name = options.get(BRIDGE_NAME, "")
    if len(name.encode()) > LONGEST_INTERFACE_NAME or any(c.isspace() or c in "/:" for c in name):
        raise InvalidArgument(f"invalid bridge name: {name}", hint="at most 15 characters, no / : or spaces")
    for switch in (ICC, MASQUERADE, INHIBIT_IPV4):
        value = options.get(switch, "true")
        if not parse_switch(value) and value not in ("0", "f", "F", "false", "FALSE", "False"):
            raise InvalidArgument(f'invalid value for {switch}: strconv.ParseBool: parsing "{value}"')
    for option in GATEWAY_MODE.values():
        mode = options.get(option) or NAT
        if mode not in GATEWAY_MODES:
            raise InvalidArgument(f"unknown gateway mode {mode}", hint=f"one of {', '.join(GATEWAY_MODES)}")
        if mode == ISOLATED and not create.internal:
            raise InvalidArgument("gateway mode 'isolated' can only be used for an internal network")


def _check_mtu(options: Mapping[str, str]) -> None:
    mtu = options.get(MTU, "0")
    if not mtu.isdigit() or not (mtu == "0" or 68 <= int(mtu) <= 65535):
        raise InvalidArgument(f"invalid MTU: {mtu}")


def apply_config(create: NetworkCreate, config: Network | None) -> NetworkCreate:
    """What is asked of a network that takes its configuration from another, `--config-from`."""
    assert create.config_from is not None
    name = create.config_from.network
    if config is None or not config.settings.config_only:
        raise NotFound(f'configuration network "{name}" does not exist')
    settings = config.settings
    pools = [
        IpamPool(pool.subnet, pool.ip_range, pool.gateway, pool.reserved)
        for pool in settings.given_pools or ()
    ]
    return msgspec.structs.replace(
        create,
        ipam=Ipam(settings.ipam_driver, pools, settings.ipam_options),
        enable_ipv4=settings.has_ipv4,
        enable_ipv6=settings.has_ipv6,
        options=settings.options,
        labels=settings.labels,
    )


def plan_settings(create: NetworkCreate, ground: Ground) -> Settings:
    """The settings of a new network."""
    options, ipam = create.options or {}, create.ipam
    given = list(ipam.config or ()) if ipam else []
    has_ipv4, has_ipv6 = create.enable_ipv4 is not False, bool(create.enable_ipv6)
    settings = Settings(
        driver="macvlan" if create.driver == "macvlan" else "bridge",
        internal=create.internal,
        attachable=create.attachable,
        bridge=options.get(BRIDGE_NAME) or ground.bridge,
        mtu=int(options.get(MTU, "0")) or ground.mtu,
        options=dict(options),
        labels=dict(create.labels or {}),
        ipam_options=ipam.options if ipam else None,
        config_only=create.config_only,
        config_from=create.config_from.network if create.config_from else "",
        has_ipv4=has_ipv4,
        has_ipv6=has_ipv6,
    )
    if create.config_only:
        settings.given_pools = [_keep_pool(pool) for pool in given]
        return settings
    if has_ipv6 and not ground.has_ipv6:
        raise Unavailable(
            "cannot enable IPv6: the kernel has no IPv6",
            hint="boot without ipv6.disable=1, or load the module ipv6",
        )
    by_version = _sort_pools(given)
    if 6 in by_version and not has_ipv6:
        raise InvalidArgument("an IPv6 subnet needs a network with IPv6", hint="add --ipv6")
    settings.ipv4 = _plan_pool(by_version.get(4), ground, 4) if has_ipv4 else None
    settings.ipv6 = _plan_pool(by_version.get(6), ground, 6) if has_ipv6 else None
    return settings


def _sort_pools(pools: Sequence[IpamPool]) -> Mapping[int, IpamPool]:
    """The pools by their version of IP; the driver takes one of each."""
    chosen: dict[int, IpamPool] = {}
    for pool in pools:
        version = 6 if ":" in pool.subnet or ":" in pool.gateway or ":" in pool.ip_range else 4
        if version in chosen:
            raise PermissionDenied("bridge driver doesn't support multiple subnets")
        chosen[version] = pool
    return chosen


def _keep_pool(pool: IpamPool) -> Pool:
    """A pool of a configuration: as it was written."""
    if pool.subnet:
        parse_subnet(pool.subnet, "subnet")
    return Pool(
        pool.subnet, pool.gateway, pool.ip_range, dict(pool.auxiliary_addresses or {}), bool(pool.subnet)
    )


def _plan_pool(pool: IpamPool | None, ground: Ground, version: int) -> Pool:
    pool = pool or IpamPool()
    subnet = _plan_subnet(pool, ground, version)
    gateway = parse_member(pool.gateway, subnet, "gateway") if pool.gateway else default_gateway(subnet)
    return Pool(
        subnet=str(subnet),
        gateway=str(gateway),
        ip_range=str(_parse_range(pool.ip_range, subnet)) if pool.ip_range else "",
        reserved={
            name: str(parse_member(address, subnet, "auxiliary address"))
            for name, address in (pool.auxiliary_addresses or {}).items()
        },
        is_subnet_given=bool(pool.subnet),
        is_gateway_given=bool(pool.gateway),
    )


def _plan_subnet(pool: IpamPool, ground: Ground, version: int) -> Subnet:
    if not pool.subnet:
        if pool.gateway or pool.ip_range:
            raise InvalidArgument("invalid network config: a gateway or an IP range needs a subnet")
        taken = [*ground.own, *ground.taken]
        return choose_subnet(taken) if version == 4 else choose_unique_local(ground.identity, taken)
    subnet = parse_subnet(pool.subnet, "subnet")
    check_subnet(subnet, ground.own)
    return subnet


def parse_subnet(text: str, what: str) -> Subnet:
    """A subnet in CIDR form without host bits."""
    try:
        subnet = ip_network(text, strict=False)
    except ValueError:
        raise InvalidArgument(f"invalid {what} {text}: invalid CIDR block notation") from None
    if subnet.version == 6 and subnet.network_address == ip_address(text.partition("/")[0]) and "/" in text:
        return subnet  # it may be written in several ways
    if str(subnet) != text:
        raise InvalidArgument(f"invalid {what} {text}: it should be {subnet}")
    return subnet


def _parse_range(text: str, subnet: Subnet) -> Subnet:
    addresses = parse_subnet(text, "ip-range")
    if addresses.version != subnet.version or not (
        addresses.network_address in subnet and addresses.broadcast_address in subnet
    ):
        raise InvalidArgument(f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range")
    return addresses


def parse_member(text: str, subnet: Subnet, what: str) -> Address:
    """An address that lies in the subnet."""
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidArgument(f"invalid {what} {text}: invalid address") from None
    if address not in subnet:
        raise InvalidArgument(f"invalid {what} {text}: parent subnet {subnet} doesn't contain this address")
    return address
