# SPDX-License-Identifier: Apache-2.0
"""What the engine orders: one container, described to the end.

The shim looks nothing up and decides nothing: names, addresses, paths and limits have been chosen. The one thing
only it can do is to find the user's number in the image's own passwd file.

`Terms` is the part that matters as long as the container lives; the rest is needed only to make it.
"""

from __future__ import annotations

from sampan.errors import Unsupported
from sampan.shim.protocol import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.shim.protocol import Message

_ISOLATED = {"namespace": "new", "interfaces": [], "sysctls": {}}


class Terms:
    """What the keeper of a container has to know."""

    __slots__ = (
        "attach",
        "bundle",
        "has_private_pids",
        "id",
        "is_terminal",
        "log",
        "open_stdin",
        "run_dir",
        "runtime",
        "seccomp_cache",
        "stdin_once",
    )

    def __init__(self, message: Message) -> None:
        self.id: str = message["id"]
        self.run_dir: str = message["run_dir"]
        """Where shim.sock and exit.json are put."""
        self.bundle: str = message.get("bundle") or f"{self.run_dir}/bundle"
        self.open_stdin = bool(message.get("open_stdin"))
        self.stdin_once = bool(message.get("stdin_once"))
        self.log: dict[str, Any] = message.get("log") or {}
        """`path` (none: no log), `max_size` in bytes, `max_file`."""
        self.runtime: dict[str, str] = message.get("runtime") or {}
        """`path` of another OCI runtime's command; none: ours."""
        self.seccomp_cache: str = message.get("seccomp_cache") or ""
        self.attach: list[Message] = message.get("attach") or []
        """Clients whose streams come with the order, as in the request `attach`."""
        self.is_terminal = bool(message.get("is_terminal"))
        """Whether the program has a terminal."""
        self.has_private_pids = bool(message.get("has_private_pids"))
        """Whether the program's end ends everything else in the container."""

    def as_message(self) -> Message:
        """Return what `Terms` can be made of."""
        return {name: getattr(self, name) for name in Terms.__slots__}


class Order(Terms):
    """A container to make. The message's keys are the attributes' names; all but four are optional."""

    __slots__ = ("copy_up", "group_add", "network", "rootfs", "sources", "spec", "start", "user")

    def __init__(self, message: Message) -> None:
        if message.get("version") != VERSION:
            raise Unsupported(f"order version {message.get('version')}: this shim knows {VERSION}")
        super().__init__(message)
        self.spec: dict[str, Any] = message["spec"]
        """The OCI runtime-spec, but for process.user."""
        self.rootfs: dict[str, Any] = message["rootfs"]
        """`type` overlay: `lower` (top first), `upper`, `work`, `options`; `type` bind: `source`."""
        self.user: str = message.get("user") or ""
        """`user[:group]`, by name or number."""
        self.group_add: list[str] = message.get("group_add") or []
        self.network: dict[str, Any] = message.get("network") or _ISOLATED
        """A plan of `network.endpoint`; `namespace` may also be "path", with the `path` of one to join."""
        self.copy_up: list[dict[str, str]] = message.get("copy_up") or []
        """Volumes (`target`) to be filled, where they are empty, from the image's `path`."""
        self.sources: list[dict[str, Any]] = message.get("sources") or []
        """Sources of bind mounts to open before all else: `root`, `path` below it, `shared`, and where `at`."""
        self.start = bool(message.get("start"))
        """Start as soon as it is made."""
        self.is_terminal = bool(self.spec["process"].get("terminal"))
        namespaces = self.spec["linux"].get("namespaces", ())
        self.has_private_pids = any(each["type"] == "pid" and not each.get("path") for each in namespaces)
