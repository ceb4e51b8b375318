# SPDX-License-Identifier: Apache-2.0
"""The engine's configuration file: TOML, every key known, mistakes named.

Looked for at ``/etc/sampan/config.toml`` (root) or below XDG_CONFIG_HOME; an empty or missing file means
the defaults.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import msgspec

from sampan.errors import InvalidArgument


class Configuration(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """What a person may set.

    `host_ca` mounts the host's CA bundle into every container and RUN step; `runtime` is the path of an OCI runtime
    to use in place of ours.
    """

    host_ca: bool = False
    runtime: str = ""
    debug: bool = False


def configuration_path(environ: Mapping[str, str], uid: int) -> str:
    """Where the file is looked for; SAMPAN_CONFIG names another."""
    if environ.get("SAMPAN_CONFIG"):
        return environ["SAMPAN_CONFIG"]
    if uid == 0:
        return "/etc/sampan/config.toml"
    base = environ.get("XDG_CONFIG_HOME") or environ.get("HOME", "") + "/.config"
    return base + "/sampan/config.toml"


def read_configuration(path: str) -> Configuration:
    """Read the file; a mistake is refused with its place."""
    try:
        with open(path, "rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        return Configuration()
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{path}: {error}") from None
    try:
        return msgspec.convert(values, Configuration)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"{path}: {error}", hint="the keys are: host-ca, runtime, debug") from None
