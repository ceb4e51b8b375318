# SPDX-License-Identifier: Apache-2.0
"""``client.networks``: `NetworkCollection` and `Network`."""

from __future__ import annotations

import builtins
import contextlib
from typing import TYPE_CHECKING, Self

from sampan.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from sampan.client.api import Engine
    from sampan.client.jsontext import Json
    from sampan.client.objects.container import Container


class Network:
    """A network, by its id. Used as a context manager it is removed at the block's end."""

    def __init__(self, engine: Engine, network_id: str) -> None:
        self._calls = engine.networks
        self.id = network_id

    def __repr__(self) -> str:
        return f"<Network {self.id[:12]}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(NotFound):
            self.remove()

    def inspect(self) -> Json:
        """Everything about it, as the Engine API's NetworkInspect has it; raises NetworkNotFound."""
        return self._calls.inspect(self.id)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.inspect()["Name"])

    @property
    def subnets(self) -> list[str]:
        """Its address ranges, like ``172.18.0.0/16``."""
        ranges = (self.inspect().get("IPAM") or {}).get("Config") or ()
        return [str(one["Subnet"]) for one in ranges if one.get("Subnet")]

    def connect(self, container: Container | str, *, aliases: Sequence[str] = (), ip: str = "") -> None:
        """Put a container on it, with more names there and an IPv4 address of one's choice."""
        endpoint: Json = {"Aliases": list(aliases)} if aliases else {}
        if ip:
            endpoint["IPAMConfig"] = {"IPv4Address": ip}
        self._calls.connect(self.id, {"Container": _id_of(container), "EndpointConfig": endpoint})

    def disconnect(self, container: Container | str, *, force: bool = False) -> None:
        """Take a container off it."""
        self._calls.disconnect(self.id, _id_of(container), force=force)

    def remove(self) -> None:
        """Remove it; raises an error of the engine's while a container is on it."""
        self._calls.remove(self.id)


class NetworkCollection:
    """All networks of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls = engine.networks

    def create(
        self,
        name: str,
        *,
        driver: str = "bridge",
        subnet: str = "",
        gateway: str = "",
        internal: bool = False,
        ipv6: bool = False,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Network:
        """A network of one's own, where containers find each other by name.

        `subnet` is like ``10.9.0.0/24``, by default one that is free; an `internal` network reaches nothing
        else. Raises Conflict when the name is taken.
        """
        body: Json = {
            "Name": name,
            "Driver": driver,
            "Internal": internal,
            "EnableIPv6": ipv6,
            "Labels": dict(labels or {}),
            "Options": dict(options or {}),
        }
        ranges = {key: value for key, value in (("Subnet", subnet), ("Gateway", gateway)) if value}
        if ranges:
            body["IPAM"] = {"Config": [ranges]}
        return Network(self._engine, str(self._calls.create(body)["Id"]))

    def get(self, name: str) -> Network:
        """The one of this name or id; raises NetworkNotFound."""
        return Network(self._engine, str(self._calls.inspect(name)["Id"]))

    def list(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[Network]:
        """All of them, with ``bridge``, ``host`` and ``none``."""
        return [Network(self._engine, str(one["Id"])) for one in self._calls.list(filters=filters)]

    def prune(self, *, filters: Mapping[str, Sequence[str]] | None = None) -> builtins.list[str]:
        """Remove those of users that no container is on; their names."""
        return builtins.list(self._calls.prune(filters=filters).get("NetworksDeleted") or ())


def _id_of(container: Container | str) -> str:
    return container if isinstance(container, str) else container.id
