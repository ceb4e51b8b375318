# SPDX-License-Identifier: Apache-2.0
"""Build contexts that a client of a session sends: its folders, or an archive from its standard input."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from errno import ENOSPC
from typing import BinaryIO, cast
from urllib.parse import quote

from sampan.archive.apply import extract_archive
from sampan.build.blocking import Blocking
from sampan.build.services import Workplace
from sampan.buildkit.messages.control import BytesMessage
from sampan.buildkit.messages.files import FINISH, REQUEST, Packet
from sampan.buildkit.messages.session import PULL_UPLOAD, SYNC_FILES
from sampan.buildkit.protobuf import decode_message
from sampan.buildkit.receiving import FOLDER, TreeReceiver
from sampan.buildkit.rpc import ClientCall, open_call
from sampan.buildkit.session import Session
from sampan.errors import DataCorrupt, DiskFull, InvalidArgument

Report = Callable[[int], None]


class SessionFiles:
    """The folders that one client serves; what was brought stays until `stack` is closed."""

    def __init__(self, session: Session, workplace: Workplace, stack: AsyncExitStack) -> None:
        self._session = session
        self._workplace = workplace
        self._stack = stack
        self._blocking = Blocking()

    async def fetch(
        self,
        name: str,
        *,
        purpose: str = "files",
        excluded: Sequence[str] = (),
        followed: Sequence[str] = (),
        report: Report = lambda _: None,
    ) -> str:
        """A folder with those of the client's files; what is brought for another purpose is kept apart."""
        self._session.require(SYNC_FILES)
        key = f"{purpose}:{name}:{self._session.head.shared_key or self._session.head.id}"
        place = await self._enter(self._workplace.contexts.lend(key))
        metadata = [
            *_patterns("dir-name", [name]),
            *_patterns("exclude-patterns", excluded),
            *_patterns("followpaths", followed),
        ]
        async with open_call(self._session.connection, SYNC_FILES, Packet, metadata) as call:
            await self._receive(call, place, report)
        return f"{place}/{FOLDER}"

    async def _receive(self, call: ClientCall[Packet], place: str, report: Report) -> None:
        receiver = await self._blocking.run(TreeReceiver, place)
        try:
            await self._transfer(call, receiver, report)
        except OSError as error:
            if error.errno == ENOSPC:
                raise DiskFull(place) from error
            raise InvalidArgument(f"file transfer: {error.strerror}") from error
        finally:
            await self._blocking.run(receiver.close)

    async def _transfer(self, call: ClientCall[Packet], receiver: TreeReceiver, report: Report) -> None:
        has_ended = False
        while not receiver.has_finished:
            messages = await call.receive_some()
            if not messages:
                raise DataCorrupt("file transfer: the client stopped in the middle")
            wanted = await self._blocking.run(receiver.feed, messages)
            await call.send(*(Packet(REQUEST, id=number) for number in wanted))
            report(receiver.received_bytes)
            if receiver.is_complete and not has_ended:
                has_ended = True
                await call.send(Packet(FINISH))
        if not receiver.is_complete:
            raise DataCorrupt("file transfer: the client ended before all was sent")
        await self._blocking.run(receiver.finish)

    async def _enter(self, folder: AbstractContextManager[str]) -> str:
        """A folder that is given back with the stack; making and removing it may take a while."""
        path = await self._blocking.run(folder.__enter__)
        self._stack.push_async_callback(asyncio.to_thread, folder.__exit__, None, None, None)
        return path

    async def fetch_upload(self, name: str, report: Report = lambda _: None) -> str:
        """An archive that the client sends, unpacked."""
        self._session.require(PULL_UPLOAD)
        folder = await self._enter(self._workplace.temporary_folder())
        metadata = [("urlpath", f"/{name}"), ("urlhost", "buildkit-session")]
        async with open_call(self._session.connection, PULL_UPLOAD, BytesMessage, metadata) as call:
            await call.stream.end()
            await unpack_stream(_contents(call, report), f"{folder}/archive", f"{folder}/files")
        return f"{folder}/files"


async def _contents(call: ClientCall[BytesMessage], report: Report) -> AsyncIterator[bytes]:
    received = 0
    while messages := await call.receive_some():
        for message in messages:
            data = decode_message(BytesMessage, message).data
            received += len(data)
            yield data
        report(received)


async def unpack_stream(chunks: AsyncIterator[bytes], archive: str, folder: str) -> None:
    """Unpack an archive that comes in pieces; it is a file first, a thread that waits for a client could hang."""
    blocking = Blocking()
    with await blocking.run(open, archive, "w+b") as file:
        async for chunk in chunks:
            await blocking.run(file.write, chunk)
        await blocking.run(_unpack, cast("BinaryIO", file), folder)
    os.unlink(archive)


def _unpack(file: BinaryIO, folder: str) -> None:
    file.seek(0)
    os.mkdir(folder, 0o755)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extract_archive(file, fd)
    finally:
        os.close(fd)


class SessionContext:
    """A folder of the client's as the builder asks for it: a ContextSource."""

    def __init__(self, files: SessionFiles, name: str, excluded: Sequence[str]) -> None:
        self._files = files
        self._name = name
        self.excluded = excluded

    async def load(self, paths: tuple[str, ...] | None, report: Report) -> str:
        """Bring it, or the part that is wanted."""
        return await self._files.fetch(
            self._name, excluded=self.excluded, followed=paths or (), report=report
        )


class BroughtContext:
    """A context that is here already, whose Dockerfile is elsewhere."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def load(self, paths: tuple[str, ...] | None, report: Report) -> str:
        """All of it."""
        del paths, report
        return self._folder


def _patterns(name: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """Metadata of many values; when one is not ASCII all are escaped, and one more header says so."""
    if all(value.isascii() and value.isprintable() and value == value.strip() for value in values):
        return [(name, value) for value in values]
    return [(name, quote(value, safe="", errors="surrogateescape")) for value in values] + [
        (f"{name}-encoded", "1")
    ]
