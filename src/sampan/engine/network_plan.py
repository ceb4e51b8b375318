# SPDX-License-Identifier: Apache-2.0
"""From what a user asks of a new network, once it has passed the checks, to its settings (pure)."""

from __future__ import annotations

import msgspec

from sampan.engine.network_model import BRIDGE_NAME, MTU, Network, Settings
from sampan.engine.network_pools import Ground, keep_pool, plan_pool, sort_pools
from sampan.errors import InvalidArgument, NotFound, Unavailable
from sampan.schema.network import Ipam, IpamPool, NetworkCreate


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
        settings.given_pools = [keep_pool(pool) for pool in given]
        return settings
    if has_ipv6 and not ground.has_ipv6:
        raise Unavailable(
            "cannot enable IPv6: the kernel has no IPv6",
            hint="boot without ipv6.disable=1, or load the module ipv6",
        )
    by_version = sort_pools(given)
    if 6 in by_version and not has_ipv6:
        raise InvalidArgument("an IPv6 subnet needs a network with IPv6", hint="add --ipv6")
    settings.ipv4 = plan_pool(by_version.get(4), ground, 4) if has_ipv4 else None
    settings.ipv6 = plan_pool(by_version.get(6), ground, 6) if has_ipv6 else None
    return settings
