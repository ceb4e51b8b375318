# SPDX-License-Identifier: Apache-2.0
"""The configuration file of ``sampan registry serve``: TOML, every key known, mistakes named with their line.

docs/registry.md describes the keys. Relative paths are below the file's folder. What is read here becomes a `Plan`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from sampan.daemon.toml_lines import find_line
from sampan.errors import InvalidArgument
from sampan.registry import settings
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.proxies import proxy_variables
from sampan.registry.server.access.rules import AccessRule, Rules
from sampan.registry.server.protocol.call import Limits
from sampan.registry.server.storage.collect import Grace
from sampan.registry.server.storage.quota import Quotas
from sampan.registry.server.storage.retention import RetentionRule
from sampan.registry.server.upkeep import Upkeep
from sampan.registry.server.upstream import CacheRule
from sampan.registry.server.worker import Certificate, Plan, TokenPlan

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d{1,15})\s*([kKMGT]i?)?B?")
_SCALES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_PLACE = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_NAME = re.compile(r"\.([^.\[\]]+)")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")

# A cache has a client waiting, and often something to serve instead.
_PATIENCE = settings.Patience(connect_s=5.0, stall_s=30.0, attempts=2, first_delay_s=0.2)

Action = Literal["pull", "push", "delete"]
Keys = tuple[str | int, ...]


class TLS(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[tls]``: PEM files."""

    certificate: str
    key: str


