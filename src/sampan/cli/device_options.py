# SPDX-License-Identifier: Apache-2.0
"""``--device``, ``--gpus`` and the throttles of block devices as the Engine API's Resources."""

from __future__ import annotations

from sampan.cli.mounts import split_csv
from sampan.cli.sizes import read_flag
from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    Fields: TypeAlias = dict[str, object]


def plan_devices(words: Iterable[str]) -> tuple[list[Fields], list[Fields]]:
    """Devices, and the DeviceRequests that names of the Container Device Interface make."""
    devices: list[Fields] = []
    cdi: list[str] = []
    for word in words:
        if _is_cdi(word):
            cdi.append(word)
        else:
            devices.append(parse_device(word))
    return devices, [{"Driver": "cdi", "DeviceIDs": cdi}] if cdi else []


def _is_cdi(word: str) -> bool:
    """``vendor.com/class=name``."""
    kind, equals, name = word.partition("=")
    vendor, slash, device_class = kind.partition("/")
    return bool(equals and slash and vendor and device_class and name) and not word.startswith("/")


def parse_device(word: str) -> Fields:
    """``/dev/a[:/dev/b][:rwm]``."""
    parts = word.split(":")
    if len(parts) > 3:
        raise InvalidArgument(f"bad format for path: {word}")
    if len(parts) == 3 and not _is_mode(parts[2]):
        raise InvalidArgument(f"bad mode specified: {parts[2]}")
    target, mode = "", parts[2] if len(parts) == 3 else "rwm"
    if len(parts) > 1:
        if len(parts) == 2 and _is_mode(parts[1]):
            mode = parts[1]
        else:
            target = parts[1]
    for path in (parts[0], target or parts[0]):
        if not path.startswith("/"):
            raise InvalidArgument(f"{path} is not an absolute path")
    return {"PathOnHost": parts[0], "PathInContainer": target or parts[0], "CgroupPermissions": mode}


def _is_mode(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def parse_device_rule(word: str) -> str:
    """``c 10:200 rwm``, the engine's to apply."""
    kind, _, rest = word.partition(" ")
    numbers, _, mode = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    known = kind in ("a", "b", "c") and bool(colon) and _is_number(major) and _is_number(minor)
    if not known or not _is_mode(mode):
        raise InvalidArgument(f"invalid device cgroup format '{word}'")
    return word


def _is_number(text: str) -> bool:
    return text == "*" or text.isdecimal()


def plan_throttles(flag: str, words: Iterable[str], parse: Callable[[str], Fields]) -> list[Fields]:
    """All occurrences of one of the block device flags."""
    return [read_flag(flag, word, parse) for word in words]


def parse_weight_device(word: str) -> Fields:
    """``/dev/sda:500``."""
    path, number = _device_and_value(word)
    if not number.isdecimal() or not (int(number) == 0 or 10 <= int(number) <= 1000):
        raise InvalidArgument(f"invalid weight for device: {word}")
    return {"Path": path, "Weight": int(number)}


def parse_rate_device(word: str) -> Fields:
    """``/dev/sda:1mb``, bytes a second."""
    path, number = _device_and_value(word)
    try:
        return {"Path": path, "Rate": parse_size(number)}
    except InvalidArgument:
        raise InvalidArgument(
            f"invalid rate for device: {word}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def parse_operations_device(word: str) -> Fields:
    """``/dev/sda:1000``, operations a second."""
    path, number = _device_and_value(word)
    if not number.isdecimal():
        raise InvalidArgument(
            f"invalid rate for device: {word}. The correct format is <device-path>:<number>. "
            "Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(number)}


def _device_and_value(word: str) -> tuple[str, str]:
    path, colon, value = word.partition(":")
    if not colon or not path:
        raise InvalidArgument(f"bad format: {word}")
    if not path.startswith("/dev/"):
        raise InvalidArgument(f"bad format for device path: {word}")
    return path, value


def parse_gpus(word: str) -> Fields:
    """``all``, ``2`` or ``device=0,capabilities=utility``."""
    request: Fields = {"Driver": "", "Count": 0}
    capabilities: list[str] = []
    seen: set[str] = set()
    for field in split_csv(word):
        name, equals, value = field.partition("=")
        name, value = (name, value) if equals else ("count", field)
        if name in seen:
            raise InvalidArgument(f"gpu request key '{name}' can be specified only once")
        seen.add(name)
        if name == "capabilities":
            capabilities = value.split(",")
        else:
            _set_gpu(request, name, value, field)
    if "count" not in seen and "device" not in seen:
        request["Count"] = 1
    request["Capabilities"] = [capabilities if "gpu" in capabilities else [*capabilities, "gpu"]]
    return request


def _set_gpu(request: Fields, name: str, value: str, field: str) -> None:
    if name == "driver":
        request["Driver"] = value
    elif name == "count":
        request["Count"] = -1 if value == "all" else _gpu_count(value)
    elif name == "device":
        request["DeviceIDs"] = value.split(",")
    elif name == "options":
        pairs = (option.partition("=") for option in split_csv(value))
        request["Options"] = {key: text for key, _, text in pairs}
    else:
        raise InvalidArgument(f"unexpected key '{name}' in '{field}'")


def _gpu_count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(
            f'invalid count ({text}): value must be either "all" or an integer: invalid syntax'
        ) from None
