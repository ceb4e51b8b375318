# SPDX-License-Identifier: Apache-2.0
"""Make the host forward packets for containers, without making it a router for anybody else.

net.ipv4.ip_forward is one switch for all interfaces; so is net.ipv6.conf.all.forwarding, which is not touched before
a network has IPv6. When Sampan is the one to turn it on, the interfaces that
are there are guarded: from one of them to another nothing is forwarded, as before. (Docker sets the policy of
FORWARD to drop for this, which also stops bridges that others make later.)

A host that forwards IPv6 no longer listens to router advertisements, and would lose its own way out: interfaces that
do so are told to go on.

Holds: the guard stands before the switch is turned. It is a table of its own, for all engines of the host, and
like the switch it stays until somebody takes it away or the host is restarted.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from dataclasses import dataclass

from sampan.linux import nft_expressions as nft
from sampan.linux import nftables
from sampan.linux.netlink import NetlinkSocket, Request
from sampan.network.bridge import SetSysctl, Step
from sampan.network.endpoint import write_sysctl
from sampan.network.host import HostNetwork, read_sysctl

GUARD_TABLE = "sampan-guard"
_INTERFACES = "interfaces"
_CHAIN = "filter_forward"
_VERSIONS: dict[int, str] = {socket.AF_INET: "", socket.AF_INET6: " (IPv6)"}


@dataclass(frozen=True, slots=True)
class GuardInterfaces:
    """Keep packets from being forwarded between these interfaces."""

    names: tuple[str, ...]
    family: int = socket.AF_INET

    def describe(self) -> str:
        """Return the change in words."""
        return f"forward nothing between {', '.join(self.names)}{_VERSIONS[self.family]}"

    def apply(self, sock: NetlinkSocket) -> None:  # noqa: ARG002 - other steps need it
        """Make the change."""
        with nftables.open_netfilter_socket() as netfilter:
            nftables.commit(netfilter, nftables.of_family(self.family, plan_guard(self.names)))


@dataclass(frozen=True, slots=True)
class KeepAdvertisements:
    """Let interfaces that learn their routes from router advertisements go on with it on a host that forwards."""

    names: tuple[str, ...]

    def describe(self) -> str:
        """Return the change in words."""
        return f"go on accepting router advertisements on {', '.join(self.names)}"

    def apply(self, sock: NetlinkSocket) -> None:  # noqa: ARG002 - other steps need it
        """Make the change."""
        for name in self.names:
            setting = f"net/ipv6/conf/{name}/accept_ra"
            if read_sysctl(setting) == "1":
                write_sysctl(setting, "2")


def plan_forwarding(host: HostNetwork, bridges: Collection[str], *, ipv6: bool = False) -> list[Step]:
    """Return the steps that make the host forward for our `bridges`, if it does not forward yet."""
    if host.forwards and (host.forwards_ipv6 or not ipv6):
        return []
    own = {host.links[name].index for name in bridges if name in host.links}
    outer = tuple(
        link.name
        for link in host.links.values()
        if not link.is_loopback and link.index not in own and link.master not in own
    )
    steps: list[Step] = []
    if not host.forwards:
        steps += [GuardInterfaces(outer), SetSysctl("net.ipv4.ip_forward", "1")]
    if ipv6 and not host.forwards_ipv6:
        steps += [GuardInterfaces(outer, socket.AF_INET6), KeepAdvertisements(outer)]
        steps.append(SetSysctl("net.ipv6.conf.all.forwarding", "1"))
    return steps


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
