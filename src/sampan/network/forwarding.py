# SPDX-License-Identifier: Apache-2.0
"""Make the host forward packets for containers, without making it a router for anybody else.

net.ipv4.ip_forward is one switch for all interfaces. When Sampan is the one to turn it on, the interfaces that
are there are guarded: from one of them to another nothing is forwarded, as before. (Docker sets the policy of
FORWARD to drop for this, which also stops bridges that others make later.)

Holds: the guard stands before the switch is turned. It is a table of its own, for all engines of the host, and
like the switch it stays until somebody takes it away or the host is restarted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sampan.linux import nft_expressions as nft
from sampan.linux import nftables
from sampan.linux.netlink import NetlinkSocket, Request
from sampan.network.bridge import SetSysctl, Step
from sampan.network.host import HostNetwork

GUARD_TABLE = "sampan-guard"
_INTERFACES = "interfaces"
_CHAIN = "filter_forward"


@dataclass(frozen=True, slots=True)
class GuardInterfaces:
    """Keep packets from being forwarded between these interfaces."""

    names: tuple[str, ...]

    def describe(self) -> str:
        """Return the change in words."""
        return f"forward nothing between {', '.join(self.names)}"

    def apply(self, sock: NetlinkSocket) -> None:  # noqa: ARG002 - other steps need it
        """Make the change."""
        with nftables.open_netfilter_socket() as netfilter:
            nftables.commit(netfilter, plan_guard(self.names))


def plan_forwarding(host: HostNetwork, bridges: Collection[str]) -> list[Step]:
    """Return the steps that make the host forward for our `bridges`, if it does not forward yet."""
    if host.forwards:
        return []
    own = {host.links[name].index for name in bridges if name in host.links}
    outer = tuple(
        link.name
        for link in host.links.values()
        if not link.is_loopback and link.index not in own and link.master not in own
    )
    return [GuardInterfaces(outer), SetSysctl("net.ipv4.ip_forward", "1")]


def plan_guard(names: Collection[str]) -> list[Request]:
    """Return the transaction that makes the guard's table."""
    base = nftables.BaseChain("filter", nftables.HOOK_FORWARD, nftables.PRIORITY_FILTER)
    rule = [
        *nft.match_interface_set(nft.META_IIFNAME, _INTERFACES),
        *nft.match_interface_set(nft.META_OIFNAME, _INTERFACES),
        nft.counter(),
        nft.drop(),
    ]
    return [
        nftables.add_table(GUARD_TABLE),
        nftables.delete_table(GUARD_TABLE),
        nftables.add_table(GUARD_TABLE),
        nftables.add_set(GUARD_TABLE, _INTERFACES, 1, (nftables.TYPE_IFNAME,)),
        *nftables.add_elements(GUARD_TABLE, _INTERFACES, [(nft.interface_name(name), b"") for name in names]),
        nftables.add_chain(GUARD_TABLE, _CHAIN, base),
        nftables.add_rule(GUARD_TABLE, _CHAIN, rule),
    ]
