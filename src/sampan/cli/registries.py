# SPDX-License-Identifier: Apache-2.0
"""Registries for commands that need no engine: the configuration file's settings, the user's log-ins.

Only such commands import this: it loads the registry client and asyncio.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sampan.client.credentials import CredentialStore, server_of
from sampan.daemon.configuration import configuration_path, read_configuration, registry_settings
from sampan.registry.credentials import ANONYMOUS, Credentials, decode_credentials
from sampan.registry.repository import Registries

if TYPE_CHECKING:
    from sampan.cli.context import Context

Result = TypeVar("Result")


def run_with_registries(
    context: Context, work: Callable[[Registries], Awaitable[Result]], *, insecure: Collection[str] = ()
) -> Result:
    """Do the work; `insecure` are hosts whose certificates are not to be looked at."""

    async def main() -> Result:
        registries = open_registries(context, insecure=insecure)
        try:
            return await work(registries)
        finally:
            await registries.close()

    return asyncio.run(main())


def open_registries(context: Context, *, insecure: Collection[str] = ()) -> Registries:
    """As the engine would reach them; made inside a running event loop."""
    path = configuration_path(context.environ, os.geteuid())
    settings = registry_settings(read_configuration(path), context.environ)
    return Registries(replace(settings, insecure=(*settings.insecure, *insecure)))


def find_credentials(context: Context, name: str) -> Credentials:
    """The user's log-in for an image's registry."""
    found = CredentialStore(context.environ).find(server_of(name))
    return decode_credentials(found) if found else ANONYMOUS


def parse_credentials(text: str) -> Credentials:
    """``USER[:PASSWORD]``, as skopeo takes it."""
    username, _, password = text.partition(":")
    return Credentials(username, password) if username else ANONYMOUS
