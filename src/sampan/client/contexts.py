# SPDX-License-Identifier: Apache-2.0
"""What a build is sent besides its parameters: where its folder is, and its secrets.

An engine on this machine reads a folder in place: it is told the path, and the device and inode, by which it
knows that both see the same folder.
"""

from __future__ import annotations

import os
from binascii import b2a_base64

from sampan.client.jsontext import encode_json
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from sampan.client.api import Engine
    from sampan.client.query import Parameter
    from sampan.errors import SampanError

    Query: TypeAlias = dict[str, Parameter]

DOCKERFILE = "Dockerfile"
SENT_DOCKERFILE = ".dockerfile.sampan"
"""The name of a Dockerfile that lies outside the context that it is sent with."""
SECRETS_FIELD = "X-Sampan-Secrets"
_NOT_IN_PLACE = "context cannot be read in place"


def place_folder(path: str, dockerfile: str) -> Query:
    """The parameters by which the engine finds a folder and the Dockerfile in it, or outside of it."""
    status = os.stat(path)
    outside = os.path.isabs(dockerfile)
    return {
        "sampan.context": path,
        "sampan.context-id": f"{status.st_dev}:{status.st_ino}",
        "sampan.dockerfile" if outside else "dockerfile": dockerfile,
    }


def reads_folders(engine: Engine) -> bool:
    """Whether it may be on this machine and knows how to read folders in place: other engines do not."""
    return bool(engine.http.address.path) and engine.system.ping().get("server", "").startswith("Sampan")


def is_out_of_reach(error: SampanError) -> bool:
    """Whether an engine said that it cannot read the folder in place: it can be sent then."""
    return _NOT_IN_PLACE in error.message


def locate_dockerfile(context: str, named: str) -> str:
    """The Dockerfile's path in the context, or its absolute path when it lies outside."""
    if not named:
        # BuildKit takes the name in small letters, too, where the usual one is missing.
        lower = DOCKERFILE.lower()
        only_lower = not os.path.lexists(f"{context}/{DOCKERFILE}") and os.path.lexists(f"{context}/{lower}")
        return lower if only_lower else DOCKERFILE
    path = os.path.join(os.path.realpath(os.path.dirname(named) or "."), os.path.basename(named))
    if not os.path.lexists(path):
        raise InvalidArgument(f"failed to read dockerfile: open {named}: no such file or directory")
    inside = os.path.relpath(path, context)
    return path if inside == ".." or inside.startswith("../") else inside


def format_secrets(secrets: Mapping[str, bytes]) -> dict[str, str]:
    """The field that carries secrets: values may be binary, and fields may not."""
    if not secrets:
        return {}
    encoded = {name: _base64(value) for name, value in secrets.items()}
    return {SECRETS_FIELD: _base64(encode_json(encoded))}


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
