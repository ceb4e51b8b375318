# SPDX-License-Identifier: Apache-2.0
"""Sessions: clients that wait to be asked for files, secrets and log-ins while a build of theirs runs.

Implements: BuildKit's session protocol. The client says in the headers of its request who it is and which methods
it answers; it is the gRPC server of the connection that follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from sampan.buildkit.http2 import Http2
from sampan.buildkit.messages.session import (
    CREDENTIALS,
    GET_SECRET,
    CredentialsRequest,
    CredentialsResponse,
    GetSecretRequest,
    GetSecretResponse,
)
from sampan.buildkit.rpc import call_unary, open_connection
from sampan.errors import InvalidArgument, NotFound, SampanError, Unauthenticated, Unavailable, Unsupported
from sampan.registry.credentials import ANONYMOUS, Credentials

_HEADER = "X-Docker-Expose-Session-"
_WAIT_S = 5.0
HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class SessionHead:
    """What a client says of itself: `shared_key` is equal for the same folder of the same user."""

    id: str
    name: str = ""
    shared_key: str = ""
    methods: frozenset[str] = frozenset()


def read_head(headers: Mapping[str, str], methods: Sequence[str]) -> SessionHead:
    """The head in the headers of a request; `methods` are all values of the header that is there many times."""
    session_id = headers.get(f"{_HEADER}Uuid", "")
    if not session_id:
        raise InvalidArgument("session: the request has no id for it")
    return SessionHead(
        session_id,
        headers.get(f"{_HEADER}Name", ""),
        headers.get(f"{_HEADER}Sharedkey", ""),
        frozenset(method.lower() for method in methods),
    )


class Session:
    """A client that is there; every method may be called while it is."""

    def __init__(self, head: SessionHead, connection: Http2) -> None:
        self.head = head
        self.connection = connection

    def offers(self, method: str) -> bool:
        """Whether the client answers this method."""
        return method.lower() in self.head.methods

    def require(self, method: str) -> None:
        """Unsupported if it does not."""
        if not self.offers(method):
            raise Unsupported(f"session: the client does not answer {method}")

    async def get(self, name: str) -> bytes | None:
        """A secret, None if the client has none of that name."""
        if not self.offers(GET_SECRET):
            return None
        try:
            request = GetSecretRequest(name)
            return (await call_unary(self.connection, GET_SECRET, request, GetSecretResponse)).data
        except NotFound:
            return None

    async def credentials(self, registry: str) -> Credentials:
        """Who the client is to a registry."""
        if not self.offers(CREDENTIALS):
            return ANONYMOUS
        host = _HUB_HOST if registry == HUB else registry
        try:
            answer = await call_unary(
                self.connection, CREDENTIALS, CredentialsRequest(host), CredentialsResponse
            )
        except (NotFound, Unauthenticated):
            return ANONYMOUS
        if not answer.username:
            return Credentials(identity_token=answer.secret)
        return Credentials(answer.username, answer.secret)


class Sessions:
    """All clients that are there now."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._changed = asyncio.Condition()

    async def run(self, head: SessionHead, sock: socket.socket, initial: bytes) -> None:
        """Keep a client's session until it closes the connection."""
        async with open_connection(sock, initial, Http2()) as connection:
            session = Session(head, connection)
            async with self._changed:
                if head.id in self._sessions:
                    raise InvalidArgument(f"session {head.id} is there already")
                self._sessions[head.id] = session
                self._changed.notify_all()
            try:
                await connection.lost.wait()
            finally:
                del self._sessions[head.id]

    async def get(self, session_id: str) -> Session:
        """The session of that id; it may come a moment after the build that needs it."""
        async with self._changed:
            try:
                async with asyncio.timeout(_WAIT_S):
                    await self._changed.wait_for(lambda: session_id in self._sessions)
            except TimeoutError:
                raise Unavailable(f"no active session for {session_id}: the client is gone") from None
            return self._sessions[session_id]


@contextlib.asynccontextmanager
async def ended_with(session: Session | None) -> AsyncIterator[None]:
    """Cancel the block when the client of the session goes away."""
    if session is None:
        yield
        return
    task = asyncio.current_task()
    assert task is not None
    lost = False

    async def watch() -> None:
        nonlocal lost
        await session.connection.lost.wait()
        lost = True
        task.cancel()

    watching = asyncio.ensure_future(watch())
    try:
        yield
    except asyncio.CancelledError:
        if lost and task.uncancel() == 0:
            raise SampanError("the client that asked for the build is gone") from None
        raise
    finally:
        watching.cancel()
