# SPDX-License-Identifier: Apache-2.0
"""Contexts that come in a request of their own, beside the build that they are for."""

from __future__ import annotations

import asyncio

from sampan.errors import Conflict, Unavailable

_WAIT_S = 30.0


class Uploads:
    """Folders that wait for their build, and builds that wait for their folder."""

    def __init__(self) -> None:
        self._folders: dict[str, asyncio.Future[str]] = {}
        self._used: dict[str, asyncio.Event] = {}

    async def offer(self, build_id: str, folder: str) -> None:
        """Give a build its folder, and keep it until the build has ended."""
        waiting = self._folder(build_id)
        if waiting.done():
            raise Conflict(f"build {build_id} has its context already")
        used = self._used[build_id] = asyncio.Event()
        waiting.set_result(folder)
        try:
            await used.wait()
        finally:
            self._folders.pop(build_id, None)
            self._used.pop(build_id, None)

    async def take(self, build_id: str) -> str:
        """The folder of a build, which `release` gives back."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._folder(build_id)), _WAIT_S)
        except TimeoutError:
            self._folders.pop(build_id, None)
            raise Unavailable(f"the context of build {build_id} did not come") from None

    def release(self, build_id: str) -> None:
        """The build has ended."""
        if (used := self._used.get(build_id)) is not None:
            used.set()

    def _folder(self, build_id: str) -> asyncio.Future[str]:
        if build_id not in self._folders:
            self._folders[build_id] = asyncio.get_running_loop().create_future()
        return self._folders[build_id]
