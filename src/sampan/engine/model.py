# SPDX-License-Identifier: Apache-2.0
"""What the engine remembers of one container: the record in the database and the live object around it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.engine.healthstate import Health
from sampan.engine.waiting import ExitWaiters
from sampan.schema.container import ContainerConfig, EndpointConfig, HostConfig

if TYPE_CHECKING:
    from sampan.shim.control import Shim

NEVER_NS = 0  # a time that did not happen; the API writes it as 0001-01-01T00:00:00Z


class MountPoint(msgspec.Struct):
    """A resolved mount of a container, as inspect's `Mounts` lists it.

    `filesystem` and `device` are those of a volume with driver options; `new_labels` and `new_options` what its
    volume gets if it has to be made.
    """

    type: str
    source: str
    destination: str
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    recursive_readonly: bool = False
    copy_up: bool = False
    options: list[str] = []
    recursive: bool = True
    id_map: str = ""
    subpath: str = ""
    filesystem: str = ""
    device: str = ""
    new_labels: dict[str, str] = {}
    new_options: dict[str, str] = {}


class Endpoint(msgspec.Struct):
    """The container's place on one network while it runs; addresses are kept when it stops. `…6` is of IPv6."""

    network: str
    network_id: str
    wanted: EndpointConfig
    endpoint_id: str = ""
    address: str = ""
    prefix_length: int = 0
    gateway: str = ""
    mac_address: str = ""
    host_interface: str = ""
    interface: str = ""
    address6: str = ""
    prefix_length6: int = 0
    gateway6: str = ""


class State(msgspec.Struct):
    """Where a container is in its life; times in nanoseconds since 1970, 0 for never."""

    status: str = "created"
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_ns: int = NEVER_NS
    finished_ns: int = NEVER_NS
    restart_count: int = 0
    stopped_by_user: bool = False
    health: Health | None = None

    @property
    def is_running(self) -> bool:
        """Paused counts as running, as in Docker."""
        return self.status in ("running", "paused", "restarting")


class Document(msgspec.Struct):
    """Everything about a container but its id, name and time of creation, which have columns of their own.

    `idle_ports` are taken on the host, but lead nowhere: the container is on no network with a way out.
    """

    image_id: str
    image: str
    path: str
    args: list[str]
    config: ContainerConfig
    host_config: HostConfig
    state: State
    mounts: list[MountPoint] = []
    endpoints: dict[str, Endpoint] = {}
    ports: dict[str, list[dict[str, str]]] = {}
    idle_ports: dict[str, list[dict[str, str]]] = {}
    log_path: str = ""
    chain_id: str | None = None
    driver: str = "overlay"


class Container:
    """A container: its document, its shim while it runs, and who waits for it."""

    __slots__ = (
        "attachments",
        "created_ns",
        "document",
        "exec_ids",
        "id",
        "is_removing",
        "is_restarting",
        "lock",
        "name",
        "shim",
        "waiters",
    )

    def __init__(self, container_id: str, name: str, created_ns: int, document: Document) -> None:
        self.id = container_id
        self.name = name
        self.created_ns = created_ns
        self.document = document
        self.shim: Shim | None = None
        self.lock = asyncio.Lock()
        self.waiters = ExitWaiters()
        self.attachments: list[Attachment] = []
        self.exec_ids: list[str] = []
        self.is_removing = False
        self.is_restarting = False

    @property
    def state(self) -> State:
        """The state in the document."""
        return self.document.state

    @property
    def config(self) -> ContainerConfig:
        """The configuration in the document."""
        return self.document.config

    @property
    def host_config(self) -> HostConfig:
        """The host part of the configuration in the document."""
        return self.document.host_config


class Attachment:
    """A client's stream that waits for its container to start: the descriptor is ours until it is passed on."""

    __slots__ = ("detach_keys", "fd", "initial", "multiplexed", "stderr", "stdin", "stdout")

    def __init__(
        self,
        fd: int,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        multiplexed: bool,
        detach_keys: str = "",
        initial: bytes = b"",
    ) -> None:
        self.fd = fd
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.multiplexed = multiplexed
        self.detach_keys = detach_keys
        self.initial = initial


def encode_document(document: Document) -> dict[str, Any]:
    """The document as plain JSON values."""
    encoded: dict[str, Any] = msgspec.to_builtins(document)
    return encoded


def decode_document(value: dict[str, Any]) -> Document:
    """The document from plain JSON values; raises `msgspec.ValidationError` for anything else."""
    return msgspec.convert(value, Document)
