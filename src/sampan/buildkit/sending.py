# SPDX-License-Identifier: Apache-2.0
"""Send results to a client: a tree of files, or one stream of bytes.

Implements: the sender of fsutil's protocol (the client asks for each regular file by its number in the telling),
and FileSend for archives.
Not here: hard links, of which each name is sent as a file, and extended attributes.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice

from sampan.build.blocking import Blocking
from sampan.build.files.scan import Entry, Filters, scan
from sampan.build.outgoing import Send
from sampan.buildkit.messages import files
from sampan.buildkit.messages.control import BytesMessage
from sampan.buildkit.messages.files import Packet, Stat, go_mode
from sampan.buildkit.messages.session import SEND_FILES
from sampan.buildkit.rpc import ClientCall, open_call
from sampan.buildkit.session import Session
from sampan.errors import InvalidArgument, SampanError
from sampan.linux.resolve import open_in_root

_PACKET = 32 << 10
_BATCH = 256
_EXPORTER_ID = "buildkit-attachable-exporter-id"


@asynccontextmanager
async def open_file(session: Session, number: int) -> AsyncIterator[Send]:
    """The client's file: bytes given to it in the block are there when the block has ended."""
    target = _target(session, number)
    async with open_call(session.connection, SEND_FILES, BytesMessage, target) as call:

        async def send(data: bytes) -> None:
            await call.send(BytesMessage(data))

        yield send
        await call.stream.end()
        while await call.receive() is not None:
            pass  # only its end is of interest: the file is complete


async def send_trees(session: Session, number: int, roots: Mapping[str, int]) -> int:
    """Send trees into the client's folder, each below a folder of its name, "" for none; how many files there are."""
    blocking = Blocking()
    async with open_call(session.connection, SEND_FILES, Packet, _target(session, number)) as call:
        sender = _TreeSender(call, roots, blocking)
        telling = asyncio.ensure_future(sender.tell())
        try:
            await sender.answer()
            await telling
        finally:
            telling.cancel()
            await asyncio.wait([telling])
        return len(sender.told)


class _TreeSender:
    def __init__(self, call: ClientCall[Packet], roots: Mapping[str, int], blocking: Blocking) -> None:
        self.told: list[tuple[int, str]] = []
        self._call = call
        self._roots = roots
        self._blocking = blocking
        self._lock = asyncio.Lock()

    async def tell(self) -> None:
        """Tell of every file."""
        for folder, root in sorted(self._roots.items()):
            if folder:
                await self._tell(root, _describe_root(root, folder), "")
            entries = scan(root, "", Filters())
            while batch := await self._blocking.run(_take, root, entries):
                for told in batch:
                    await self._tell(root, told, folder)
        await self._send(Packet(files.STAT))

    async def _tell(self, root: int, told: Stat, folder: str) -> None:
        self.told.append((root, told.path))
        if folder:
            told.path = f"{folder}/{told.path}"
        await self._send(Packet(files.STAT, told))

    async def answer(self) -> None:
        """Send the files that are asked for, until the client has all."""
        while (packet := await self._call.receive()) is not None:
            match packet.type:
                case files.REQUEST if packet.id < len(self.told):
                    await self._send_file(packet.id)
                case files.FINISH:
                    await self._send(Packet(files.FINISH))
                    return
                case files.ERROR:
                    raise SampanError(f"client: {packet.data.decode(errors='replace')}")
                case _:
                    raise InvalidArgument(f"file transfer: unexpected packet {packet.type}")

    async def _send_file(self, number: int) -> None:
        root, path = self.told[number]
        fd = await self._blocking.run(open_in_root, root, path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb", buffering=0) as file:
            while data := await self._blocking.run(file.read, _PACKET):
                await self._send(Packet(files.DATA, id=number, data=data))
        await self._send(Packet(files.DATA, id=number))

    async def _send(self, packet: Packet) -> None:
        async with self._lock:  # one packet after the other, also when the window is closed in the middle
            await self._call.send(packet)


def _target(session: Session, number: int) -> list[tuple[str, str]]:
    """The metadata that names the client's file or folder: the number of its exporter."""
    session.require(SEND_FILES)
    return [(_EXPORTER_ID, str(number))]


def _take(root_fd: int, entries: Iterator[Entry]) -> list[Stat]:
    """The next files; sockets are nothing that could be sent."""
    return [
        _describe(root_fd, entry)
        for entry in islice(entries, _BATCH)
        if not stat.S_ISSOCK(entry.status.st_mode)
    ]


def _describe_root(root_fd: int, name: str) -> Stat:
    status = os.fstat(root_fd)
    return Stat(name, go_mode(status.st_mode), status.st_uid, status.st_gid, 0, status.st_mtime_ns)


def _describe(root_fd: int, entry: Entry) -> Stat:
    status = entry.status
    linkname = os.readlink(entry.path, dir_fd=root_fd) if entry.is_link else ""
    return Stat(
        entry.path,
        go_mode(status.st_mode),
        status.st_uid,
        status.st_gid,
        0 if entry.is_folder else status.st_size,
        status.st_mtime_ns,
        linkname,
        os.major(status.st_rdev),
        os.minor(status.st_rdev),
    )
