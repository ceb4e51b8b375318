# SPDX-License-Identifier: Apache-2.0
"""How much the build cache may take, as a person sets it (pure): bytes, or a share of the disk.

Source: BuildKit's garbage collection (`reservedSpace`, `maxUsedSpace`, `minFreeSpace`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.build.cache_choice import CacheChoice
from sampan.errors import InvalidArgument

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_BYTE_SUFFIXES = ("ib", "b")


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """After a build the longest unused goes, until these hold; ``0`` is no limit.

    `max_used` is what results may take, `min_free` what the disk is to have left; `reserved` stays in any case.
    """

    enabled: bool = True
    reserved: str = "10%"
    max_used: str = "60%"
    min_free: str = "20%"

    def choice(self, disk_bytes: int) -> CacheChoice:
        """What a sweep may take: only results that no image needs."""
        return CacheChoice(
            shared=False,
            reserved_bytes=parse_amount(self.reserved, disk_bytes),
            max_used_bytes=parse_amount(self.max_used, disk_bytes),
            min_free_bytes=parse_amount(self.min_free, disk_bytes),
        )


def parse_amount(text: str, whole_bytes: int) -> int:
    """``20GB``, ``512m`` or ``10%`` of the whole; powers of 1024."""
    word = text.strip().lower()
    try:
        if word.endswith("%"):
            share = float(word[:-1])
            if 0 <= share <= 100:
                return int(whole_bytes * share / 100)
            raise ValueError
        for suffix in _BYTE_SUFFIXES:
            word = word.removesuffix(suffix)
        unit = word[-1:] if word[-1:] in _UNITS else ""
        number = float(word.removesuffix(unit))
        if number < 0:
            raise ValueError
        return int(number * _UNITS[unit])
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"invalid amount {text!r}: expected a size such as 20GB, or a share such as 10%"
        ) from None
