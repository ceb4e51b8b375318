# SPDX-License-Identifier: Apache-2.0
"""The name server's sockets in one container's network namespace.

They are bound to ports that the kernel chooses, and what goes to port 53 of 127.0.0.11 is sent there by a table of
the packet filter inside the namespace: so a container may have a name server of its own on 0.0.0.0:53, as in Docker.

Holds: while they are open the namespace lives, so whoever opens them closes them when the container has ended.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.linux import nft_expressions as nft
from sampan.linux import nftables
from sampan.linux.namespace import CLONE_NEWNET, setns
from sampan.linux.netlink import Request
from sampan.network.resolv import NAME_SERVER

TABLE = "sampan-names"
PORT = 53
_CHAIN = "nat_output"
_BACKLOG = 64
_HOME = "/proc/thread-self/ns/net"


class NetworkNamespace:
    """A container's network namespace, entered for as long as a `with` lasts.

    Only for a process with one thread, and nothing may be awaited inside.
    """

    __slots__ = ("_fd",)

    def __init__(self, pid: int) -> None:
        self._fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside."""
        home = os.open(_HOME, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(self._fd, CLONE_NEWNET)
            try:
                yield
            finally:
                setns(home, CLONE_NEWNET)
        finally:
            os.close(home)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


def open_listeners() -> tuple[socket.socket, socket.socket]:
    """Return the UDP and the TCP socket of this namespace's name server, and lead queries to them."""
    udp = _bound(socket.SOCK_DGRAM)
    try:
        tcp = _bound(socket.SOCK_STREAM)
    except BaseException:
        udp.close()
        raise
    try:
        tcp.listen(_BACKLOG)
        with nftables.open_netfilter_socket() as netfilter:
            nftables.commit(netfilter, plan_redirection(udp.getsockname()[1], tcp.getsockname()[1]))
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return udp, tcp


def plan_redirection(udp_port: int, tcp_port: int) -> list[Request]:
    """Return the transaction that leads what this namespace sends to 127.0.0.11:53 to these ports of it."""
    base = nftables.BaseChain("nat", nftables.HOOK_OUTPUT, nftables.PRIORITY_DNAT)
    return [
        nftables.add_table(TABLE),
        nftables.delete_table(TABLE),
        nftables.add_table(TABLE),
        nftables.add_chain(TABLE, _CHAIN, base),
        nftables.add_rule(TABLE, _CHAIN, _redirect(socket.IPPROTO_UDP, udp_port)),
        nftables.add_rule(TABLE, _CHAIN, _redirect(socket.IPPROTO_TCP, tcp_port)),
    ]


def _redirect(protocol: int, port: int) -> list[bytes]:
    return [
        *nft.match_subnet(nft.IP_DESTINATION, NAME_SERVER, 32),
        nft.meta(nft.META_L4PROTO),
        nft.compare(bytes((protocol,))),
        nft.transport_payload(nft.TRANSPORT_DESTINATION_PORT, 2),
        nft.compare(PORT.to_bytes(2, "big")),
        nft.load(socket.inet_aton(NAME_SERVER)),
        nft.load(port.to_bytes(2, "big"), nft.WORD_REGISTER + 1),
        nft.destination_nat(),
    ]


def _bound(kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.bind((NAME_SERVER, 0))
    except BaseException:
        sock.close()
        raise
    return sock
