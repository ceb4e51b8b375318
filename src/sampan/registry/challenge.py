# SPDX-License-Identifier: Apache-2.0
"""WWW-Authenticate: how a registry wants to be told who asks.

Implements: RFC 9110, section 11.6.1, for the schemes Basic and Bearer; the token specification's realm, service
and scope. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SCHEME = re.compile(r"\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?=\s|$)")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_MAX_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate: the scheme in lower case and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """All challenges of all headers; what cannot be read is left out."""
    challenges: list[Challenge] = []
    for header in headers:
        challenges += _parse(header[:_MAX_BYTES])
    return challenges


def choose_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """Bearer if it is offered with a realm, else Basic."""
    offered = {challenge.scheme: challenge for challenge in reversed(list(challenges))}
    bearer = offered.get("bearer")
    return bearer if bearer and bearer.parameters.get("realm") else offered.get("basic")


def _parse(header: str) -> Iterable[Challenge]:
    position = 0
    while match := _SCHEME.match(header, position):
        position = match.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            quoted = parameter[2]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
            parameters[parameter[1].lower()] = value
            position = parameter.end()
        yield Challenge(match[1].lower(), parameters)
