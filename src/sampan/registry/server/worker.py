# SPDX-License-Identifier: Apache-2.0
"""One worker process: an event loop, threads for the disk, and a listening socket that it was given."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sampan import log
from sampan.errors import InvalidArgument
from sampan.registry.server.access.gate import KeptGate
from sampan.registry.server.access.htpasswd import PasswordFile
from sampan.registry.server.access.principal import Gate, OpenGate
from sampan.registry.server.access.rules import Rules
from sampan.registry.server.access.tokens import (
    Issuer,
    Tokens,
    ensure_private_key,
    load_private_key,
    load_public_key,
)
from sampan.registry.server.access_log import AccessLog
from sampan.registry.server.connections import Connections
from sampan.registry.server.protocol.call import Limits, Service
from sampan.registry.server.protocol.dispatch import respond
from sampan.registry.server.storage.quota import Quotas
from sampan.registry.server.storage.store import Store
from sampan.registry.server.telemetry import Telemetry
from sampan.registry.server.upkeep import Upkeep, run_for_ever
from sampan.registry.server.upstream import CacheRule, Upstreams
from sampan.registry.settings import Settings

_THREADS = 16
_BACKLOG = 1024
_LAST_REQUESTS_S = 10.0
WORKER_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its chain, and its key: PEM files."""

    chain: str
    key: str

    def load(self) -> ssl.SSLContext:
        """As the files are now."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as error:
            raise InvalidArgument(f"TLS certificate {self.chain}: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """The token server: `key` is made below the root if it is not named; `accepted` are names and files of keys."""

    service: str = "registry"
    issuer: str = "sampan"
    realm: str = ""
    key: str = ""
    lifetime_s: float = 300.0
    accepted: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is set about a registry."""

    root: str
    limits: Limits = field(default_factory=Limits)
    certificate: Certificate | None = None
    htpasswd: str = ""
    tokens: TokenPlan | None = None
    rules: Rules = field(default_factory=Rules)
    quotas: Quotas = field(default_factory=Quotas)
    upkeep: Upkeep = field(default_factory=Upkeep)
    caches: Sequence[CacheRule] = ()
    upstream_settings: Settings = field(default_factory=Settings)
    access_log: str | None = None
    """A path; standard error, if it is empty; None: no log."""
    has_pages: bool = True
    has_metrics: bool = True


def open_gate(plan: Plan) -> Gate:
    """Who is told apart, and how; a file that is wrong is refused now."""
    if not plan.htpasswd and plan.tokens is None:
        return OpenGate()
    passwords = PasswordFile(plan.htpasswd) if plan.htpasswd else None
    tokens = _open_tokens(plan.tokens, plan.root) if plan.tokens else None
    return KeptGate(passwords, plan.rules, tokens, plan.tokens.realm if plan.tokens else "")


def run_worker(plan: Plan, listener: socket.socket, telemetry: Telemetry) -> None:
    """Serve until SIGTERM; requests in progress are answered."""
    log.set_up()
    asyncio.run(_serve(plan, listener, telemetry))


async def _serve(plan: Plan, listener: socket.socket, telemetry: Telemetry) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in WORKER_SIGNALS:
        loop.add_signal_handler(number, ended.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WORKER_SIGNALS)  # who forked us has blocked them
    store = Store(plan.root, plan.quotas)
    upstreams = Upstreams(plan.caches, plan.upstream_settings, telemetry)
    access_log = AccessLog(plan.access_log) if plan.access_log is not None else None
    with ThreadPoolExecutor(_THREADS, "disk") as threads, ThreadPoolExecutor(_THREADS, "send") as senders:
        service = Service(
            store,
            open_gate(plan),
            threads,
            senders,
            telemetry,
            upstreams,
            plan.limits,
            access_log,
            plan.has_pages,
            plan.has_metrics,
        )
        connections = Connections(lambda request: respond(service, request), plan.limits.head_s)
        certificate = plan.certificate.load() if plan.certificate else None
        server = await loop.create_server(
            connections.server, sock=listener, ssl=certificate, backlog=_BACKLOG
        )
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(connections.watch()),
                group.create_task(run_for_ever(store, plan.upkeep, telemetry)),
            ]
            if access_log is not None:
                tasks.append(group.create_task(access_log.write_for_ever()))
            await ended.wait()
            server.close()
            await connections.drain(_LAST_REQUESTS_S)
            for task in tasks:
                task.cancel()
        await upstreams.close()


def _open_tokens(plan: TokenPlan, root: str) -> Tokens:
    path = plan.key
    if not path:
        path = f"{root}/token-key.pem"
        ensure_private_key(path)
    return Tokens(
        load_private_key(path),
        issuer=plan.issuer,
        service=plan.service,
        lifetime_s=plan.lifetime_s,
        others=[Issuer(name, load_public_key(file)) for name, file in plan.accepted],
    )
