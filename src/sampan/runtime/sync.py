# SPDX-License-Identifier: Apache-2.0
"""The handshake between the process that makes a container and the container's first process.

Messages are JSON objects with a "type" on a SOCK_SEQPACKET pair, descriptors beside them. Both ends close on
exec, which is how the parent learns that the program runs: the end of the conversation without "failed".

    parent (create, start)                      child (init)
    ──────────────────────                      ────────────
    clone3 ──────────────────────────────────►  joins its cgroups
    writes uid_map, gid_map
    "mapped" ────────────────────────────────►  becomes root of the user namespace   [user namespace only]
                                                mounts, devices, masks
             ◄──────────────────────────────── "hooks"                    [prestart, createRuntime hooks only]
    runs them
    "continue" ──────────────────────────────►  createContainer hooks, pivot_root
             ◄──────────────────────────────── "ready" (+ the terminal's master side)
    sets rlimits, oom_score_adj
    ─── create() returns; the container is "created" ───
    "start" ─────────────────────────────────►  startContainer hooks, user, seccomp, capabilities, execve
             ◄──────────────────────────────── end of file: the program runs
                                                or "failed", at any point: no program, the child has gone
    poststart hooks

For `sampan-runtime`, where create and start are two processes, the child is given a listening socket: it
closes the pair after "ready", and "start" arrives on the connection it accepts there.

An exec is the same with fewer lines: "ready" after the namespaces are joined, "start" at once.
"""

from __future__ import annotations

import json
import os
import socket

from sampan.linux.socket import recv_fds, send_fds
from sampan.runtime.failure import SetupFailed, decode_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MAX_MESSAGE = 65536


class Channel:
    """One end of the conversation."""

    __slots__ = ("sock",)

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, kind: str, fds: Sequence[int] = (), /, **fields: Any) -> None:
        """Send one message."""
        send_fds(self.sock, json.dumps({"type": kind, **fields}).encode()[:_MAX_MESSAGE], fds)

    def receive(self) -> tuple[str, dict[str, Any], list[int]]:
        """Return the next message's type, fields and descriptors; the type is "" at the end."""
        try:
            data, fds = recv_fds(self.sock, _MAX_MESSAGE)
        except ConnectionResetError:  # the other end died with our message unread
            return "", {}, []
        fields = json.loads(data) if data else {"type": ""}
        return fields["type"], fields, fds

    def expect(self, kind: str) -> list[int]:
        """Return the descriptors of the next message, if it is of that kind; raise what it failed with."""
        got, fields, fds = self.receive()
        if got == kind:
            return fds
        for fd in fds:
            os.close(fd)
        if got == "failed":
            raise decode_failure(fields)
        raise SetupFailed(f"container process ended before it was {kind or 'running'}", stage="handshake")

    def close(self) -> None:
        """End the conversation."""
        self.sock.close()
