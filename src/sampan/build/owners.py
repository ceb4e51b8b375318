# SPDX-License-Identifier: Apache-2.0
"""Who owns what a step writes: ``--chown`` and USER, looked up in the image's own passwd and group files."""

from __future__ import annotations

from sampan.errors import InvalidArgument
from sampan.runtime.user import resolve_user


def resolve_owner(root_fd: int, text: str) -> tuple[int, int]:
    """``--chown``, and USER for WORKDIR: a name brings its primary group, a bare number is both ids."""
    if text.count(":") > 1:
        raise InvalidArgument(f"invalid chown flag: {text}")
    if text.isascii() and text.isdecimal():
        return int(text), int(text)
    user = resolve_user(root_fd, text)
    return user.uid, user.gid
