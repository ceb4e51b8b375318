# SPDX-License-Identifier: Apache-2.0
"""``-v``, ``--mount`` and ``--tmpfs`` as the Engine API's Binds, Volumes, Mounts and Tmpfs.

Words and leniency are docker's: the options of ``-v`` are left to the engine, the keys of ``--mount`` are
checked here. Relative paths that begin with ``.`` are the client's; the engine may run anywhere else.
"""

from __future__ import annotations

import os

from sampan.cli.sizes import read_flag
from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Mount: TypeAlias = dict[str, object]

_TRUE = frozenset(["1", "t", "T", "TRUE", "true", "True"])
_FALSE = frozenset(["0", "f", "F", "FALSE", "false", "False"])
_OPTIONS_OF = {
    "volume": "VolumeOptions",
    "bind": "BindOptions",
    "tmpfs": "TmpfsOptions",
    "image": "ImageOptions",
}


def plan_volumes(words: Iterable[str]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Binds, for what has a source, and anonymous Volumes by target."""
    binds: list[str] = []
    anonymous: dict[str, dict[str, str]] = {}
    for word in words:
        source, rest = _split_volume(word)
        if source:
            binds.append(f"{_from_here(source)}:{rest}")
        else:
            anonymous[word] = {}
    return binds, anonymous


def _split_volume(word: str) -> tuple[str, str]:
    """The source of a ``-v`` and what follows it; no source for an anonymous volume."""
    if not word:
        raise InvalidArgument("invalid empty volume spec")
    if len(word) <= 2:
        return "", word
    sections = word.split(":")
    if not all(sections):
        raise InvalidArgument(f"invalid spec: {word}: empty section between colons")
    if len(sections) > 3:
        raise InvalidArgument(f"invalid spec: {word}: too many colons")
    return (sections[0], ":".join(sections[1:])) if len(sections) > 1 else ("", word)


def _from_here(source: str) -> str:
    return os.path.abspath(source) if source.startswith(".") else source


def plan_tmpfs(words: Iterable[str]) -> dict[str, str]:
    """``/run:rw,size=64m`` as target and options."""
    pairs = (word.partition(":") for word in words)
    return {target: options for target, _, options in pairs}


def parse_mount(word: str) -> Mount:
    """One ``--mount`` as the Engine API's Mount; the reason alone when it is wrong."""
    mount: Mount = {"Type": "volume"}
    for field in split_csv(word):
        name, equals, value = field.partition("=")
        name = name.lower()
        if equals:
            _set_value(mount, name, value, field)
        else:
            _set_switch(mount, name, field)
    _check_mount(mount)
    return mount


def _set_switch(mount: Mount, name: str, field: str) -> None:
    if name in ("readonly", "ro"):
        mount["ReadOnly"] = True
    elif name == "volume-nocopy":
        _options(mount, "volume")["NoCopy"] = True
    elif name == "bind-nonrecursive":
        _options(mount, "bind")["NonRecursive"] = True
    elif name == "bind-create-src":
        _options(mount, "bind")["CreateMountpoint"] = True
    elif name == "idmap":
        _options(mount, "bind")["IdMap"] = "auto"
    else:
        raise InvalidArgument(f"invalid field '{field}' must be a key=value pair")


def _set_value(mount: Mount, name: str, value: str, field: str) -> None:
    if name in _SIMPLE:
        mount[_SIMPLE[name]] = value.lower() if name in ("type", "consistency") else value
    elif name in ("source", "src"):
        mount["Source"] = os.path.abspath(value) if value == "." or value.startswith("./") else value
    elif name in ("readonly", "ro"):
        mount["ReadOnly"] = _boolean(name, value)
    elif name in _IN_OPTIONS:
        kind, key, read = _IN_OPTIONS[name]
        _options(mount, kind)[key] = read(name, value)
    elif name in _IN_MAPS:
        _set_in_map(mount, name, value)
    elif name == "bind-recursive":
        _set_recursive(mount, name, value)
    else:
        raise InvalidArgument(f"unexpected key '{name}' in '{field}'")


def _options(mount: Mount, kind: str) -> Mount:
    return _below(mount, _OPTIONS_OF[kind])


def _below(holder: Mount, key: str) -> Mount:
    inner = holder.setdefault(key, {})
    assert isinstance(inner, dict)
    return inner


def _boolean(name: str, value: str) -> bool:
    if value not in _TRUE and value not in _FALSE:
        raise InvalidArgument(f"invalid value for {name}: {value}")
    return value in _TRUE


def _size(name: str, value: str) -> int:
    try:
        return parse_size(value)
    except InvalidArgument:
        raise InvalidArgument(f"invalid value for {name}: {value}") from None


def _mode(name: str, value: str) -> int:
    try:
        return int(value, 8)
    except ValueError:
        raise InvalidArgument(f"invalid value for {name}: {value}") from None


def _as_is(_name: str, value: str) -> str:
    return value


def _set_in_map(mount: Mount, name: str, value: str) -> None:
    target = _options(mount, "volume")
    for key in _IN_MAPS[name]:
        target = _below(target, key)
    key, _, text = value.partition("=") if name != "volume-driver" else ("Name", "=", value)
    if key:
        target[key] = text


def _set_recursive(mount: Mount, name: str, value: str) -> None:
    if value not in _RECURSIVE:
        raise InvalidArgument(
            f'invalid value for {name}: {value} (must be "enabled", "disabled", "writable", or "readonly")'
        )
    if _RECURSIVE[value]:
        _options(mount, "bind")[_RECURSIVE[value]] = True


_SIMPLE = {
    "type": "Type",
    "target": "Target",
    "dst": "Target",
    "destination": "Target",
    "consistency": "Consistency",
}
_IN_OPTIONS: dict[str, tuple[str, str, Callable[[str, str], object]]] = {
    "bind-propagation": ("bind", "Propagation", lambda _, value: value.lower()),
    "bind-nonrecursive": ("bind", "NonRecursive", _boolean),
    "bind-create-src": ("bind", "CreateMountpoint", _boolean),
    "idmap": ("bind", "IdMap", _as_is),
    "volume-subpath": ("volume", "Subpath", _as_is),
    "volume-nocopy": ("volume", "NoCopy", _boolean),
    "image-subpath": ("image", "Subpath", _as_is),
    "tmpfs-size": ("tmpfs", "SizeBytes", _size),
    "tmpfs-mode": ("tmpfs", "Mode", _mode),
}
_IN_MAPS = {
    "volume-label": ("Labels",),
    "volume-opt": ("DriverConfig", "Options"),
    "volume-driver": ("DriverConfig",),
}
_RECURSIVE = {
    "enabled": "",
    "disabled": "NonRecursive",
    "writable": "ReadOnlyNonRecursive",
    "readonly": "ReadOnlyForceRecursive",
}


def _check_mount(mount: Mount) -> None:
    kind = mount["Type"]
    if not kind:
        raise InvalidArgument("type is required")
    for other, options in _OPTIONS_OF.items():
        if options in mount and other != kind:
            raise InvalidArgument(f"cannot mix '{other}-*' options with mount type '{kind}'")
    bind = mount.get("BindOptions")
    if isinstance(bind, dict):
        _check_recursive(mount, bind)


def _check_recursive(mount: Mount, bind: Mount) -> None:
    for value in ("writable", "readonly"):
        if _RECURSIVE[value] in bind and not mount.get("ReadOnly"):
            raise InvalidArgument(
                f"option 'bind-recursive={value}' requires 'readonly' to be specified in conjunction"
            )
    if "ReadOnlyForceRecursive" in bind and bind.get("Propagation") != "rprivate":
        raise InvalidArgument(
            "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' "
            "to be specified in conjunction"
        )


def plan_mounts(words: Iterable[str]) -> list[Mount]:
    """All ``--mount`` flags."""
    return [read_flag("--mount", word, parse_mount) for word in words]


def split_csv(text: str) -> list[str]:
    """The fields of one comma-separated record: a field in double quotes may hold commas (RFC 4180)."""
    if not text:
        raise InvalidArgument("EOF")
    fields: list[str] = []
    rest: str | None = text
    while rest is not None:
        field, rest = _quoted_field(rest) if rest.startswith('"') else _bare_field(rest)
        fields.append(field)
    return fields


def _bare_field(text: str) -> tuple[str, str | None]:
    field, comma, rest = text.partition(",")
    if '"' in field:
        raise InvalidArgument(
            f'parse error on line 1, column {field.index(chr(34)) + 1}: bare " in non-quoted-field'
        )
    return field, rest if comma else None


def _quoted_field(text: str) -> tuple[str, str | None]:
    parts = []
    rest = text[1:]
    while True:
        part, quote, rest = rest.partition('"')
        parts.append(part)
        if not quote:
            raise InvalidArgument('extraneous or missing " in quoted-field')
        if not rest.startswith('"'):
            break
        parts.append('"')
        rest = rest[1:]
    if rest and not rest.startswith(","):
        raise InvalidArgument('extraneous or missing " in quoted-field')
    return "".join(parts), rest[1:] if rest else None
