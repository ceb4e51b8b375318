# SPDX-License-Identifier: Apache-2.0
"""The mount option `idmap`: alone, or with numbers as Podman writes them (pure).

`idmap=uids=FROM-TO-COUNT#…;gids=…`: files of FROM on disk are seen as TO's. Without numbers the shim maps the
source's owner to the container's user.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

AUTO = "auto"
Mappings = list[dict[str, int]]


def read_idmap(option: str) -> str:
    """The value of an option `idmap` or `idmap=…`, checked."""
    _, _, value = option.partition("=")
    if not value or value == AUTO:
        return AUTO
    parse_id_maps(value)
    return value


def parse_id_maps(text: str) -> tuple[Mappings, Mappings]:
    """`uids=0-1000-1;gids=0-1000-1` as the runtime-spec's uidMappings and gidMappings."""
    parts = dict(part.partition("=")[::2] for part in text.split(";"))
    if set(parts) != {"uids", "gids"}:
        raise InvalidArgument(f"invalid idmap: {text}: give uids=FROM-TO-COUNT and gids=FROM-TO-COUNT")
    return _parse_ranges(parts["uids"], text), _parse_ranges(parts["gids"], text)


def _parse_ranges(ranges: str, text: str) -> Mappings:
    mappings = []
    for each in ranges.split("#"):
        numbers = each.split("-")
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers) or int(numbers[2]) == 0:
            raise InvalidArgument(f"invalid idmap: {text}: {each!r} is not FROM-TO-COUNT")
        first, seen, size = map(int, numbers)
        mappings.append({"containerID": first, "hostID": seen, "size": size})
    return mappings
