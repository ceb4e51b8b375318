# SPDX-License-Identifier: Apache-2.0
"""Pulls, pushes and log-ins of a Python program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.client.credentials import HUB_SERVER, CredentialStore, encode_header, normalise, server_of
from sampan.errors import SampanError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.client.answer import Answer
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

    Progress = Callable[[str], object]


class LogIns:
    """Those of this client, then those that the user keeps for the docker and sampan command lines."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._store = CredentialStore(environ)
        self._own: dict[str, Json] = {}

    def add(self, engine: Engine, username: str, password: str, registry: str) -> None:
        """Try a log-in and keep it as long as the client lives."""
        name = normalise(registry)
        server = HUB_SERVER if name == "docker.io" else name
        account = {"username": username, "password": password, "serveraddress": server}
        answer = engine.system.log_in(account)
        if answer.get("IdentityToken"):
            account = {"identitytoken": str(answer["IdentityToken"]), "serveraddress": server}
        self._own[name] = account

    def header_for(self, name: str) -> str:
        """X-Registry-Auth for an image's name; empty for nobody."""
        own = self._own.get(normalise(server_of(name)))
        return encode_header(own) if own else self._store.header_for(name)


def follow_transfer(answer: Answer, on_progress: Progress | None) -> str:
    """A pull or push to its end; the digest that it tells of. An error in the stream is raised."""
    digest = ""
    for message in answer.iter_json():
        if message.get("errorDetail") or message.get("error"):
            raise SampanError(str((message.get("errorDetail") or {}).get("message") or message["error"]))
        aux = message.get("aux") or {}
        status = str(message.get("status") or "")
        digest = str(aux.get("Digest") or "") or status.partition("Digest: ")[2] or digest
        if status and on_progress is not None and not (message.get("progressDetail") or {}).get("total"):
            on_progress(f"{message['id']}: {status}" if message.get("id") else status)
    return digest
