# SPDX-License-Identifier: Apache-2.0
"""The way in: find the engine, start it where none listens and that is allowed, connect.

`open_engine` is the command line's way, with its environment and output handed in; `connect` is that of
Python programs, and the one place besides the programs themselves that reads the environment.
"""

from __future__ import annotations

from sampan.client.address import resolve_address
from sampan.client.api import Engine
from sampan.client.http import NobodyListens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.client.address import Address
    from sampan.client.objects.client import Client
    from sampan.paths import Roots


def open_engine(
    roots: Roots, address: Address, *, environ: Mapping[str, str], say: Callable[[str], None]
) -> Engine:
    """The engine at `address`, connected; it is started, and `say` told so, where we may and nobody listens."""
    engine = Engine(address)
    try:
        engine.connect()
    except NobodyListens:
        if not address.may_start:
            raise
        from sampan.client.autostart import start_engine

        start_engine(roots, address, environ=environ, say=say)
        engine.connect()
    return engine


def connect(*, host: str = "", data_root: str = "", run_root: str = "") -> Client:
    """A client of the engine, which is started in the background when it does not run.

    `host` is ``unix:///path/to/engine.sock`` or ``tcp://host:port``; an engine named so is never started.
    Without it, SAMPAN_HOST and DOCKER_HOST count, then the socket in the run root. `data_root` and
    `run_root` are where an engine keeps its things, instead of SAMPAN_DATA_ROOT and SAMPAN_RUN_ROOT.

    Raises sampan.errors.Unavailable when no engine listens or starts, PermissionDenied when the socket is
    somebody else's, InvalidArgument when `host` cannot be read.
    """
    import os

    from sampan.client.objects.client import Client
    from sampan.paths import Roots

    environ = os.environ
    roots = Roots.from_environment(environ, data_root=data_root, run_root=run_root)
    # Roots named here mean the engine that lives there, wherever the environment points.
    named = {} if run_root and not host else environ
    address = resolve_address(named, flag=host, socket=roots.socket)
    return Client(open_engine(roots, address, environ=environ, say=_log), environ)


def _log(message: str) -> None:
    from logging import getLogger

    getLogger("sampan").info(message)
