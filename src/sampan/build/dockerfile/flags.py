# SPDX-License-Identifier: Apache-2.0
"""The ``--flags`` of instructions: which there are, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sampan.build.dockerfile.location import Misuse
from sampan.build.dockerfile.nearest import suggest


class FlagKind(StrEnum):
    """How a flag takes its value."""

    TEXT = "text"
    TRUTH = "truth"
    MANY = "many"


_TRANSFER = {
    "chown": FlagKind.TEXT,
    "chmod": FlagKind.TEXT,
    "link": FlagKind.TRUTH,
    "exclude": FlagKind.MANY,
}
FLAGS: Mapping[str, Mapping[str, FlagKind]] = {
    "FROM": {"platform": FlagKind.TEXT},
    "COPY": {**_TRANSFER, "from": FlagKind.TEXT, "parents": FlagKind.TRUTH},
    "ADD": {
        **_TRANSFER,
        "checksum": FlagKind.TEXT,
        "keep-git-dir": FlagKind.TRUTH,
        "unpack": FlagKind.TRUTH,
    },
    "RUN": {
        "mount": FlagKind.MANY,
        "network": FlagKind.TEXT,
        "security": FlagKind.TEXT,
        "device": FlagKind.MANY,
    },
    "HEALTHCHECK": {
        "interval": FlagKind.TEXT,
        "timeout": FlagKind.TEXT,
        "start-period": FlagKind.TEXT,
        "start-interval": FlagKind.TEXT,
        "retries": FlagKind.TEXT,
    },
}


class Flags:
    """The flags of one instruction, checked against those it knows."""

    def __init__(self, instruction: str, words: list[str]) -> None:
        known = FLAGS.get(instruction, {})
        self._values: dict[str, list[str]] = {}
        for word in words:
            name, has_value, value = word[2:].partition("=")
            kind = known.get(name)
            if kind is None:
                raise Misuse(f"unknown flag: --{name}{suggest(name, known)}")
            if name in self._values and kind is not FlagKind.MANY:
                raise Misuse(f"duplicate flag specified: --{name}")
            self._values.setdefault(name, []).append(_value(name, kind, value if has_value else None))

    def text(self, name: str, default: str = "") -> str:
        """The value of a flag that is given once."""
        return self._values.get(name, [default])[0]

    def truth(self, name: str) -> bool | None:
        """Whether a flag is set; None when it is not given."""
        return self._values[name][0] == "true" if name in self._values else None

    def many(self, name: str) -> tuple[str, ...]:
        """The values of a flag that may be given often."""
        return tuple(self._values.get(name, ()))


def _value(name: str, kind: FlagKind, value: str | None) -> str:
    if kind is not FlagKind.TRUTH:
        if value is None:
            raise Misuse(f"missing a value on flag: --{name}")
        return value
    if value is None:
        return "true"
    if value == "":
        raise Misuse(f"missing a value on flag: --{name}")
    if value.lower() not in ("true", "false"):
        raise Misuse(f"expecting boolean value for flag --{name}, not: {value}")
    return value.lower()
