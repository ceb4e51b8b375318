# SPDX-License-Identifier: Apache-2.0
"""The engine's packet filter, kept in the kernel: networks and published ports.

A table for IPv4, and one for IPv6 as long as a network has that.

Holds: every change of a table is one transaction, so that a kill at any point leaves the old rules or the new ones.
The table outlives the engine, as containers do; `reconcile` puts it right when the next one starts.
Not here: which rules there are (ruleset), holding the host's ports (ports).
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from typing import Self

from sampan.errors import Internal, PermissionDenied, SampanError, Unsupported
from sampan.linux import nftables
from sampan.linux.conntrack import forget_flows
from sampan.linux.netlink import NetlinkError, Request
from sampan.linux.nftables_dump import read_base_chains, read_elements
from sampan.network import ruleset
from sampan.network.bridge import Bridge
from sampan.network.publication import PROTOCOLS, Publication
from sampan.network.ruleset import FAMILIES, IPV4, IPV6, Family

_NO_NF_TABLES = {errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EAFNOSUPPORT}


class Firewall:
    """The tables of one network namespace: that of the process which opened it. For one thread at a time."""

    __slots__ = ("_has_ipv6", "_socket", "table")

    def __init__(self, table: str) -> None:
        self.table = table
        self._has_ipv6 = False
        try:
            self._socket = nftables.open_netfilter_socket()
        except OSError as error:
            raise _explain(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; the rules stay."""
        self._socket.close()

    def reconcile(self, bridges: Sequence[Bridge], published: Collection[Publication]) -> None:
        """Make the tables exactly this; to be called before the host forwards anything (`forwarding`)."""
        self._has_ipv6 = self._find_ipv6()
        self._commit(ruleset.plan_table(self.table, bridges, _of(IPV4, published)))
        if any(bridge.subnet6 for bridge in bridges):
            self._commit(ruleset.plan_table(self.table, bridges, _of(IPV6, published), IPV6))
            self._has_ipv6 = True
        else:
            self._remove_ipv6()

    def set_bridges(self, bridges: Sequence[Bridge]) -> None:
        """Let the tables serve these networks; published ports stay."""
        self._commit(ruleset.plan_bridges(self.table, bridges))
        if not any(bridge.subnet6 for bridge in bridges):
            self._remove_ipv6()
        elif self._has_ipv6:
            self._commit(ruleset.plan_bridges(self.table, bridges, IPV6))
        else:
            self._commit(ruleset.plan_table(self.table, bridges, (), IPV6))
            self._has_ipv6 = True

    def _find_ipv6(self) -> bool:
        """Whether a former engine left a table for IPv6."""
        chains = read_base_chains(self._socket)
        return any((chain.family, chain.table) == (IPV6.number, self.table) for chain in chains)

    def _remove_ipv6(self) -> None:
        if self._has_ipv6:
            self._commit(ruleset.plan_removal(self.table, IPV6))
            self._has_ipv6 = False

    def publish(self, published: Collection[Publication]) -> None:
        """Lead ports of the host, which the caller has reserved, to containers."""
        for family in FAMILIES:
            if chosen := _of(family, published):
                self._publish(chosen, family)

    def _publish(self, published: Collection[Publication], family: Family) -> None:
        requests = ruleset.plan_publish(self.table, published, family)
        try:
            nftables.commit(self._socket, requests)
        except NetlinkError as error:
            if error.errno not in {errno.EEXIST, errno.EBUSY}:
                raise _explain(error) from error
            # left by a container that ended while no engine was there: its reservation is ours now
            self._commit([*self._plan_unpublish_present(published, family), *requests])
        self._forget_flows(published, family)

    def unpublish(self, published: Collection[Publication]) -> None:
        """Take published ports back; those that lead nowhere by now are no error."""
        for family in FAMILIES:
            if (family is IPV4 or self._has_ipv6) and (chosen := _of(family, published)):
                self._unpublish(chosen, family)

    def _unpublish(self, published: Collection[Publication], family: Family) -> None:
        try:
            nftables.commit(self._socket, ruleset.plan_unpublish(self.table, published, family))
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise _explain(error) from error
            self._commit(self._plan_unpublish_present(published, family))
        self._forget_flows(published, family)

    def remove(self) -> None:
        """Delete the tables."""
        self._commit(ruleset.plan_removal(self.table))
        self._remove_ipv6()

    def _plan_unpublish_present(self, published: Collection[Publication], family: Family) -> list[Request]:
        requests: list[Request] = []
        for name, elements in ruleset.map_elements(published).items():
            present = read_elements(self._socket, self.table, name, family.number) or {}
            chosen = [element for element in elements if element[0] in present]
            requests += nftables.delete_elements(self.table, name, chosen)
        return nftables.of_family(family.number, requests)

    def _forget_flows(self, published: Iterable[Publication], family: Family) -> None:
        ports = {each.host.port for each in published if each.host.protocol == "udp"}
        if ports:
            forget_flows(self._socket, PROTOCOLS["udp"], ports, family.number)

    def _commit(self, requests: Sequence[Request]) -> None:
        try:
            nftables.commit(self._socket, requests)
        except OSError as error:
            raise _explain(error) from error


def _of(family: Family, published: Iterable[Publication]) -> list[Publication]:
    """Those that this family's table leads somewhere."""
    return [each for each in published if each.is_translated and each.address.version == family.version]


def _explain(error: OSError) -> SampanError:
    if error.errno in _NO_NF_TABLES:
        return Unsupported(
            "packet filter: this kernel has no nf_tables",
            hint="load the modules nf_tables and nft_nat, or run containers with --network host or none",
        )
    if error.errno == errno.EPERM:
        return PermissionDenied("packet filter: changing it needs the capability CAP_NET_ADMIN")
    hint = "restart the engine to restore its table" if error.errno == errno.ENOENT else None
    return Internal(f"packet filter: {error}", hint=hint)
