# SPDX-License-Identifier: Apache-2.0
"""API versions: a path may begin with /v1.NN; what is out of range is refused in Docker's words.

Source: Engine API v1.51, "Versioning"; a path without a version means the newest.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

CURRENT = "1.51"
MINIMUM = "1.24"

# What clients read to negotiate; every answer carries it.
SERVER_HEADERS = {
    "Api-Version": CURRENT,
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Sampan ({CURRENT})",
    "Builder-Version": "1",
}


def parse_version(text: str) -> tuple[int, int]:
    """`1.43` → (1, 43)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def check_version(version: str) -> None:
    """Refuse what is too new or too old, as Docker words it."""
    if parse_version(version) > parse_version(CURRENT):
        raise InvalidArgument(
            f"client version {version} is too new. Maximum supported API version is {CURRENT}"
        )
    if parse_version(version) < parse_version(MINIMUM):
        raise InvalidArgument(
            f"client version {version} is too old. Minimum supported API version is {MINIMUM}, "
            "please upgrade your client to a newer version"
        )
