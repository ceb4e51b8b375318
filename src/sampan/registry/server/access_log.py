# SPDX-License-Identifier: Apache-2.0
"""The access log: a line a request, in Apache's combined form with the seconds at the end.

Lines are collected and written by a thread a few times a second, so that neither a slow disk nor a full pipe holds up a
request.
Holds: what clients send is escaped; a line is one line. A log that cannot be written costs its lines, not the registry.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time

from aiohttp import web

logger = logging.getLogger(__name__)

_EVERY_S = 0.25
_MAX_HELD = 50_000


class AccessLog:
    """Writes to a file, or to standard error where there is no path."""

    def __init__(self, path: str = "") -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o640) if path else 2
        self._held: list[str] = []
        self._is_failing = False

    def add(self, request: web.BaseRequest, user: str, status: int, size: int, seconds: float) -> None:
        """Note one request."""
        if len(self._held) < _MAX_HELD:
            self._held.append(format_line(request, user, status, size, seconds))

    async def write_for_ever(self) -> None:
        """Until cancelled; what is held then is written."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(_EVERY_S)
                if self._held:
                    await loop.run_in_executor(None, self.flush)
        finally:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        view = memoryview("".join(held).encode())
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            if not self._is_failing:
                logger.warning("access log: %s; lines are left out", (error.strerror or str(error)).lower())
            self._is_failing = True
        else:
            self._is_failing = False


def format_line(request: web.BaseRequest, user: str, status: int, size: int, seconds: float) -> str:
    """One line."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    what = (
        f"{request.method} {_escape(request.raw_path)} HTTP/{request.version.major}.{request.version.minor}"
    )
    fields = (request.headers.get("Referer", "-"), request.headers.get("User-Agent", "-"))
    said = " ".join(f'"{_escape(field)}"' for field in fields)
    return f'{request.remote or "-"} - {_escape(user) or "-"} [{when}] "{what}" {status} {size} {said} {seconds:.3f}\n'


def _escape(text: str) -> str:
    return "".join(
        letter if letter.isprintable() and letter not in '"\\' else f"\\x{ord(letter) & 0xFF:02x}"
        for letter in text[:1024]
    )
