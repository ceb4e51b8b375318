# SPDX-License-Identifier: Apache-2.0
"""``sampan registry serve``: a registry in the foreground, without an engine."""

from __future__ import annotations

from sampan.cli.command import Command
from sampan.cli.flags import number, text
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options

DEFAULT_LISTEN = "127.0.0.1:5000"


def split_address(address: str) -> tuple[str, int]:
    """``ADDR:PORT``; an IPv6 address stands in brackets, and no address means all."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InvalidArgument(f"{address}: not ADDR:PORT", hint="for example 127.0.0.1:5000 or [::]:5000")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - as asked for


def run_serve(context: Context, options: Options, _arguments: list[str]) -> int:
    """Listen, say where, and serve until a signal comes."""
    from sampan.registry.server.serve import default_workers, listen, serve
    from sampan.registry.server.worker import Plan

    root = options.text("root")
    if not root:
        raise InvalidArgument(
            "a directory to keep images in is needed", hint="sampan registry serve --root DIR"
        )
    host, port = split_address(options.text("listen"))
    sockets = listen(host, port, options.number("workers") or default_workers())
    shown = f"[{host}]" if ":" in host else host
    context.out.note(f"registry listens on http://{shown}:{sockets[0].getsockname()[1]}")
    return serve(Plan(root), sockets)


SERVE = Command(
    "registry serve",
    run=run_serve,
    summary="Run a registry in the foreground",
    usage="[OPTIONS]",
    flags=(
        text("listen", "Address to listen on", shows="ADDR:PORT", default=DEFAULT_LISTEN),
        text("root", "Directory to keep images in", shows="DIR"),
        number("workers", "Number of processes (0: one a processor)"),
    ),
)
