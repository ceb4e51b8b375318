# SPDX-License-Identifier: Apache-2.0
"""Which packages are installed in a root filesystem.

Holds: the tree is somebody else's: names are resolved inside it, only regular files are read, and no more of them than
so many bytes. Nothing of it is run.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.archive.walk import iter_tree
from sampan.build.attestation.databases import iter_apk, iter_dpkg, read_python
from sampan.build.attestation.packages import Distribution, Package, parse_distribution
from sampan.build.attestation.rpm import read_rpm
from sampan.linux.resolve import open_in_root

_RELEASES = ("etc/os-release", "usr/lib/os-release")
_DPKG, _DPKG_PARTS = "var/lib/dpkg/status", "var/lib/dpkg/status.d/"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_RPM = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite")
_UNREAD = ("var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "usr/lib/sysimage/rpm/Packages.db")
_PYTHON = (".dist-info/METADATA", ".egg-info/PKG-INFO")
_MAX_TEXT_BYTES = 64 << 20
_MAX_DATABASE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is installed; `unread` are databases that are there and were not understood."""

    distribution: Distribution
    packages: tuple[Package, ...]
    unread: tuple[str, ...] = ()


def take_inventory(root: int, temporary: str) -> Inventory:
    """Look through a tree; `temporary` is a folder for copies of databases."""
    packages: set[Package] = set()
    distribution = Distribution()
    for name in reversed(_RELEASES):
        if (text := _read_text(root, name)) is not None:
            distribution = parse_distribution(text)
    for name in _RPM:
        packages.update(_read_rpm(root, name, temporary))
    packages.update(_iter_texts(root))
    unread = tuple(name for name in _UNREAD if _is_file(root, name))
    return Inventory(distribution, tuple(sorted(packages)), unread)


def _iter_texts(root: int) -> Iterator[Package]:
    """The databases that are text, wherever they are found in the tree."""
    for found in iter_tree(root):
        name = found.path
        if not stat.S_ISREG(found.status.st_mode) or not _is_wanted(name):
            continue
        text = _read_text(root, name)
        if text is None:
            continue
        if name.endswith(_PYTHON):
            package = read_python(text, _shown(name))
            if package is not None:
                yield package
        elif name in _APK:
            yield from iter_apk(text, _shown(name))
        else:
            yield from iter_dpkg(text, _shown(name))


def _is_wanted(name: str) -> bool:
    parts = name.startswith(_DPKG_PARTS) and not name.endswith(".md5sums")
    return parts or name == _DPKG or name in _APK or name.endswith(_PYTHON)


def _read_rpm(root: int, name: str, temporary: str) -> list[Package]:
    fd = _open(root, name, _MAX_DATABASE_BYTES)
    if fd is None:
        return []
    with open(fd, "rb") as source, tempfile.NamedTemporaryFile(dir=temporary) as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        return read_rpm(copy.name, _shown(name))


def _read_text(root: int, name: str) -> str | None:
    fd = _open(root, name, _MAX_TEXT_BYTES)
    if fd is None:
        return None
    with open(fd, "rb") as file:
        return file.read(_MAX_TEXT_BYTES).decode(errors="replace")


def _shown(name: str) -> str:
    """Not every name of a file is a text."""
    return "/" + os.fsencode(name).decode(errors="replace")


def _is_file(root: int, name: str) -> bool:
    fd = _open(root, name, 1 << 62)
    if fd is not None:
        os.close(fd)
    return fd is not None


def _open(root: int, name: str, limit_bytes: int) -> int | None:
    """A regular file that is not too large; what else may have the name is not opened."""
    try:
        place = open_in_root(root, name, os.O_PATH)
    except OSError:
        return None
    try:
        status = os.fstat(place)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
            return None
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    finally:
        os.close(place)
