# SPDX-License-Identifier: Apache-2.0
"""Serving the API: sockets, signals, a clean end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from sampan import log
from sampan.api.app import make_app
from sampan.api.connection import Connection
from sampan.daemon.configuration import cache_limits, configuration_path, read_policy, registry_settings
from sampan.daemon.diagnosis import log_activity
from sampan.daemon.hostfacts import read_host
from sampan.daemon.memory import Memory
from sampan.daemon.open_files import raise_open_files
from sampan.engine.engine import Engine
from sampan.errors import Conflict, InvalidArgument, Unsupported
from sampan.paths import Roots
from sampan.shim.control import LauncherControl
from sampan.shim.launcher import Launcher

if TYPE_CHECKING:
    from sampan.daemon.configuration import Configuration
    from sampan.daemon.main import Options

logger = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT_S = 2.0
BACKLOG = 1024
HEADER_LIMIT = 4 << 20  # secrets of a build travel in a header, build arguments in the path


def serve(roots: Roots, options: Options, configuration: Configuration) -> None:
    """Serve until a signal says to stop."""
    log.set_up(debug=options.debug or configuration.debug)
    asyncio.run(_serve(roots, options, configuration))


async def _serve(roots: Roots, options: Options, configuration: Configuration) -> None:
    memory = Memory()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, log_activity)
    start_launcher = partial(Launcher.start, roots.shim_log, roots.launcher_lock, raise_open_files())
    control = LauncherControl(start_launcher(), start=start_launcher)
    engine = Engine(
        roots,
        control,
        read_host(),
        host_ca=configuration.host_ca,
        runtime=configuration.runtime,
        cache_limits=cache_limits(configuration),
        registries=registry_settings(configuration, os.environ),
        policy=read_policy(configuration, configuration_path(os.environ, os.geteuid())),
    )
    await engine.start()
    runner = web.AppRunner(
        make_app(engine),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        max_field_size=HEADER_LIMIT,
        max_line_size=HEADER_LIMIT,
        keepalive_timeout=3600.0,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
    )
    await runner.setup()
    paths = socket_paths(options.hosts, roots)
    listeners = [await _listen(runner, path) for path in paths]
    logger.info("engine ready: process %d, %s", os.getpid(), ", ".join(paths))
    _tell_ready(options)
    tending = asyncio.get_running_loop().create_task(memory.tend(), name="memory")
    await stop.wait()
    tending.cancel()
    logger.info("engine stopping; containers go on")
    for path in paths:
        os.unlink(path)
    for listener in listeners:
        listener.close()
    await runner.cleanup()
    await engine.close()
    control.close()


async def _listen(runner: web.AppRunner, path: str) -> asyncio.Server:
    """Serve on a unix socket; each connection begins at ours, which lets only HTTP through to the server."""
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(
        lambda: Connection(server()), sock=listen_unix(path), backlog=BACKLOG
    )


def socket_paths(hosts: list[str], roots: Roots) -> list[str]:
    """The unix sockets to listen on; TCP waits for mutual TLS."""
    paths = []
    for host in hosts or [f"unix://{roots.socket}"]:
        scheme, _, path = host.partition("://")
        if scheme == "tcp":
            raise Unsupported(
                "listening on tcp:// is not supported yet", hint="use a unix:// socket, for example over ssh"
            )
        if scheme != "unix" or not path.startswith("/"):
            raise InvalidArgument(f"{host}: not an address to listen on", hint="unix:///path/to/engine.sock")
        paths.append(path)
    return paths


def listen_unix(path: str) -> socket.socket:
    """A socket for root and the group `sampan` or `docker`; a dead engine's leftover is replaced."""
    os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
    _remove_dead_socket(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o117)
    try:
        sock.bind(path)
    finally:
        os.umask(old)
    _give_to_group(path)
    return sock


def _remove_dead_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise Conflict(f"{path}: another engine listens here")


def _give_to_group(path: str) -> None:
    """Whoever is in the group may use the engine, as with Docker's socket; without the group root alone may."""
    import grp

    for name in ("sampan", "docker"):
        try:
            os.chown(path, -1, grp.getgrnam(name).gr_gid)
        except (KeyError, PermissionError):
            continue
        return


def _tell_ready(options: Options) -> None:
    if options.ready_fd is not None:
        os.write(options.ready_fd, b"1")
        os.close(options.ready_fd)
