# SPDX-License-Identifier: Apache-2.0
"""The engine's packet filter, kept in the kernel: networks and published ports.

Holds: every change is one transaction, so that a kill at any point leaves the old rules or the new ones.
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
from sampan.linux.nftables_dump import read_elements
from sampan.network import ruleset
from sampan.network.bridge import Bridge
from sampan.network.publication import PROTOCOLS, Publication

_NO_NF_TABLES = {errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EAFNOSUPPORT}


class Firewall:
    """One table of one network namespace: that of the process which opened it. For one thread at a time."""

    __slots__ = ("_socket", "table")

    def __init__(self, table: str) -> None:
        self.table = table
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
        """Make the table exactly this; to be called before the host forwards anything (`forwarding`)."""
        self._commit(ruleset.plan_table(self.table, bridges, published))

    def set_bridges(self, bridges: Sequence[Bridge]) -> None:
        """Let the table serve these networks; published ports stay."""
        self._commit(ruleset.plan_bridges(self.table, bridges))

    def publish(self, published: Collection[Publication]) -> None:
        """Lead ports of the host, which the caller has reserved, to containers."""
        requests = ruleset.plan_publish(self.table, published)
        try:
            nftables.commit(self._socket, requests)
        except NetlinkError as error:
            if error.errno not in {errno.EEXIST, errno.EBUSY}:
                raise _explain(error) from error
            # left by a container that ended while no engine was there: its reservation is ours now
            self._commit([*self._plan_unpublish_present(published), *requests])
        self._forget_flows(published)

    def unpublish(self, published: Collection[Publication]) -> None:
        """Take published ports back; those that lead nowhere by now are no error."""
        try:
            nftables.commit(self._socket, ruleset.plan_unpublish(self.table, published))
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise _explain(error) from error
            self._commit(self._plan_unpublish_present(published))
        self._forget_flows(published)

    def remove(self) -> None:
        """Delete the table."""
        self._commit([nftables.add_table(self.table), nftables.delete_table(self.table)])

    def _plan_unpublish_present(self, published: Collection[Publication]) -> list[Request]:
        requests: list[Request] = []
        for name, elements in ruleset.map_elements(published).items():
            present = read_elements(self._socket, self.table, name) or {}
            chosen = [element for element in elements if element[0] in present]
            requests += nftables.delete_elements(self.table, name, chosen)
        return requests

    def _forget_flows(self, published: Iterable[Publication]) -> None:
        ports = {each.host.port for each in published if each.host.protocol == "udp"}
        if ports:
            forget_flows(self._socket, PROTOCOLS["udp"], ports)

    def _commit(self, requests: Sequence[Request]) -> None:
        try:
            nftables.commit(self._socket, requests)
        except OSError as error:
            raise _explain(error) from error


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
