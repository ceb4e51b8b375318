# SPDX-License-Identifier: Apache-2.0
"""The engine's configuration file: TOML, every key known, mistakes named with their line.

Looked for at ``/etc/sampan/config.toml`` (root) or below XDG_CONFIG_HOME; an empty or missing file means
the defaults. docs/configuration.md describes the keys. What is said of registries has the words of
containers-registries.conf(5), so that such a file's tables can be copied.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from sampan.build.limits import CacheLimits, parse_amount
from sampan.daemon.toml_lines import Path, find_line
from sampan.daemon.trust_configuration import (
    Trust,
    TrustPublisher,
    TrustRule,
    find_trust_mistakes,
    trust_policy,
)
from sampan.errors import InvalidArgument
from sampan.registry import settings
from sampan.registry.proxies import proxy_variables
from sampan.registry.trust.policy import Policy

_PLACE = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_LOCATION = re.compile(r"(?:\*\.)?[A-Za-z0-9.\[\]:-]+(?:/[a-z0-9._/-]+)?")


_DEFAULTS = settings.Settings()
_LIMITS = _DEFAULTS.limits
_CACHE = CacheLimits()


class Mirror(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """A ``[[registry.mirror]]``."""

    location: str
    insecure: bool = False
    pull_from_mirror: Literal["all", "digest-only", "tag-only"] = "all"


class Registry(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """A ``[[registry]]``; without a prefix, the location is one."""

    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror: tuple[Mirror, ...] = ()


class Limits(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """What a registry may make us read and unpack."""

    max_layers: int = _LIMITS.layers
    max_manifest_bytes: int = _LIMITS.manifest_bytes
    max_config_bytes: int = _LIMITS.config_bytes
    max_layer_bytes: int = _LIMITS.layer_bytes
    max_layer_entries: int = _LIMITS.layer_entries
    max_expansion: int = _LIMITS.expansion


class Transfers(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """How many transfers at once, how long to wait, and how often to try."""

    max_concurrent_downloads: int = _DEFAULTS.downloads
    max_concurrent_uploads: int = _DEFAULTS.uploads
    attempts: int = _DEFAULTS.patience.attempts
    connect_timeout: float = _DEFAULTS.patience.connect_s
    stall_timeout: float = _DEFAULTS.patience.stall_s


class CacheCollection(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[builder.gc]``: how much the build cache may take."""

    enabled: bool = _CACHE.enabled
    reserved_space: str = _CACHE.reserved
    max_used_space: str = _CACHE.max_used
    min_free_space: str = _CACHE.min_free


class BuilderTable(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[builder]``."""

    gc: CacheCollection = CacheCollection()


class Configuration(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """What a person may set.

    `host_ca` mounts the host's CA bundle into every container and RUN step; `runtime` is the path of an OCI runtime
    to use in place of ours.
    """

    host_ca: bool = False
    runtime: str = ""
    debug: bool = False
    unqualified_search_registries: tuple[str, ...] = ("docker.io",)
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    certificate_directories: tuple[str, ...] = settings.DEFAULT_CERTIFICATES
    registry: tuple[Registry, ...] = ()
    limits: Limits = Limits()
    transfers: Transfers = Transfers()
    trust: Trust = Trust()
    builder: BuilderTable = BuilderTable()


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
            text = file.read().decode()
    except FileNotFoundError:
        return Configuration()
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path}: not UTF-8") from None
    return parse_configuration(text, path)


def parse_configuration(text: str, name: str) -> Configuration:
    """Read a document; `name` is what errors call it."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{name}: {error}") from None
    try:
        configuration = msgspec.convert(values, Configuration)
    except msgspec.ValidationError as error:
        raise _refusal(name, text, *_explain(error, values)) from None
    complaints = _complaints(configuration)
    complaints += find_trust_mistakes(configuration.trust, os.path.dirname(name))
    for place, reason in complaints:
        raise _refusal(name, text, place, reason)
    return configuration


def read_policy(configuration: Configuration, path: str) -> Policy:
    """What `[trust]` of the file demands; its text is read again for the lines of the rules."""
    if configuration.trust == Trust():
        return Policy()
    with open(path, encoding="utf-8") as file:
        return trust_policy(configuration.trust, file.read(), path)


def registry_settings(configuration: Configuration, environ: Mapping[str, str]) -> settings.Settings:
    """What the registry client is given."""
    limits, transfers = configuration.limits, configuration.transfers
    return settings.Settings(
        rules=(*(_rule(registry) for registry in configuration.registry), *_hub_mirrors(configuration)),
        insecure=tuple(configuration.insecure_registries),
        search=tuple(configuration.unqualified_search_registries),
        certificates=tuple(configuration.certificate_directories),
        downloads=transfers.max_concurrent_downloads,
        uploads=transfers.max_concurrent_uploads,
        limits=settings.Limits(
            manifest_bytes=limits.max_manifest_bytes,
            config_bytes=limits.max_config_bytes,
            layers=limits.max_layers,
            layer_bytes=limits.max_layer_bytes,
            layer_entries=limits.max_layer_entries,
            expansion=limits.max_expansion,
        ),
        patience=settings.Patience(
            connect_s=transfers.connect_timeout,
            stall_s=transfers.stall_timeout,
            attempts=transfers.attempts,
        ),
        environment=proxy_variables(environ),
    )


