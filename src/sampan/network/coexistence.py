# SPDX-License-Identifier: Apache-2.0
"""Other firewalls on the host: what they would do to containers' traffic, told in advance.

A packet passes all tables, and one that drops wins. Where dockerd or a distribution's firewall has a FORWARD
policy of drop, containers do not reach the outside, nor published ports their containers. Their rules are not
ours to change, so it is said.
Not here: rules of iptables-legacy, which netlink does not show.
"""

from __future__ import annotations

import socket

from sampan.linux import nftables
from sampan.linux.nftables_dump import Chain, read_base_chains

_FAMILIES = {socket.AF_INET: "ip", 1: "inet"}  # NFPROTO_INET


def forward_warnings(own_table: str, bridge: str) -> list[str]:
    """Return a sentence for each chain of others that drops forwarded packets unless a rule accepts them."""
    with nftables.open_netfilter_socket() as sock:
        chains = read_base_chains(sock)
    return [
        explain_chain(chain, bridge)
        for chain in chains
        if chain.drops
        and chain.hook == nftables.HOOK_FORWARD
        and chain.family in _FAMILIES
        and chain.table != own_table
    ]


def explain_chain(chain: Chain, bridge: str) -> str:
    """Return what is wrong and the commands that put it right."""
    family = _FAMILIES[chain.family]
    what = f"packet filter: the chain {family} {chain.table} {chain.name} drops what it does not know"
    if (family, chain.table, chain.name) == ("ip", "filter", "FORWARD"):
        allow = f"iptables -I FORWARD -i {bridge} -j ACCEPT; iptables -I FORWARD -o {bridge} -j ACCEPT"
    else:
        insert = f"nft insert rule {family} {chain.table} {chain.name}"
        allow = f"{insert} iifname {bridge} accept; {insert} oifname {bridge} accept"
    return f"{what}: containers on {bridge} may not reach the outside, allow it with: {allow}"
