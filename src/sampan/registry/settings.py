# SPDX-License-Identifier: Apache-2.0
"""What a person may set about registries, as values that everything here is given.

The words are those of containers-registries.conf(5), version 2, and of Docker's daemon.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MIB = 1 << 20
GIB = 1 << 30

DEFAULT_CERTIFICATES = ("/etc/sampan/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A place that is asked before the registry itself; `location` is HOST[:PORT][/PATH]."""

    location: str
    insecure: bool = False
    pull_from: Literal["all", "digest-only", "tag-only"] = "all"


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for names that begin with `prefix`: HOST[:PORT][/PATH] or ``*.DOMAIN``."""

    prefix: str
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a registry may make us read and unpack."""

    manifest_bytes: int = 4 * MIB
    config_bytes: int = 16 * MIB
    layers: int = 500
    layer_bytes: int = 256 * GIB
    """One layer's tar, uncompressed."""
    layer_entries: int = 10_000_000
    expansion: int = 400
    """How many times larger than its blob a layer's tar may be, beyond the first GiB."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and how often to try again."""

    connect_s: float = 30.0
    stall_s: float = 60.0
    attempts: int = 5
    first_delay_s: float = 0.5
    longest_delay_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about registries."""

    rules: tuple[Rule, ...] = ()
    insecure: tuple[str, ...] = ()
    """Hosts (HOST[:PORT]) and networks (CIDR) whose certificates are not looked at, and who may speak plain HTTP."""
    search: tuple[str, ...] = ("docker.io",)
    """Where a name without a registry is looked for."""
    certificates: tuple[str, ...] = DEFAULT_CERTIFICATES
    downloads: int = 6
    uploads: int = 5
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    environment: Mapping[str, str] = field(default_factory=dict)
    """The variables of the engine's environment that name proxies."""