class AcceptedIssuer(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[[auth.token.accept]]``: somebody else's tokens."""

    issuer: str
    key: str


class Token(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[auth.token]``: the registry's own token server."""

    service: str = "registry"
    issuer: str = "sampan"
    realm: str = ""
    key: str = ""
    lifetime: str = "5m"
    accept: tuple[AcceptedIssuer, ...] = ()


class Auth(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[auth]``."""

    htpasswd: str = ""
    token: Token | None = None


class Access(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[[access]]``."""

    repository: str = "*"
    allow: tuple[Action, ...] = ("pull",)
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    authenticated: bool = False
    anonymous: bool = False


class RepositoryQuota(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[[quota.repository]]``."""

    match: str
    limit: str


class Quota(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[quota]``."""

    total: str = ""
    repository: tuple[RepositoryQuota, ...] = ()


class Garbage(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[garbage]``."""

    interval: str = "1h"
    grace: str = "1h"
    uploads: str = "1d"
    untagged: str = ""


class Retention(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[[retention]]``."""

    repository: str = "*"
    tags: tuple[str, ...] = ("*",)
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")
    keep_last: int | None = None
    max_age: str = ""


class Cache(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[[cache]]``."""

    upstream: str
    prefix: str = ""
    expiry: str = "1h"
    username: str = ""
    password_file: str = ""
    insecure: bool = False


class ServerLimits(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """``[limits]``."""

    manifest_size: str = "4MiB"
    stall_timeout: str = "60s"
    idle_timeout: str = "30s"


class ServerConfiguration(msgspec.Struct, rename="kebab", forbid_unknown_fields=True, frozen=True):
    """The whole file; an empty one is valid where flags say the rest."""

    listen: str = ""
    root: str = ""
    workers: int = 0
    access_log: str = "stderr"
    pages: bool = True
    metrics: bool = True
    tls: TLS | None = None
    auth: Auth = Auth()
    groups: dict[str, tuple[str, ...]] = {}
    access: tuple[Access, ...] = ()
    quota: Quota = Quota()
    garbage: Garbage = Garbage()
    retention: tuple[Retention, ...] = ()
    cache: tuple[Cache, ...] = ()
    limits: ServerLimits = ServerLimits()


class _Mistake(Exception):  # noqa: N818 - never leaves this module
    """What is of the right type and yet makes no sense."""

    def __init__(self, place: Keys, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


def read_server_configuration(path: str) -> tuple[ServerConfiguration, str]:
    """The file and its text; a mistake is refused with its line."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
    except OSError as error:
        raise InvalidArgument(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path}: not UTF-8") from None
    return parse_server_configuration(text, path), text


def parse_server_configuration(text: str, name: str) -> ServerConfiguration:
    """Read a document; `name` is what errors call it."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{name}: {error}") from None
    try:
        return msgspec.convert(values, ServerConfiguration)
    except msgspec.ValidationError as error:
        place, reason = _locate(error, values)
        raise _refusal(name, text, place, reason) from None


def plan_server(
    configuration: ServerConfiguration, text: str, name: str, root: str, environ: Mapping[str, str]
) -> Plan:
    """What the registry is given; `text` is what the configuration was read from, `name` its path."""
    folder = os.path.dirname(os.path.abspath(name))
    try:
        return _plan(configuration, folder, root, environ)
    except _Mistake as mistake:
        raise _refusal(name, text, mistake.place, mistake.reason) from None


def _plan(source: ServerConfiguration, folder: str, root: str, environ: Mapping[str, str]) -> Plan:
    def below(path: str) -> str:
        return os.path.join(folder, path) if path else ""

    if source.auth.token is None and not source.auth.htpasswd and source.access:
        raise _Mistake(("access", 0), "rules need [auth], or nobody can be told from anybody")
    return Plan(
        root=root,
        limits=Limits(
            manifest_bytes=_size(source.limits.manifest_size, ("limits", "manifest-size")),
            stall_s=_seconds(source.limits.stall_timeout, ("limits", "stall-timeout")),
            head_s=_seconds(source.limits.idle_timeout, ("limits", "idle-timeout")),
            grace_s=_seconds(source.garbage.grace, ("garbage", "grace")),
        ),
        certificate=Certificate(below(source.tls.certificate), below(source.tls.key)) if source.tls else None,
        htpasswd=below(source.auth.htpasswd),
        tokens=_token_plan(source.auth.token, folder) if source.auth.token else None,
        rules=_rules(source),
        quotas=_quotas(source.quota),
        upkeep=_upkeep(source),
        caches=[_cache(cache, ("cache", number), folder) for number, cache in enumerate(source.cache)],
        upstream_settings=settings.Settings(
            insecure=tuple(cache.upstream.partition("/")[0] for cache in source.cache if cache.insecure),
            environment=proxy_variables(environ),
            patience=_PATIENCE,
        ),
        access_log={"stderr": "", "none": None}.get(source.access_log, below(source.access_log)),
        has_pages=source.pages,
        has_metrics=source.metrics,
    )


def _token_plan(token: Token, folder: str) -> TokenPlan:
    return TokenPlan(
        service=token.service,
        issuer=token.issuer,
        realm=token.realm,
        key=os.path.join(folder, token.key) if token.key else "",
        lifetime_s=_seconds(token.lifetime, ("auth", "token", "lifetime")),
        accepted=[(one.issuer, os.path.join(folder, one.key)) for one in token.accept],
    )


def _rules(source: ServerConfiguration) -> Rules:
    if not source.access:
        return Rules(groups=source.groups)
    for number, access in enumerate(source.access):
        if not (access.users or access.groups or access.authenticated or access.anonymous):
            reason = "a rule is for users, groups, authenticated or anonymous"
            raise _Mistake(("access", number), reason)
        unknown = sorted(set(access.groups) - set(source.groups))
        if unknown:
            raise _Mistake(("access", number, "groups"), f"there is no group {unknown[0]!r}")
    return Rules(
        [
            AccessRule(one.repository, one.allow, one.users, one.groups, one.anonymous, one.authenticated)
            for one in source.access
        ],
        source.groups,
    )


def _quotas(quota: Quota) -> Quotas:
    return Quotas(
        _size(quota.total, ("quota", "total")) if quota.total else None,
        [
            (one.match, _size(one.limit, ("quota", "repository", number, "limit")))
            for number, one in enumerate(quota.repository)
        ],
    )


def _upkeep(source: ServerConfiguration) -> Upkeep:
    garbage = source.garbage
    return Upkeep(
        interval_s=_seconds(garbage.interval, ("garbage", "interval")),
        grace=Grace(
            _seconds(garbage.grace, ("garbage", "grace")),
            _seconds(garbage.uploads, ("garbage", "uploads")),
            _seconds(garbage.untagged, ("garbage", "untagged")) if garbage.untagged else None,
        ),
        retention=[_retention(rule, ("retention", number)) for number, rule in enumerate(source.retention)],
    )


def _retention(rule: Retention, place: Keys) -> RetentionRule:
    if rule.keep_last is None and not rule.max_age:
        raise _Mistake(place, "a rule needs keep-last or max-age")
    if rule.keep_last is not None and rule.keep_last < 0:
        raise _Mistake((*place, "keep-last"), "keep-last must not be negative")
    age = _seconds(rule.max_age, (*place, "max-age")) if rule.max_age else None
    return RetentionRule(rule.repository, rule.tags, rule.except_, rule.keep_last, age)


def _cache(cache: Cache, place: Keys, folder: str) -> CacheRule:
    registry, _, path = cache.upstream.partition("/")
    if not registry or "://" in cache.upstream:
        raise _Mistake((*place, "upstream"), f"{cache.upstream!r} is not HOST[:PORT][/PATH]")
    credentials = ANONYMOUS
    if cache.username:
        credentials = Credentials(
            cache.username, _read_secret(os.path.join(folder, cache.password_file), place)
        )
    return CacheRule(
        cache.prefix.strip("/"), registry, path, _seconds(cache.expiry, (*place, "expiry")), credentials
    )


def _read_secret(path: str, place: Keys) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        reason = f"{path}: {(error.strerror or str(error)).lower()}"
        raise _Mistake((*place, "password-file"), reason) from error


def parse_duration(text: str) -> float | None:
    """``90s``, ``10m``, ``1.5h``, ``7d``, ``2w``; None for anything else."""
    match = _DURATION.fullmatch(text.strip())
    return float(match[1]) * _SECONDS[match[2]] if match else None


def parse_size(text: str) -> int | None:
    """``4MiB``, ``10GB``, ``4096``; None for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    unit = (match[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    scale: int = base ** _SCALES[unit.removesuffix("i")]
    return int(match[1]) * scale


def _seconds(text: str, place: Keys) -> float:
    value = parse_duration(text)
    if value is None:
        raise _Mistake(place, f"{text!r} is not a time like 90s, 10m, 1h or 7d")
    return value


def _size(text: str, place: Keys) -> int:
    value = parse_size(text)
    if value is None:
        raise _Mistake(place, f"{text!r} is not a size like 500MB or 10GiB")
    return value


def _locate(error: msgspec.ValidationError, values: dict[str, Any]) -> tuple[Keys, str]:
    """The place of a mistake, and its reason. Which table of an array it is in, msgspec does not say."""
    match = _PLACE.match(str(error))
    assert match is not None
    place: list[str | int] = []
    found: Any = values
    for name in _NAME.findall(match["path"] or ""):
        if name == "..":
            continue
        place.append(name)
        found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, list) and any(isinstance(item, dict) for item in found):
            number = next((n for n, item in enumerate(found) if not _converts(place, item)), 0)
            place.append(number)
            found = found[number]
    unknown = _UNKNOWN.match(match["reason"])
    if unknown:
        return (*place, unknown["name"]), f"unknown key {unknown['name']}"
    return tuple(place), match["reason"][:1].lower() + match["reason"][1:]


def _converts(place: list[str | int], item: object) -> bool:
    """Whether one table of an array is right by itself: asked by a document that holds nothing else."""
    document: object = [item]
    for name in reversed([step for step in place if isinstance(step, str)]):
        document = {name: document}
    try:
        msgspec.convert(document, ServerConfiguration)
    except msgspec.ValidationError:
        return False
    return True


def _refusal(name: str, text: str, place: Keys, reason: str) -> InvalidArgument:
    line = find_line(text, place)
    where = f"{name}, line {line}" if line else name
    what = ".".join(str(step) for step in place if isinstance(step, str))
    said = f"{what}: {reason}" if what and not reason.startswith("unknown key") else reason
    return InvalidArgument(f"{where}: {said}", hint="docs/registry.md describes the keys")
