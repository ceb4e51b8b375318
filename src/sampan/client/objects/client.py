# SPDX-License-Identifier: Apache-2.0
"""`Client`: one engine, as `sampan.connect()` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sampan.client.objects.containers import ContainerCollection
from sampan.client.objects.images import ImageCollection
from sampan.client.objects.networks import NetworkCollection
from sampan.client.objects.sandbox import Sandbox
from sampan.client.objects.sharing import LogIns
from sampan.client.objects.stream import Stream
from sampan.client.objects.volumes import VolumeCollection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.objects.options import ContainerOptions

PYTHON = ("python3", "-c")


class Client:
    """An engine's containers, images, volumes and networks; a context manager that closes its connections.

    `engine` has the Engine API's calls, for what is not here.
    """

    def __init__(self, engine: Engine, environ: Mapping[str, str] | None = None) -> None:
        self.engine = engine
        self._log_ins = LogIns(environ or {})
        self.containers = ContainerCollection(engine)
        self.images = ImageCollection(engine, self._log_ins)
        self.volumes = VolumeCollection(engine)
        self.networks = NetworkCollection(engine)

    def __repr__(self) -> str:
        return f"<Client {self.engine.http.address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; containers go on, and the client can be used again."""
        self.engine.close()

    def login(self, username: str, password: str, registry: str = "docker.io") -> None:
        """Let the engine try a log-in, which this client then uses for pulls and pushes; nothing is written.

        Without it, the log-ins of ``~/.docker/config.json`` count. Raises Unauthenticated if it is refused.
        """
        self._log_ins.add(self.engine, username, password, registry)

    def sandbox(
        self,
        image: str,
        *,
        interpreter: Sequence[str] = PYTHON,
        timeout_s: float = 10.0,
        limit_bytes: int = 1 << 20,
        **options: Unpack[ContainerOptions],
    ) -> Sandbox:
        """A way to run snippets, each in a short-lived container of this image.

        No network, 256 MiB of memory, 64 processes, a read-only root, 16 MiB of /tmp, an unprivileged user
        without capabilities; `options` change that. `timeout_s` and `limit_bytes` (of each output stream)
        hold for every snippet; `interpreter` is what a snippet is handed to as its last word.
        """
        return Sandbox(
            self.containers,
            image,
            interpreter=interpreter,
            timeout_s=timeout_s,
            limit_bytes=limit_bytes,
            options=options,
        )

    def events(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        filters: Mapping[str, Sequence[str]] | None = None,
    ) -> Stream[Json]:
        """What happens, as the Engine API's EventMessage, until `until` or until the stream is closed.

        `since` and `until` are seconds since the epoch; filters are Docker's: ``{"type": ["container"]}``.
        The engine is listening when this returns: nothing that is done afterwards is missed.
        """
        answer = self.engine.system.events(
            {
                "since": None if since is None else f"{since:.9f}",
                "until": None if until is None else f"{until:.9f}",
                "filters": filters,
            }
        )
        return Stream(answer, answer.iter_json())

    def info(self) -> Json:
        """Figures about the engine and its machine, as the Engine API's SystemInfo has them."""
        return self.engine.system.info()

    def version(self) -> str:
        """The engine's version."""
        return str(self.engine.system.version()["Version"])

    def disk_usage(self) -> Json:
        """What images, containers, volumes and the build cache take."""
        return self.engine.system.disk_usage()

    def ping(self) -> bool:
        """Whether the engine answers; raises Unavailable when nobody listens."""
        return bool(self.engine.system.ping())
