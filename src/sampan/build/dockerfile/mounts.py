# SPDX-License-Identifier: Apache-2.0
"""``RUN --mount=…``: one mount's comma-separated fields."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sampan.build.dockerfile.location import Misuse
from sampan.build.dockerfile.nearest import suggest

_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_BARE = frozenset({"readonly", "readwrite", "required"})
_VALUED = frozenset(
    {"type", "from", "source", "target", "id", "sharing", "mode", "uid", "gid", "env", "size"}
)
_KEYS = _BARE | _VALUED | frozenset(_ALIASES)
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_SIZE_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class MountKind(StrEnum):
    """What is mounted."""

    BIND = "bind"
    CACHE = "cache"
    TMPFS = "tmpfs"
    SECRET = "secret"  # noqa: S105 - a kind, not a password
    SSH = "ssh"


class Sharing(StrEnum):
    """How builds at the same time use one cache mount."""

    SHARED = "shared"
    PRIVATE = "private"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class RunMount:
    """One mount of a RUN step, as the Dockerfile says it."""

    kind: MountKind = MountKind.BIND
    source_stage: str = ""
    source: str = ""
    target: str = ""
    readonly: bool = True
    required: bool = False
    id: str = ""
    sharing: Sharing = Sharing.SHARED
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str = ""
    size_bytes: int = 0


def parse_mount(text: str, expand: Callable[[str], str] = lambda word: word) -> RunMount:
    """The mount that the fields describe; Misuse with the reason when they contradict each other."""
    fields = _split_fields(text)
    raw = {key: value for key, value in fields if value is not None}
    if "$" in raw.get("from", ""):
        raise Misuse("'from' doesn't support variable expansion, define alias stage instead")
    kind = _kind(expand(raw.get("type", "bind")))
    values = {key: None if value is None else expand(value) for key, value in fields}
    mount = RunMount(
        kind=kind,
        source_stage=values.get("from") or "",
        source=values.get("source") or "",
        target=values.get("target") or "",
        readonly=_readonly(values, kind),
        required=_truth(values, "required", default=False),
        id=values.get("id") or "",
        sharing=_sharing(values.get("sharing")),
        mode=_number(values, "mode", 8),
        uid=_number(values, "uid", 10),
        gid=_number(values, "gid", 10),
        env=values.get("env") or "",
        size_bytes=_size(values.get("size")),
    )
    _check(mount, values)
    return mount


def _split_fields(text: str) -> list[tuple[str, str | None]]:
    try:
        row = next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration):
        raise Misuse(f"failed to parse csv mounts: {text}") from None
    fields: list[tuple[str, str | None]] = []
    for item in row:
        key, found, value = item.partition("=")
        key = key.lower()
        if key not in _KEYS:
            raise Misuse(f"unexpected key '{key}' in '{item}'{suggest(key, _KEYS)}")
        key = _ALIASES.get(key, key)
        if not found and key not in _BARE:
            raise Misuse(f"invalid field '{item}' must be a key=value pair")
        fields.append((key, value if found else None))
    return fields


def _kind(text: str) -> MountKind:
    try:
        return MountKind(text.lower())
    except ValueError:
        raise Misuse(f'unsupported mount type "{text}"{suggest(text, list(MountKind))}') from None


def _sharing(text: str | None) -> Sharing:
    try:
        return Sharing((text or "shared").lower())
    except ValueError:
        raise Misuse(f'unsupported sharing value "{text}"{suggest(text or "", list(Sharing))}') from None


def _readonly(values: dict[str, str | None], kind: MountKind) -> bool:
    if "readonly" in values:
        return _truth(values, "readonly", default=True)
    if "readwrite" in values:
        return not _truth(values, "readwrite", default=True)
    return kind not in (MountKind.CACHE, MountKind.TMPFS)


def _truth(values: dict[str, str | None], key: str, *, default: bool) -> bool:
    if key not in values:
        return default
    value = values[key]
    if value is None or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise Misuse(f"invalid value for {key}: {value}")


def _number(values: dict[str, str | None], key: str, base: int) -> int | None:
    value = values.get(key)
    if value is None:
        return None
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32 or not value.isalnum():
        raise Misuse(f"invalid value {value} for {key}")
    return number


def _size(text: str | None) -> int:
    if text is None:
        return 0
    digits = text.lower().removesuffix("ib").removesuffix("b")
    unit = digits.lstrip("0123456789.")
    try:
        return int(float(digits.removesuffix(unit)) * _SIZE_UNITS[unit])
    except (ValueError, KeyError):
        raise Misuse(f"invalid value for size: {text}") from None


def _check(mount: RunMount, values: dict[str, str | None]) -> None:
    owned = mount.kind in (MountKind.SECRET, MountKind.SSH, MountKind.CACHE)
    for key in ("mode", "uid", "gid"):
        if values.get(key) is not None and not owned:
            raise Misuse(f'{key} not allowed for "{mount.kind}" type mounts')
    if "required" in values and mount.kind not in (MountKind.SECRET, MountKind.SSH):
        raise Misuse(f"unexpected key 'required' for mount type '{mount.kind}'")
    if "sharing" in values and mount.kind is not MountKind.CACHE:
        raise Misuse(f"invalid cache sharing set for {mount.kind} mount")
    if "size" in values and mount.kind is not MountKind.TMPFS:
        raise Misuse(f"unexpected key 'size' for mount type '{mount.kind}'")
    if mount.kind is MountKind.SECRET:
        _check_secret(mount)
    elif mount.env:
        raise Misuse(f"unexpected key 'env' for mount type '{mount.kind}'")
    if mount.kind in (MountKind.BIND, MountKind.CACHE, MountKind.TMPFS) and not mount.target:
        raise Misuse('invalid mount target "/"')


def _check_secret(mount: RunMount) -> None:
    if mount.source_stage:
        raise Misuse("secret mount should not have a from")
    if not (mount.source or mount.target or mount.id):
        raise Misuse("invalid secret mount. one of source, target required")
    if mount.source and mount.id:
        raise Misuse("both source and id can't be set")
