# SPDX-License-Identifier: Apache-2.0
"""Log-ins of a user: ``~/.docker/config.json`` and the credential helpers that it names, shared with docker.

Implements: docker/cli cli/config (auths, credsStore, credHelpers) and docker-credential-helpers' protocol: a program
``docker-credential-NAME`` that is told get, store or erase, with the server on its stdin.
Holds: the file appears whole or not at all, with mode 0600, and keeps what it has that is not ours.
"""

from __future__ import annotations

import os
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from sampan.client.jsontext import decode_json, encode_json
from sampan.errors import DataCorrupt, Internal, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.client.jsontext import Json

HUB_SERVER = "https://index.docker.io/v1/"
_HUB_HOSTS = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io"))
_TOKEN_USER = "<token>"  # noqa: S105 - what helpers call a refresh token's owner
_MISSING = "credentials not found"


class CredentialStore:
    """The log-ins of one user."""

    __slots__ = ("_environ", "path")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        folder = environ.get("DOCKER_CONFIG") or environ.get("HOME", "") + "/.docker"
        self.path = folder + "/config.json"

    def header_for(self, name: str) -> str:
        """X-Registry-Auth for an image's name; empty for nobody."""
        found = self.find(server_of(name))
        return encode_header(found) if found else ""

    def header_for_all(self) -> str:
        """X-Registry-Config: everything that this user has, for a build that may need any of it."""
        config = self._read()
        servers = [*_object(config, "auths"), *_object(config, "credHelpers")]
        found = {server: entry for server in dict.fromkeys(servers) if (entry := self.find(server))}
        return encode_header(found) if found else ""

    def find(self, server: str) -> Json:
        """The AuthConfig for a server; empty if there is none."""
        config = self._read()
        helper = self._helper(config, server)
        if helper:
            return self._ask_helper(helper, server)
        for key, entry in _object(config, "auths").items():
            if normalise(key) == normalise(server) and isinstance(entry, dict):
                return _decode_entry(entry, server)
        return {}

    def save(self, server: str, username: str, password: str, identity_token: str = "") -> bool:
        """Keep a log-in; whether it lies in the file itself, unencrypted."""
        config = self._read()
        helper = self._helper(config, server)
        if helper:
            user, secret = (_TOKEN_USER, identity_token) if identity_token else (username, password)
            self._run_helper(
                helper, "store", encode_json({"ServerURL": server, "Username": user, "Secret": secret})
            )
            _set_entry(config, server, {})
        else:
            pair = b2a_base64(f"{username}:{'' if identity_token else password}".encode(), newline=False)
            entry = {"auth": pair.decode()} | ({"identitytoken": identity_token} if identity_token else {})
            _set_entry(config, server, entry)
        self._write(config)
        return not helper

    def erase(self, server: str) -> bool:
        """Forget a log-in; whether there was one."""
        config = self._read()
        keys = [key for key in _object(config, "auths") if normalise(key) == normalise(server)]
        helper = self._helper(config, server)
        if helper:
            self._run_helper(helper, "erase", server.encode())
        for key in keys:
            del config["auths"][key]
        if keys:
            self._write(config)
        return bool(keys)

    def _helper(self, config: Json, server: str) -> str:
        helpers = _object(config, "credHelpers")
        named = next((helpers[key] for key in helpers if normalise(key) == normalise(server)), "")
        return str(named or config.get("credsStore") or "")

    def _ask_helper(self, helper: str, server: str) -> Json:
        try:
            answer = decode_json(self._run_helper(helper, "get", server.encode()))
        except NotFound:
            return {}
        user, secret = str(answer.get("Username", "")), str(answer.get("Secret", ""))
        if user == _TOKEN_USER:
            return {"identitytoken": secret, "serveraddress": server}
        return {"username": user, "password": secret, "serveraddress": server}

    def _run_helper(self, helper: str, action: str, data: bytes) -> bytes:
        from signal import SIG_IGN, SIGPIPE, signal
        from subprocess import PIPE, run

        program = f"docker-credential-{helper}"
        if "/" in helper:
            raise InvalidArgument(f"{self.path}: credential helper {helper!r} is not a name")
        # A helper that answers without reading to the end must not end us.
        saved = signal(SIGPIPE, SIG_IGN)
        try:
            done = run([program, action], input=data, stdout=PIPE, check=False, env=dict(self._environ))
        except OSError as error:
            raise Internal(
                f"error getting credentials - err: exec: {program}: {(error.strerror or '').lower()}"
            ) from error
        finally:
            signal(SIGPIPE, saved)
        if done.returncode:
            said = str(done.stdout, errors="replace").strip()
            kind = NotFound if said.startswith(_MISSING) else Internal
            raise kind(f"error getting credentials - err: {program} {action}, out: `{said}`")
        return done.stdout

    def _read(self) -> Json:
        try:
            with open(self.path, "rb") as file:
                config = decode_json(file.read() or b"{}")
        except FileNotFoundError:
            return {}
        except DataCorrupt as error:
            raise InvalidArgument(f"{self.path}: not valid JSON") from error
        except OSError as error:
            raise InvalidArgument(f"open {self.path}: {(error.strerror or str(error)).lower()}") from error
        if not isinstance(config, dict):
            raise InvalidArgument(f"{self.path}: not a JSON object")
        return config

    def _write(self, config: Json) -> None:
        from json import dumps  # people read this file

        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        target = os.path.realpath(self.path)
        beside = f"{target}.{os.getpid()}.partial"
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(dumps(config, indent="\t", ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(fd)
        os.replace(beside, target)


def server_of(name: str) -> str:
    """The key under which the log-in for an image's registry is kept."""
    first, slash, _ = name.partition("/")
    is_registry = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    return HUB_SERVER if not is_registry or first in _HUB_HOSTS else first


def normalise(server: str) -> str:
    """Equal for all spellings of one server."""
    host = server.partition("://")[2] or server
    host = host.partition("/")[0]
    return "docker.io" if host in _HUB_HOSTS else host


def encode_header(value: Json) -> str:
    """JSON in the base64 that is safe in URLs, as the engine's headers want it."""
    return b2a_base64(encode_json(value), newline=False).decode().replace("+", "-").replace("/", "_")


def _decode_entry(entry: Json, server: str) -> Json:
    found = {"serveraddress": server}
    for key in ("username", "password", "identitytoken", "registrytoken"):
        if entry.get(key):
            found[key] = str(entry[key])
    if entry.get("auth"):
        try:
            pair = str(a2b_base64(str(entry["auth"]), strict_mode=True), "utf-8")
        except (Base64Error, ValueError):
            raise InvalidArgument(f"auth of {server} in the docker configuration is not base64") from None
        username, _, password = pair.partition(":")
        found |= {"username": username, "password": password.rstrip("\0")}
    return found if len(found) > 1 else {}


def _object(config: Json, key: str) -> Json:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _set_entry(config: Json, server: str, entry: Json) -> None:
    config["auths"] = {**_object(config, "auths"), server: entry}
