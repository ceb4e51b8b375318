# SPDX-License-Identifier: Apache-2.0
"""Where everything lies below a registry's root, and the few ways in which files are put there.

    blobs/ALGORITHM/HEX               every blob once
    repositories/NAME/_image/         an OCI image layout of its own: oci-layout, index.json, blobs/…, and `lock`
    uploads/ID.data, ID.json          uploads in progress

A blob of a repository is a hard link to the one in ``blobs/``. So the kernel counts who uses a blob, taking one away
from a repository cannot harm another, and any tool that reads OCI layouts can read a repository where it lies.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from sampan.oci.digest import HEX_LENGTHS, Digest
from sampan.oci.document import encode_object

IMAGE = "_image"
_FORMAT = {"sampanRegistry": 1}


class Tree:
    """The directories of one registry."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.uploads = f"{self.root}/uploads"
        self.repositories = f"{self.root}/repositories"
        for path in (self.uploads, self.repositories):
            os.makedirs(path, mode=0o700, exist_ok=True)
        ensure_blob_directories(f"{self.root}/blobs")
        if not os.path.exists(f"{self.root}/format.json"):
            self.replace(f"{self.root}/format.json", encode_object(_FORMAT))

    def blob(self, digest: Digest) -> str:
        """The one copy of a blob."""
        return f"{self.root}/blobs/{digest.algorithm}/{digest.hex}"

    def image(self, repository: str) -> str:
        """The image layout of a repository, whose name has been checked."""
        return f"{self.repositories}/{repository}/{IMAGE}"

    def iter_repositories(self, beneath: str = "") -> Iterator[str]:
        """The names of all repositories, in the order of their letters."""
        try:
            entries = os.scandir(f"{self.repositories}/{beneath}")
        except FileNotFoundError:
            return
        with entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for name in names:
            path = f"{beneath}/{name}" if beneath else name
            if name == IMAGE:
                yield beneath
            else:
                yield from self.iter_repositories(path)

    def replace(self, path: str, data: bytes) -> None:
        """Make a file have this content, all of it or none, also after a power cut."""
        temporary = f"{self.uploads}/{token_hex(16)}.data"
        try:
            write_file(temporary, data)
            os.rename(temporary, path)
        except BaseException:
            unlink_if_there(temporary)
            raise
        sync_directory(os.path.dirname(path))

    def create(self, path: str, data: bytes) -> None:
        """The same for a file that must not be there: who comes second changes nothing."""
        temporary = f"{self.uploads}/{token_hex(16)}.data"
        try:
            write_file(temporary, data)
            os.link(temporary, path)
        except FileExistsError:
            return
        finally:
            unlink_if_there(temporary)


def ensure_blob_directories(path: str) -> None:
    """A directory for each algorithm."""
    for algorithm in HEX_LENGTHS:
        os.makedirs(f"{path}/{algorithm}", mode=0o755, exist_ok=True)


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """A new file, synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def link_blob(source: str, target: str, size: int) -> bool:
    """Give a blob another name; whether it is new. One that has the name already stays, unless it is cut short.

    Raises FileNotFoundError when `source` has gone meanwhile, or the target's directory is not there.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        if os.stat(target).st_size == size:
            return False
        replace_with_copy(source, target)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        replace_with_copy(source, target)  # the file system's limit of names for one file
    return True


def replace_with_copy(source: str, target: str) -> None:
    """The same bytes in a file of their own."""
    temporary = f"{target}.{token_hex(8)}"
    try:
        shutil.copyfile(source, temporary)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, target)
    except BaseException:
        unlink_if_there(temporary)
        raise


def sync_parents(path: str, root: str) -> None:
    """New directories below `root` on the way to `path` are on disk."""
    while path != root:
        path = os.path.dirname(path)
        sync_directory(path)


def sync_directory(path: str) -> None:
    """What has been named in a directory stays named after a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unlink_if_there(path: str) -> bool:
    """Remove a file; whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a lock file, which must be in place still once the lock is had."""
    descriptor = _lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            here = os.fstat(descriptor)
            there = os.stat(path)
        except FileNotFoundError:
            os.close(descriptor)  # the repository was removed while we waited
            raise
        except BaseException:
            os.close(descriptor)
            raise
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return descriptor
        os.close(descriptor)
