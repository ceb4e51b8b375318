# SPDX-License-Identifier: Apache-2.0
"""`--security-opt`: what it says, as a value (pure).

Source: docker run reference, "Security configuration". AppArmor and SELinux labels are accepted only where
they ask for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sampan.errors import InvalidArgument, Unsupported

UNCONFINED = "unconfined"
DEFAULT_PROFILES = frozenset({"", "default", "builtin"})


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """`seccomp` is "" for the default profile, "unconfined", or a profile's JSON text."""

    seccomp: str = ""
    no_new_privileges: bool = False


def parse_security_options(options: Iterable[str]) -> SecurityOptions:
    """Read all options; an unknown one is refused, never ignored."""
    seccomp = ""
    no_new_privileges = False
    for option in options:
        name, value = _split(option)
        if name == "no-new-privileges":
            no_new_privileges = _boolean(value, option)
        elif name == "seccomp":
            seccomp = "" if value in DEFAULT_PROFILES else value
        elif name in ("apparmor", "label"):
            _refuse_confinement(name, value)
        else:
            raise InvalidArgument(f"invalid --security-opt 2: {option!r}".replace("'", '"'))
    return SecurityOptions(seccomp, no_new_privileges)


def _split(option: str) -> tuple[str, str]:
    """`name=value`, or the older `name:value`."""
    for separator in ("=", ":"):
        name, found, value = option.partition(separator)
        if found:
            return name, value
    return option, ""


def _boolean(value: str, option: str) -> bool:
    if value in ("", "true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise InvalidArgument(f'invalid --security-opt: "{option}"')


def _refuse_confinement(name: str, value: str) -> None:
    if value not in (UNCONFINED, "disable", "docker-default"):
        raise Unsupported(f"security option {name}={value} is not supported yet")
