# SPDX-License-Identifier: Apache-2.0
"""Which rules apply: the ``# check=`` directive and the build argument ``BUILDKIT_DOCKERFILE_CHECK``.

Source: the Dockerfile reference, "check": ``skip=RULE,…|all``, ``error=true|false``, ``experimental=RULE,…|all``,
separated by semicolons.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.build.checks.rules import RULES, Rule
from sampan.build.dockerfile.nearest import suggest
from sampan.errors import InvalidArgument

_TRUTHS = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_ALL = frozenset({"all"})


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The rules to skip, the experimental ones to apply, and whether a finding fails the build."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def applies(self, rule: Rule) -> bool:
        """Whether findings of a rule are wanted."""
        if self.skip == _ALL or rule.name in self.skip:
            return False
        return not rule.experimental or self.experimental == _ALL or rule.name in self.experimental


def parse_check_options(text: str) -> CheckOptions:
    """The options of one line; InvalidArgument names what is not understood."""
    given: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        key, found, value = part.partition("=")
        if not found or key.strip() not in ("skip", "error", "experimental"):
            raise InvalidArgument(f'invalid check option "{part}"')
        given[key.strip()] = value.strip()
    return CheckOptions(
        skip=_names(given.get("skip", "")),
        experimental=_names(given.get("experimental", "")),
        error=_truth(given.get("error", "false")),
    )


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if "all" in names:
        return _ALL
    for name in names:
        if name not in RULES:
            raise InvalidArgument(f"invalid check option: no rule is called {name}{suggest(name, RULES)}")
    return names


def _truth(text: str) -> bool:
    value = _TRUTHS.get(text.lower())
    if value is None:
        raise InvalidArgument(f'invalid check option "error={text}": expected true or false')
    return value
