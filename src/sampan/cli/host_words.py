# SPDX-License-Identifier: Apache-2.0
"""The words of single flags about a container's place on the host, checked as docker checks them.

Restart policies, capabilities, sysctls, and what goes into the container's resolv.conf and hosts file.
"""

from __future__ import annotations

from sampan.cli.network_options import parse_ip
from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SYSCTLS = frozenset(
    [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ]
)


def parse_restart(text: str) -> dict[str, object]:
    """``no``, ``always``, ``unless-stopped`` or ``on-failure:3``."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise InvalidArgument("invalid restart policy format: no policy provided before colon")
    if not name:
        return {}
    try:
        return {"Name": name, "MaximumRetryCount": int(count) if count else 0}
    except ValueError:
        raise InvalidArgument(
            "invalid restart policy format: maximum retry count must be an integer"
        ) from None


def parse_sysctl(word: str) -> str:
    """``name=value`` of a parameter that belongs to a namespace."""
    name, equals, _ = word.partition("=")
    if equals and (name in _SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
        return word
    raise InvalidArgument(f"sysctl '{word}' is not allowed")


def parse_dns(word: str) -> str:
    """A name server's address."""
    try:
        return parse_ip(word)
    except InvalidArgument:
        raise InvalidArgument(f"IP address is not correctly formatted: {word}") from None


def plan_capabilities(add: Sequence[str], drop: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both lists with full names, sorted; ALL swallows the others."""
    added, dropped = ({_capability(word) for word in words} for words in (add, drop))
    added = {"ALL"} if "ALL" in added else added
    dropped = {"ALL"} if "ALL" in dropped else dropped
    return sorted(added), sorted(dropped)


def _capability(word: str) -> str:
    name = word.strip().upper()
    return name if name in ("ALL", "RESET") or name.startswith("CAP_") else "CAP_" + name


def parse_extra_host(word: str) -> str:
    """``name:address`` or ``name=address``; the address may be ``host-gateway``."""
    separator = "=" if "=" in word else ":"
    name, found, address = word.partition(separator)
    if not found or not name:
        raise InvalidArgument(f'bad format for add-host: "{word}"')
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address != "host-gateway":
        try:
            parse_ip(address)
        except InvalidArgument:
            raise InvalidArgument(f'invalid IP address in add-host: "{address}"') from None
    return f"{name}:{address}"


def parse_search(word: str) -> str:
    """A search domain; ``.`` means none."""
    domain = word.strip() if word.strip() == "." else word.strip().removesuffix(".")
    labels = domain.split(".")
    for label in labels if domain != "." else ():
        if not label or len(label) > 63 or not label.replace("-", "").replace("_", "").isalnum():
            raise InvalidArgument(f"{word} is not a valid domain")
    return domain
