# SPDX-License-Identifier: Apache-2.0
"""Contexts that are brought from elsewhere: an archive that a client sends, a git repository, a URL.

Implements: ``docker build URL``: a git repository is checked out; what a web server gives is unpacked when it is an
archive, and is the Dockerfile when it is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import BinaryIO

from sampan.archive.apply import extract_archive
from sampan.build.git import parse_git_url
from sampan.build.remote import fetch, file_name, proxies_of
from sampan.build.services import Workplace
from sampan.build.unpack import is_archive
from sampan.errors import InvalidArgument, NotFound
from sampan.linux.resolve import open_in_root

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_DOCKERFILE = "Dockerfile"


def unpack_context(body: BinaryIO, path: str) -> None:
    """A tar archive, compressed or not, into an empty folder."""
    fd = os.open(path, _DIRECTORY)
    try:
        extract_archive(body, fd)
    finally:
        os.close(fd)


def bring_context(
    remote: str,
    path: str,
    workplace: Workplace,
    proxies: Mapping[str, str],
    is_stopped: Callable[[], bool],
) -> str:
    """Bring a remote context into an empty folder; gives the folder to build, which may be one inside of it."""
    repository = parse_git_url(remote)
    if repository is not None:
        workplace.repositories.check_out(
            repository, path, env=proxies, is_stopped=is_stopped, say=lambda _: None
        )
        return _below(path, repository.subdir)
    if not remote.startswith(("http://", "https://")):
        raise InvalidArgument(
            f"remote context {remote} is not supported", hint="give a git repository or an http(s) URL"
        )
    with workplace.temporary_folder() as folder:
        fetch(
            remote,
            folder,
            checksum="",
            known={},
            proxies=proxies_of(proxies),
            progress=lambda _current, _total: None,
            is_stopped=is_stopped,
        )
        _take(folder, file_name(remote), path)
    return path


def _take(folder: str, name: str, path: str) -> None:
    with open(f"{folder}/{name}", "rb") as file:
        if is_archive(file.fileno()):
            file.seek(0)
            unpack_context(file, path)
            return
    os.rename(f"{folder}/{name}", f"{path}/{_DOCKERFILE}")


def _below(path: str, subdir: str) -> str:
    """A folder of the repository, which no link of it leads out of."""
    if not subdir:
        return path
    root = os.open(path, _DIRECTORY)
    try:
        found = open_in_root(root, subdir, _DIRECTORY)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise NotFound(f"git source: subdir {subdir}: {reason}") from None
    finally:
        os.close(root)
    try:
        return os.readlink(f"/proc/self/fd/{found}")
    finally:
        os.close(found)