def _rule(registry: Registry) -> settings.Rule:
    return settings.Rule(
        prefix=registry.prefix or registry.location,
        location=registry.location or registry.prefix,
        insecure=registry.insecure,
        blocked=registry.blocked,
        mirrors=tuple(
            settings.Mirror(mirror.location, mirror.insecure, mirror.pull_from_mirror)
            for mirror in registry.mirror
        ),
    )


def _hub_mirrors(configuration: Configuration) -> tuple[settings.Rule, ...]:
    """Docker's ``registry-mirrors``: URLs, for the Hub only; a ``[[registry]]`` of docker.io goes before them."""
    if not configuration.registry_mirrors:
        return ()
    mirrors = []
    for url in configuration.registry_mirrors:
        scheme, _, location = url.rpartition("://")
        mirrors.append(settings.Mirror(location.rstrip("/"), insecure=scheme == "http"))
    return (settings.Rule("docker.io", mirrors=tuple(mirrors)),)


def _complaints(configuration: Configuration) -> list[tuple[Path, str]]:
    """What is of the right type and yet makes no sense."""
    found: list[tuple[Path, str]] = []
    for number, registry in enumerate(configuration.registry):
        place: Path = ("registry", number)
        if not registry.prefix and not registry.location:
            found.append((place, "a registry needs a prefix or a location"))
        locations: list[tuple[Path, str]] = [
            ((*place, "prefix"), registry.prefix),
            ((*place, "location"), registry.location),
            *(
                ((*place, "mirror", n, "location"), one.location or "-")
                for n, one in enumerate(registry.mirror)
            ),
        ]
        found += [
            (path, f"{value!r} is not HOST[:PORT][/PATH]")
            for path, value in locations
            if value and not _LOCATION.fullmatch(value)
        ]
    for table, values in (("limits", configuration.limits), ("transfers", configuration.transfers)):
        for key, value in msgspec.to_builtins(values).items():
            if value <= 0:
                found.append(((table, key), f"{key} must be more than 0"))
    for key, value in msgspec.to_builtins(configuration.builder.gc).items():
        try:
            parse_amount(str(0) if isinstance(value, bool) else value, 0)
        except InvalidArgument as error:
            found.append((("builder", "gc", key), error.message))
    return found


def cache_limits(configuration: Configuration) -> CacheLimits:
    """What the builder is given."""
    gc = configuration.builder.gc
    return CacheLimits(gc.enabled, gc.reserved_space, gc.max_used_space, gc.min_free_space)


def _explain(error: msgspec.ValidationError, values: dict[str, Any]) -> tuple[Path, str]:
    """The place of a mistake, and its reason without the place."""
    match = _PLACE.match(str(error))
    assert match is not None
    steps = [name or index for name, index in _STEP.findall(match["path"] or "")]
    unknown = _UNKNOWN.match(match["reason"])
    place = _numbered(tuple(steps), values)
    if unknown:
        return (*place, unknown["name"]), f"unknown key {unknown['name']}"
    return place, match["reason"][:1].lower() + match["reason"][1:]


def _numbered(steps: tuple[str, ...], values: dict[str, Any]) -> Path:
    """Msgspec does not say which element of an array it is: the first that is wrong alone."""
    place: list[str | int] = []
    found: Any = values
    kinds: dict[str, type[msgspec.Struct]] = {
        "registry": Registry,
        "mirror": Mirror,
        "publisher": TrustPublisher,
        "rule": TrustRule,
    }
    for position, step in enumerate(steps):
        if not step.startswith(".") and not step.isdecimal():
            place.append(step)
            found = found.get(step) if isinstance(found, dict) else None
            continue
        kind = kinds.get(str(steps[position - 1])) if position else None
        index = _first_wrong(found, kind) if kind else None
        if index is None:
            return tuple(place)
        place.append(index)
        found = found[index]
    return tuple(place)


def _first_wrong(items: Any, kind: type[msgspec.Struct]) -> int | None:
    for index, item in enumerate(items if isinstance(items, list) else []):
        try:
            msgspec.convert(item, kind)
        except msgspec.ValidationError:
            return index
    return None


def _refusal(name: str, text: str, place: Path, reason: str) -> InvalidArgument:
    line = find_line(text, place)
    where = f"{name}, line {line}" if line else name
    what = ".".join(str(step) for step in place if isinstance(step, str))
    said = f"{what}: {reason}" if what and not reason.startswith("unknown key") else reason
    return InvalidArgument(f"{where}: {said}", hint="docs/configuration.md describes the keys")
