# SPDX-License-Identifier: Apache-2.0
"""Where the engine listens: what the user named, or the socket in the run root.

Order: ``-H``, SAMPAN_HOST, DOCKER_HOST, ``engine.sock`` below the run root. Only the last one, and a unix
socket in SAMPAN_HOST, are places where this client may start an engine by itself: the others belong to
somebody else.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORT = 2375


class Address:
    """A unix socket (`path`) or a TCP host and port; `may_start` when an engine may be started there."""

    __slots__ = ("host", "may_start", "path", "port")

    def __init__(self, *, path: str = "", host: str = "", port: int = 0, may_start: bool = False) -> None:
        self.path = path
        self.host = host
        self.port = port
        self.may_start = may_start

    def __str__(self) -> str:
        return f"unix://{self.path}" if self.path else f"tcp://{_bracketed(self.host)}:{self.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def parse_address(text: str) -> Address:
    """Read ``unix:///path``, ``tcp://host:port`` (also ``http://``) or a bare path or ``host:port``."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = ("unix" if text.startswith("/") else "tcp"), text
    if scheme == "unix" and rest.startswith("/"):
        return Address(path=rest)
    if scheme in ("tcp", "http"):
        return _parse_tcp(text, rest.rstrip("/"))
    raise InvalidArgument(
        f"host {text}: unable to parse docker host", hint="use unix:///path/to/engine.sock or tcp://host:port"
    )


def _parse_tcp(text: str, rest: str) -> Address:
    host, colon, port = rest.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = rest, str(_DEFAULT_PORT)
    if not port.isdecimal() or int(port) > 65535:
        raise InvalidArgument(f"host {text}: invalid port {port}")
    return Address(host=host.strip("[]") or "127.0.0.1", port=int(port))


def resolve_address(environ: Mapping[str, str], *, flag: str = "", socket: str) -> Address:
    """The address to use; `socket` is the default one, below the run root."""
    named = flag or environ.get("SAMPAN_HOST") or environ.get("DOCKER_HOST")
    if not named:
        return Address(path=socket, may_start=True)
    address = parse_address(named)
    ours = not flag and bool(environ.get("SAMPAN_HOST"))
    address.may_start = bool(address.path) and (ours or address.path == socket)
    return address
