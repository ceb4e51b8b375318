# SPDX-License-Identifier: Apache-2.0
"""What may be asked of a new network (pure).

Source: Engine API v1.51, NetworkCreate; the drivers' options and the words of refusals are Docker's.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    parse_switch,
)
from sampan.errors import InvalidArgument, NotFound, PermissionDenied, Unavailable, Unsupported
from sampan.linux.rtnetlink import MACVLAN_MODES
from sampan.network.bridge import GATEWAY_MODES, ISOLATED, NAT
from sampan.schema.network import NetworkCreate

LONGEST_INTERFACE_NAME = 15  # IFNAMSIZ less the zero byte

_REFUSED_DRIVERS = {
    "ipvlan": "containers would share a MAC address of the host",
    "overlay": "it belongs to Swarm",
}


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
        raise NotFound(f'plugin "{create.driver}" not found')
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
    if len(name.encode()) > LONGEST_INTERFACE_NAME or any(c.isspace() or c in "/:%" for c in name):
        raise InvalidArgument(
            f"invalid bridge name: {name}", hint="at most 15 characters, no / : % or spaces"
        )
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
