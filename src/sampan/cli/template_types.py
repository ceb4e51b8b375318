# SPDX-License-Identifier: Apache-2.0
"""What Docker's Go types say of fields where the Engine API's JSON is silent.

Docker runs a template on its own structs, where a nil map prints ``map[]``, a nil slice ``[]``, an omitted
string nothing, and an omitted pointer is false in ``{{if .State.Health}}``. JSON has null for all of them or
leaves them out; this table, by field name, brings the difference back.
"""

from __future__ import annotations

from sampan.cli.template_format import NO_VALUE, Struct

_STRING_MAPS = frozenset(
    ["Annotations", "Data", "DriverOpts", "Labels", "LogOpts", "Options", "StorageOpt", "Sysctls", "Tmpfs"]
)
_MAPS = _STRING_MAPS.union(
    ["Containers", "ExposedPorts", "Networks", "PortBindings", "Ports", "Status", "Volumes"]
)
_OPTIONAL_SLICES = frozenset(
    [
        "Aliases",
        "CapAdd",
        "CapDrop",
        "Cmd",
        "Entrypoint",
        "Env",
        "ExecIDs",
        "IPAMConfig",
        "Mounts",
        "OnBuild",
        "Shell",
    ]
)
_OPTIONAL_STRINGS = frozenset(
    [
        "ArgsEscaped",
        "Author",
        "CgroupParent",
        "Comment",
        "Domainname",
        "Isolation",
        "MacAddress",
        "Runtime",
        "StopSignal",
        "Type",
        "Variant",
        "VolumeDriver",
    ]
)
_OPTIONAL_POINTERS = frozenset(
    [
        "Health",
        "Healthcheck",
        "ImageManifestDescriptor",
        "Init",
        "Node",
        "SizeRootFs",
        "SizeRw",
        "StopTimeout",
        "UsageData",
    ]
)
_POINTERS = _OPTIONAL_POINTERS.union(["MemorySwappiness", "OomKillDisable", "PidsLimit"])


class StringMap(dict[str, str]):
    """A map[string]string: a missing key is no error, ``index`` gives the empty string for it."""

    zero = ""


class Map(dict[str, object]):
    """Any other map with keys of the user's."""

    zero = NO_VALUE


class NilMap(StringMap):
    """A map that is null."""


class NilSlice(list[object]):
    """A slice that is null."""


def typed_value(name: str, value: object) -> object:
    """A field's value with what the type of a field of this name adds to it."""
    if isinstance(value, dict) and name in _MAPS and not hasattr(value, "go_type"):
        if name in _STRING_MAPS:
            return StringMap(value)
        return Map({key: _element(item) for key, item in value.items()})
    if value is None:
        return NilMap() if name in _MAPS else None if name in _POINTERS else NilSlice()
    return value


def _element(value: object) -> object:
    """An element of a map: the struct of a port or a volume, or the bindings of a port."""
    if isinstance(value, dict):
        return Struct(value)
    if isinstance(value, list):
        return [_element(item) for item in value]
    return NilSlice() if value is None else value


def absent_value(name: str) -> object:
    """The zero value of a field that Docker leaves out of the JSON, NO_VALUE for a name that is no field."""
    if name in _MAPS:
        return NilMap()
    if name in _OPTIONAL_SLICES:
        return NilSlice()
    if name in _OPTIONAL_STRINGS:
        return ""
    return None if name in _OPTIONAL_POINTERS else NO_VALUE
