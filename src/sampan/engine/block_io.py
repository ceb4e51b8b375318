# SPDX-License-Identifier: Apache-2.0
"""Limits of block devices: HostConfig's Blkio… → OCI runtime-spec `linux.resources.blockIO`.

Docker names devices by their path on the host, the specification by their numbers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from sampan.errors import InvalidArgument
from sampan.schema.container import HostConfig

Numbers = tuple[int, int]


def read_device(path: str) -> Numbers:
    """Major and minor number of a block device."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidArgument(f"{path}: {(error.strerror or '').lower()}") from None
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidArgument(f"{path}: not a block device")
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def plan_block_io(host: HostConfig, find: Callable[[str], Numbers] = read_device) -> dict[str, Any]:
    """The `blockIO` object; only what was asked for appears in it."""
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    planned: dict[str, Any] = {
        "weight": host.blkio_weight,
        "weightDevice": _plan_devices(host.blkio_weight_device, "weight", find),
        "throttleReadBpsDevice": _plan_devices(host.blkio_device_read_bps, "rate", find),
        "throttleWriteBpsDevice": _plan_devices(host.blkio_device_write_bps, "rate", find),
        "throttleReadIOPSDevice": _plan_devices(host.blkio_device_read_iops, "rate", find),
        "throttleWriteIOPSDevice": _plan_devices(host.blkio_device_write_iops, "rate", find),
    }
    return {name: value for name, value in planned.items() if value}


def _plan_devices(
    entries: list[dict[str, Any]] | None, key: str, find: Callable[[str], Numbers]
) -> list[dict[str, int]]:
    """A limit of 0 is none."""
    planned = []
    for entry in entries or ():
        path, value = entry.get("Path", ""), entry.get(key.capitalize(), 0)
        if not isinstance(path, str) or not isinstance(value, int) or value < 0:
            raise InvalidArgument(f"invalid limit of a block device: {entry}")
        if key == "weight" and value and not 10 <= value <= 1000:
            raise InvalidArgument("Range of blkio weight is from 10 to 1000")
        major, minor = find(path)
        if value:
            planned.append({"major": major, "minor": minor, key: value})
    return planned
