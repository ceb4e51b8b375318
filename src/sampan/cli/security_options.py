# SPDX-License-Identifier: Apache-2.0
"""``--security-opt`` as the Engine API's SecurityOpt, and the paths that ``systempaths=unconfined`` unmasks.

A seccomp profile is a file of the client's, so it is read here and its JSON sent along.
"""

from __future__ import annotations

from sampan.errors import DataCorrupt, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_BUILT_IN_PROFILES = ("builtin", "unconfined")


def plan_security(words: Iterable[str]) -> tuple[list[str], bool]:
    """The options to send, and whether the system's paths stay unmasked."""
    options = [_resolve(word) for word in words]
    unmasked = "systempaths=unconfined" in options
    return [option for option in options if option != "systempaths=unconfined"], unmasked


def _resolve(word: str) -> str:
    name, separator, value = word.partition("=")
    if name == "no-new-privileges":
        return word
    if not separator:
        # The old spelling, `label:disable`.
        name, separator, value = word.partition(":")
    if not separator or not value:
        raise InvalidArgument(f'Invalid --security-opt: "{word}"')
    if name == "seccomp" and value not in _BUILT_IN_PROFILES:
        return f"seccomp={read_profile(value)}"
    return word


def read_profile(path: str) -> str:
    """A seccomp profile's JSON on one line."""
    from sampan.client.jsontext import decode_json, encode_json

    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"opening seccomp profile ({path}) failed: open {path}: {reason}") from error
    try:
        return encode_json(decode_json(text)).decode()
    except DataCorrupt as error:
        raise InvalidArgument(
            f"compacting json for seccomp profile ({path}) failed: {error.message}"
        ) from error
