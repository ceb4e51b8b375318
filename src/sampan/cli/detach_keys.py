# SPDX-License-Identifier: Apache-2.0
"""The keys that leave a container running: parse ``ctrl-p,ctrl-q`` and find them in what is typed.

Implements: moby/term ToBytes and its escape proxy. A beginning of the sequence is held back until the next
key shows whether it goes on.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

DEFAULT_KEYS = "ctrl-p,ctrl-q"

_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def parse_keys(text: str) -> bytes:
    """The bytes of a comma-separated list of keys: ``ctrl-a`` to ``ctrl-z``, ``ctrl-@[]^_``, a letter."""
    return bytes(_parse_key(key, text) for key in text.split(","))


def _parse_key(key: str, text: str) -> int:
    if len(key) == 1 and ord(key) < 0x80:
        return ord(key)
    name = key.removeprefix("ctrl-")
    if len(key) == len("ctrl-") + 1 and len(name) == 1:
        if "a" <= name <= "z":
            return ord(name) - ord("a") + 1
        if name in _CONTROL:
            return _CONTROL[name]
    raise InvalidArgument(f"invalid escape keys ({text}): Unknown character: '{key}'")


class DetachFilter:
    """Passes typed bytes on; `found` is true once the whole sequence was typed."""

    __slots__ = ("_keys", "_matched", "found")

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0
        self.found = False

    def feed(self, data: bytes) -> bytes:
        """What to send of this; nothing of what follows the sequence."""
        if not self._keys:
            return data
        if not self._matched and self._keys[0] not in data:
            return data
        passed = bytearray()
        for byte in data:
            if byte == self._keys[self._matched]:
                self._matched += 1
                if self._matched == len(self._keys):
                    self.found = True
                    break
                continue
            passed += self._keys[: self._matched]
            self._matched = 0
            if byte == self._keys[0]:
                self._matched = 1
            else:
                passed.append(byte)
        return bytes(passed)
