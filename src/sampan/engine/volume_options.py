# SPDX-License-Identifier: Apache-2.0
"""Options of the `local` volume driver: `type`, `device` and `o`, as mount(8) takes them (pure).

Source: docker volume create reference; moby `volume/local`. Nothing is mounted on the host: the container's
runtime mounts the file system for that container alone. So containers share what has a device (nfs, a folder, a
disk), but each has a tmpfs of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from sampan.engine.model import MountPoint
from sampan.errors import InvalidArgument

KNOWN = ("type", "device", "o", "size")
REQUIRED = {"device": ("type",), "type": ("device",), "o": ("device", "type")}
BIND_WORDS = frozenset({"bind", "rbind"})


def check_driver_options(volume: str, options: Mapping[str, str]) -> None:
    """Refuse what Docker refuses, in its words."""
    for name in options:
        if name not in KNOWN:
            raise InvalidArgument(f'create {volume}: invalid option: "{name}"')
    if "size" in options:
        raise InvalidArgument(f"create {volume}: quota size requested but no quota support")
    for name, needed in REQUIRED.items():
        for other in needed if options.get(name) else ():
            if not options.get(other):
                raise InvalidArgument(f'create {volume}: missing required option: "{other}"')
    if options.get("type") == "none" and not BIND_WORDS & set(split_options(options)):
        raise InvalidArgument('option "type=none" needs "o=bind": a folder of the host')


def split_options(options: Mapping[str, str]) -> list[str]:
    """The words of `o`."""
    return [word for word in options.get("o", "").split(",") if word]


def apply_driver_options(point: MountPoint, options: Mapping[str, str]) -> None:
    """Have a mount point mount what the volume stands for, instead of its folder."""
    if not options.get("type"):
        return
    words = split_options(options)
    point.device = options["device"]
    point.options = [word for word in words if word not in BIND_WORDS]
    point.filesystem = "bind" if BIND_WORDS & set(words) else options["type"]
    if point.filesystem == "bind":
        point.recursive = "rbind" in words
    elif point.subpath:
        raise InvalidArgument(f"volume {point.name}: volume-subpath needs a folder of the host")
