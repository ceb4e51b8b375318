# SPDX-License-Identifier: Apache-2.0
"""`--device` and `--device-cgroup-rule`: nodes of the host that a container gets.

Source: docker run reference, "Add host device to container".
"""

from __future__ import annotations

import os
import stat
from typing import Any

from sampan.errors import InvalidArgument
from sampan.schema.container import DeviceMapping, HostConfig


def plan_devices(host: HostConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(nodes, cgroup rules) in the OCI runtime-spec's shape."""
    nodes: list[dict[str, Any]] = []
    rules = [parse_rule(text) for text in host.device_cgroup_rules or ()]
    for mapping in host.devices or ():
        node = _read_node(mapping)
        nodes.append(node)
        rules.append(
            {
                "allow": True,
                "type": node["type"],
                "major": node["major"],
                "minor": node["minor"],
                "access": mapping.cgroup_permissions or "rwm",
            }
        )
    return nodes, rules


def _read_node(mapping: DeviceMapping) -> dict[str, Any]:
    path = mapping.path_on_host
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidArgument(
            f'error gathering device information while adding custom device "{path}": {error.strerror}'.lower()
        ) from None
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise InvalidArgument(
            f'error gathering device information while adding custom device "{path}": not a device node'
        )
    return {
        "path": mapping.path_in_container or path,
        "type": "c" if stat.S_ISCHR(status.st_mode) else "b",
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }


def parse_rule(text: str) -> dict[str, Any]:
    """`c 1:3 rwm`; `*` stands for any number."""
    kind, _, rest = text.partition(" ")
    numbers, _, access = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    if kind not in ("a", "b", "c") or not colon or not access or set(access) - set("rwm"):
        raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
    rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    for name, number in (("major", major), ("minor", minor)):
        if number != "*":
            if not number.isdigit():
                raise InvalidArgument(f"invalid device cgroup rule format: '{text}'")
            rule[name] = int(number)
    return rule
