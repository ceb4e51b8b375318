# SPDX-License-Identifier: Apache-2.0
"""The Engine API as calls: `Engine(address).containers.list()`.

Implements: Docker Engine API v1.51 from the client's side. An older daemon that answers "client version is
too new" is spoken to in its own version from then on. JSON is handed on as it came: what a field means is
the business of who asked for it.
"""

from __future__ import annotations

from sampan.client.http import Hijacked, HttpClient, connect
from sampan.client.jsontext import encode_json
from sampan.client.query import format_query
from sampan.client.wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from sampan.client.address import Address
    from sampan.client.answer import Answer
    from sampan.client.containers import Containers
    from sampan.client.execs import Execs
    from sampan.client.images import Images
    from sampan.client.jsontext import Json
    from sampan.client.networks import Networks
    from sampan.client.query import Parameter
    from sampan.client.system import System
    from sampan.client.volumes import Volumes

    Query = Mapping[str, Parameter]

API_VERSION = "1.51"
_TOO_NEW = 400


class Engine:
    """One engine. Every call raises the kinds of `sampan.errors` with the engine's own words."""

    __slots__ = ("http", "version")

    def __init__(self, address: Address) -> None:
        self.http = HttpClient(address)
        self.version = API_VERSION

    def connect(self) -> None:
        """Connect now, so that nobody listening is known before anything is asked."""
        self.http.adopt(Wire(connect(self.http.address)))

    def close(self) -> None:
        """Close the idle connections."""
        self.http.close()

    def call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        json: object = None,
        body: bytes | Iterable[bytes] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request below the version prefix; `json` is sent as JSON, `body` as it is."""
        sent = dict(fields or {})
        if json is not None:
            body = encode_json(json)
            sent["Content-Type"] = "application/json"
        elif body is None and method == "POST":
            body = b""
        target = path + format_query(query or {})
        answer = self.http.request(method, f"/v{self.version}{target}", fields=sent, body=body)
        if self._speaks_older(answer) and (body is None or isinstance(body, bytes)):
            answer.read()
            answer = self.http.request(method, f"/v{self.version}{target}", fields=sent, body=body)
        return answer.raise_for_status()

    def _speaks_older(self, answer: Answer) -> bool:
        return answer.status == _TOO_NEW and self.learn_version(answer.fields)

    def learn_version(self, fields: Mapping[str, str]) -> bool:
        """Speak the engine's version from now on if it is older than ours; whether it is."""
        offered = fields.get("api-version", self.version)
        older = _version_key(offered) < _version_key(self.version)
        if older:
            self.version = offered
        return older

    def speaks(self, version: str) -> bool:
        """Whether the engine knows this version, as far as its answers have told."""
        return _version_key(self.version) >= _version_key(version)

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON that a GET gives."""
        return self.call("GET", path, query).json()

    def post(self, path: str, query: Query | None = None, *, json: object = None) -> Any:
        """The JSON that a POST gives, None when it gives nothing."""
        return self.call("POST", path, query, json=json).json()

    def delete(self, path: str, query: Query | None = None) -> Any:
        """The JSON that a DELETE gives, None when it gives nothing."""
        return self.call("DELETE", path, query).json()

    def hijack(self, path: str, query: Query | None = None, *, json: object = None) -> Hijacked:
        """POST and leave HTTP: the raw socket of an attach or exec."""
        body = b"" if json is None else encode_json(json)
        fields = {"Content-Type": "application/json"}
        target = f"/v{self.version}{path}{format_query(query or {})}"
        return self.http.hijack("POST", target, fields=fields, body=body)

    @property
    def containers(self) -> Containers:
        """Calls below /containers."""
        from sampan.client.containers import Containers

        return Containers(self)

    @property
    def images(self) -> Images:
        """Calls below /images, and the build."""
        from sampan.client.images import Images

        return Images(self)

    @property
    def execs(self) -> Execs:
        """Calls below /exec."""
        from sampan.client.execs import Execs

        return Execs(self)

    @property
    def volumes(self) -> Volumes:
        """Calls below /volumes."""
        from sampan.client.volumes import Volumes

        return Volumes(self)

    @property
    def networks(self) -> Networks:
        """Calls below /networks."""
        from sampan.client.networks import Networks

        return Networks(self)

    @property
    def system(self) -> System:
        """Calls about the engine itself."""
        from sampan.client.system import System

        return System(self)


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def as_list(value: Any) -> list[Json]:
    """A list that Go's encoder may have written as null."""
    return value or []
