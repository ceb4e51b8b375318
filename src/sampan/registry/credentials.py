# SPDX-License-Identifier: Apache-2.0
"""Who we are to a registry: Docker's AuthConfig, as clients send it in X-Registry-Auth and X-Registry-Config.

Holds: a secret is never part of a `repr`, so it reaches neither a log nor a trace.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.errors import InvalidArgument
from sampan.oci.reference import DEFAULT_REGISTRY

HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = frozenset(
    {DEFAULT_REGISTRY, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name with a password, a refresh token (`identity_token`), or a finished bearer token."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.identity_token or self.registry_token)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


ANONYMOUS = Credentials()


def decode_credentials(source: Mapping[str, object]) -> Credentials:
    """An AuthConfig object; `auth` is NAME:PASSWORD in base64."""
    fields = {key: value for key, value in source.items() if isinstance(value, str)}
    username, password = fields.get("username", ""), fields.get("password", "")
    if fields.get("auth") and not username:
        username, _, password = _decode_base64(fields["auth"]).decode("utf-8", "replace").partition(":")
        password = password.rstrip("\0")
    return Credentials(username, password, fields.get("identitytoken", ""), fields.get("registrytoken", ""))


def decode_header(value: str) -> Credentials:
    """X-Registry-Auth: an AuthConfig as base64url of JSON; empty is nobody."""
    return decode_credentials(_decode_object(value)) if value else ANONYMOUS


def decode_config_header(value: str) -> dict[str, Credentials]:
    """X-Registry-Config: an AuthConfig for each registry, by host."""
    if not value:
        return {}
    return {
        registry_of(server): decode_credentials(source)
        for server, source in _decode_object(value).items()
        if isinstance(source, dict)
    }


def registry_of(server: str) -> str:
    """The registry that a server address or a key of a credential store stands for."""
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
    return DEFAULT_REGISTRY if host in _HUB_NAMES or not host else host


def _decode_object(value: str) -> dict[str, object]:
    try:
        decoded = json.loads(_decode_base64(value))
    except (ValueError, RecursionError):
        raise InvalidArgument("invalid X-Registry-Auth header: not base64 of JSON") from None
    if not isinstance(decoded, dict):
        raise InvalidArgument("invalid X-Registry-Auth header: not an object")
    return decoded


def _decode_base64(text: str) -> bytes:
    """Either alphabet, with or without padding: clients send all four."""
    text = text.strip().replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise InvalidArgument("invalid X-Registry-Auth header: not base64") from None
