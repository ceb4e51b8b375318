# SPDX-License-Identifier: Apache-2.0
"""Passwords: Apache's htpasswd file with bcrypt, the only one of its hashes that is worth keeping.

Holds: a wrong password costs as much time as a wrong user. What has been checked is remembered as a keyed hash, as
bcrypt is slow on purpose and a client sends its password with every request; the file is read again when it changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from sampan.errors import InvalidArgument

_MAX_PASSWORD_BYTES = 72
_REMEMBERED = 1024
_CHECKERS = 2
# Of a password that nobody has: checked when the user is unknown.
_NOBODY = b"$2b$10$QF8TtKDIq3DKjTJ1EdZ6nOG5TplU6GO5ASN37JYpujS2hA1pNMmiq"


class PasswordFile:
    """The users of one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._mark: tuple[int, int, int] | None = None
        self._hashes: dict[str, bytes] = {}
        self._secret = os.urandom(32)
        self._checked: OrderedDict[bytes, bytes] = OrderedDict()
        # Few threads: guessing passwords must not take all processors from those who pull.
        self._threads = ThreadPoolExecutor(_CHECKERS, "passwords")
        self._read()

    def has(self, user: str) -> bool:
        """Whether there is such a user now."""
        self._read()
        return user in self._hashes

    async def check(self, user: str, password: str) -> bool:
        """Whether this is the user's password."""
        self._read()
        expected = self._hashes.get(user)
        given = password.encode()
        mark = hmac.digest(self._secret, f"{user}\0".encode() + given, hashlib.sha256)
        if expected is not None and self._checked.get(mark) == expected:
            return True
        if len(given) > _MAX_PASSWORD_BYTES or b"\0" in given:
            return False
        loop = asyncio.get_running_loop()
        is_right = await loop.run_in_executor(self._threads, _compare, given, expected or _NOBODY)
        if not is_right or expected is None:
            return False
        self._checked[mark] = expected
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)
        return True

    def _read(self) -> None:
        try:
            status = os.stat(self._path)
            mark = (status.st_ino, status.st_mtime_ns, status.st_size)
            if mark == self._mark:
                return
            with open(self._path, encoding="utf-8") as file:
                self._hashes = parse_htpasswd(file.read(), self._path)
        except OSError as error:
            raise InvalidArgument(f"{self._path}: {(error.strerror or str(error)).lower()}") from error
        self._mark = mark


def parse_htpasswd(text: str, name: str) -> dict[str, bytes]:
    """Users and hashes; a line that is no bcrypt entry is refused with its number."""
    found: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, value = line.partition(":")
        if not colon or not user or not value.startswith(("$2a$", "$2b$", "$2y$")):
            hint = "htpasswd -B makes entries of bcrypt"
            raise InvalidArgument(f"{name}, line {number}: not USER:HASH with bcrypt", hint=hint)
        found[user] = value.encode()
    return found


def _compare(given: bytes, expected: bytes) -> bool:
    try:
        return bcrypt.checkpw(given, expected)
    except ValueError:  # a hash that is cut off
        return False
