# SPDX-License-Identifier: Apache-2.0
"""What the trust commands share: the way to a registry without an engine, the policy, and passphrases.

They go by the user's own log-ins and by the engine's configuration file. Nothing here is loaded but by them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from sampan.cli.command import Exit
from sampan.cli.context import Context
from sampan.cli.options import Options
from sampan.client.credentials import CredentialStore, server_of
from sampan.daemon.configuration import (
    Configuration,
    configuration_path,
    read_configuration,
    read_policy,
    registry_settings,
)
from sampan.errors import InvalidArgument
from sampan.image.remote import find_manifest
from sampan.oci.index import decode_index
from sampan.oci.raw_manifest import RawManifest
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.credentials import decode_credentials
from sampan.registry.repository import Registries, Repository
from sampan.registry.trust.keyfiles import read_key_file, read_public_key
from sampan.registry.trust.policy import Policy, Publisher

_VARIABLES = ("SAMPAN_TRUST_PASSPHRASE", "COSIGN_PASSWORD")

T = TypeVar("T")


class Session:
    """One image on its registry: `repositories` in the order in which a pull would ask them."""

    def __init__(self, reference: Reference, repositories: Sequence[Repository]) -> None:
        self.reference = reference
        self.repositories = repositories

    @property
    def repository(self) -> Repository:
        """The registry itself."""
        return self.repositories[-1]

    async def resolve(self) -> RawManifest:
        """The manifest or index of the name."""
        return (await find_manifest(self.repositories, self.reference))[1]


def with_session(
    context: Context, name: str, work: Callable[[Session], Awaitable[T]], *, push: bool = False
) -> T:
    """Do something about an image on its registry."""
    reference = parse_reference(name)
    settings = registry_settings(_configuration(context), context.environ)
    found = CredentialStore(context.environ).find(server_of(str(reference)))

    async def run() -> T:
        registries = Registries(settings)
        try:
            repositories = registries.open(reference, decode_credentials(found), push=push)
            return await work(Session(reference, repositories))
        finally:
            await registries.close()

    return asyncio.run(run())


def read_trust_policy(context: Context) -> Policy:
    """The policy of the engine's configuration file."""
    return read_policy(_configuration(context), _configuration_path(context))


def read_publishers(paths: Iterable[str]) -> tuple[Publisher, ...]:
    """Public keys of files, each a publisher of the file's name."""
    return tuple(Publisher(path, (read_public_key(path),)) for path in paths)


def parse_annotations(words: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise InvalidArgument(f"annotation {word!r} is not KEY=VALUE")
        found[key] = value
    return found


def listed_in(fetched: RawManifest) -> Sequence[tuple[str, str]]:
    """What an index lists: platform and digest of each manifest."""
    if not fetched.is_index:
        return ()
    index = decode_index(fetched.raw, fetched.media_type)
    return [(str(one.platform or ""), str(one.digest)) for one in index.manifests]


def read_passphrase(context: Context, options: Options, *, confirm: bool = False) -> bytes:
    """From a file, from the environment, or from who sits at the terminal."""
    if options.text("passphrase-file"):
        return read_key_file(options.text("passphrase-file")).removesuffix(b"\n").removesuffix(b"\r")
    known = _from_environment(context.environ)
    if known is not None:
        return known
    if not os.isatty(0):
        raise Exit(
            1,
            "cannot ask for the passphrase: stdin is not a terminal",
            hint=f"--passphrase-file, or the variable {_VARIABLES[0]} or {_VARIABLES[1]}",
        )
    from getpass import getpass

    passphrase = getpass("Passphrase of the private key: ")
    if confirm and getpass("Again: ") != passphrase:
        raise InvalidArgument("the two passphrases are not the same")
    return passphrase.encode()


def _from_environment(environ: Mapping[str, str]) -> bytes | None:
    return next((os.fsencode(environ[name]) for name in _VARIABLES if name in environ), None)


def _configuration(context: Context) -> Configuration:
    return read_configuration(_configuration_path(context))


def _configuration_path(context: Context) -> str:
    return configuration_path(context.environ, os.geteuid())
