# SPDX-License-Identifier: Apache-2.0
"""Who a container runs as: `--user` and `--group-add` looked up in the image's own passwd and group files.

Docker's rules: a number needs no entry; a name does. A number that has an entry brings its groups and home.
An explicit group replaces the supplementary groups that /etc/group would give; the first group is always among them.
"""

from __future__ import annotations

import os

from sampan.errors import InvalidArgument
from sampan.linux.resolve import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MAX_FILE_BYTES = 16 << 20
_MAX_ID = (1 << 31) - 1


class User:
    """A resolved user: numbers only, and where home is."""

    __slots__ = ("gid", "groups", "home", "uid")

    def __init__(self, uid: int, gid: int, groups: tuple[int, ...] = (), home: str = "/") -> None:
        self.uid, self.gid, self.groups, self.home = uid, gid, groups, home

    def __eq__(self, other: object) -> bool:
        return isinstance(other, User) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"User(uid={self.uid}, gid={self.gid}, groups={self.groups}, home={self.home!r})"


class _Account:
    __slots__ = ("gid", "home", "name", "uid")

    def __init__(self, name: str, uid: int, gid: int, home: str) -> None:
        self.name, self.uid, self.gid, self.home = name, uid, gid, home


class _Group:
    __slots__ = ("gid", "members", "name")

    def __init__(self, name: str, gid: int, members: tuple[str, ...]) -> None:
        self.name, self.gid, self.members = name, gid, members


def resolve_user(root_fd: int, text: str, group_add: Sequence[str] = ()) -> User:
    """Resolve `user[:group]` (empty: root) inside the root, with additional groups by name or number."""
    accounts = parse_passwd(_read_lines(root_fd, "/etc/passwd"))
    groups = parse_group(_read_lines(root_fd, "/etc/group"))
    return resolve(text, group_add, accounts, groups)


def resolve(
    text: str, group_add: Sequence[str], accounts: Sequence[_Account], groups: Sequence[_Group]
) -> User:
    """Decide, given both files' entries."""
    name, _, group = text.partition(":")
    account, uid = _find_account(name or "0", accounts)
    gid = account.gid if account else 0
    supplementary = tuple(g.gid for g in groups if account and account.name in g.members)
    if group:
        gid, supplementary = _find_group(group, groups), ()
    added = tuple(_find_added(entry, groups) for entry in group_add)
    # Without the first, a program could drop what denies it something by its own group (CVE-2022-36109).
    everything = tuple(dict.fromkeys((gid, *supplementary, *added)))
    return User(uid, gid, everything, (account.home if account else "") or "/")


def _find_account(name: str, accounts: Iterable[_Account]) -> tuple[_Account | None, int]:
    number = _number(name)
    for account in accounts:
        if account.name == name or account.uid == number:
            return account, account.uid
    if number is None:
        raise InvalidArgument(f"unable to find user {name}: no matching entries in passwd file")
    return None, _in_range(number)


def _find_group(name: str, groups: Iterable[_Group]) -> int:
    number = _number(name)
    for group in groups:
        if group.name == name or group.gid == number:
            return group.gid
    if number is None:
        raise InvalidArgument(f"unable to find group {name}: no matching entries in group file")
    return _in_range(number)


def _find_added(name: str, groups: Iterable[_Group]) -> int:
    for group in groups:
        if group.name == name:
            return group.gid
    number = _number(name)
    if number is None:
        raise InvalidArgument(f"unable to find group {name}: no matching entries in group file")
    return _in_range(number)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _in_range(number: int) -> int:
    if number > _MAX_ID:
        raise InvalidArgument(f"uids and gids must be in range 0-{_MAX_ID}")
    return number


def parse_passwd(lines: Iterable[str]) -> list[_Account]:
    """Read passwd(5); lines that are not entries are skipped, as Docker does."""
    accounts = []
    for line in lines:
        fields = line.strip().split(":")
        if len(fields) >= 4 and (uid := _number(fields[2])) is not None:
            home = fields[5] if len(fields) > 5 else ""
            accounts.append(_Account(fields[0], uid, _number(fields[3]) or 0, home))
    return accounts


def parse_group(lines: Iterable[str]) -> list[_Group]:
    """Read group(5)."""
    groups = []
    for line in lines:
        fields = line.strip().split(":")
        if len(fields) >= 3 and (gid := _number(fields[2])) is not None:
            members = fields[3].split(",") if len(fields) > 3 and fields[3] else []
            groups.append(_Group(fields[0], gid, tuple(members)))
    return groups


def home_of(uid: int) -> str:
    """Return the home of `uid` by /etc/passwd of the current root, "/" without an entry."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for account in parse_passwd(_read_lines(root, "/etc/passwd")):
            if account.uid == uid:
                return account.home or "/"
    finally:
        os.close(root)
    return "/"


def _read_lines(root_fd: int, path: str) -> list[str]:
    """Return the lines of a file in the image; a pipe or device there must not make us wait (O_NONBLOCK)."""
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return []
    with open(fd, "rb") as file:
        return file.read(_MAX_FILE_BYTES).decode(errors="replace").splitlines()
