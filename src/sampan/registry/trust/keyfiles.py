# SPDX-License-Identifier: Apache-2.0
"""Key pairs as files: ``NAME.key`` for its owner alone, ``NAME.pub`` for everybody.

Holds: a file appears whole or not at all; a key that is there is never written over.
"""

from __future__ import annotations

import os
import secrets

from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.registry.trust.keys import MAX_KEY_BYTES, PublicKey, decode_public_key


def write_key_pair(private: bytes, public: bytes, directory: str, name: str) -> tuple[str, str]:
    """Write both halves, which are PEM; the paths of the private and the public one."""
    if not name or "/" in name or name.startswith("."):
        raise InvalidArgument(f"invalid key name {name!r}", hint="a file's name without its ending")
    paths = f"{directory}/{name}.key", f"{directory}/{name}.pub"
    for path in paths:
        if os.path.lexists(path):
            raise Conflict(f"{path} exists already", hint="remove it first, if nobody needs it any more")
    _write(paths[0], private, 0o600)
    _write(paths[1], public, 0o644)
    return paths


def read_key_file(path: str) -> bytes:
    """A key's file."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_KEY_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"open {path}: no such file or directory") from None
    except OSError as error:
        raise InvalidArgument(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > MAX_KEY_BYTES:
        raise InvalidArgument(f"{path} is no key: it is larger than {MAX_KEY_BYTES} bytes")
    return data


def read_public_key(path: str) -> PublicKey:
    """The key of a ``.pub`` file; the path is named if it is none."""
    try:
        return decode_public_key(read_key_file(path))
    except NotFound:
        raise
    except InvalidArgument as error:
        raise InvalidArgument(f"{path}: {error.message}") from None


def _write(path: str, data: bytes, mode: int) -> None:
    beside = f"{path}.{secrets.token_hex(4)}.partial"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.link(beside, path)  # fails where a rename would write over
    except FileExistsError:
        raise Conflict(f"{path} exists already") from None
    finally:
        os.unlink(beside)
