# SPDX-License-Identifier: Apache-2.0
"""The keys that detach a terminal: Docker's notation, and finding them in what is typed.

As in Docker the sequence is looked for only where there is a terminal, keys typed so far are held back
until it is clear that they do not begin it, and an empty sequence cannot be typed.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

DEFAULT_KEYS = "ctrl-p,ctrl-q"

_CONTROL = {f"ctrl-{chr(code + 0x60)}": code for code in range(1, 27)} | {
    "ctrl-@": 0,
    "ctrl-[": 27,
    "ctrl-\\": 28,
    "ctrl-]": 29,
    "ctrl-^": 30,
    "ctrl-_": 31,
    "DEL": 127,
}


def parse_detach_keys(text: str) -> bytes:
    """Parse ``ctrl-p,ctrl-q``, ``ctrl-a,a``, ``DEL`` …: characters or names, separated by commas."""
    codes = bytearray()
    for key in text.split(",") if text else ():
        code = ord(key) if len(key) == 1 else _CONTROL.get(key, -1)
        if not 0 <= code < 0x80:
            raise InvalidArgument(f"invalid detach keys ({text}) provided: unknown character: '{key}'")
        codes.append(code)
    return bytes(codes)


class DetachScanner:
    """Finds a key sequence in a stream that comes in pieces."""

    __slots__ = ("_keys", "_matched")

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what may be passed on, and whether the sequence is complete (the rest is then dropped)."""
        keys, matched = self._keys, self._matched
        if not keys or (not matched and keys[0] not in data):
            return data, False
        passed = bytearray()
        for code in data:
            matched = self._advance(passed, matched, code)
            if matched == len(keys):
                self._matched = 0
                return bytes(passed), True
        self._matched = matched
        return bytes(passed), False

    def _advance(self, passed: bytearray, matched: int, code: int) -> int:
        """Return how many keys match after `code`, passing on those that can no longer be part of a match."""
        typed = self._keys[:matched] + bytes([code])
        while typed and not self._keys.startswith(typed):
            passed.append(typed[0])
            typed = typed[1:]
        return len(typed)
