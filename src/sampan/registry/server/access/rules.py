# SPDX-License-Identifier: Apache-2.0
"""Who may do what: rules by pattern of repository, of which each adds to what is allowed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from sampan.registry.server.access.principal import Action

ALL_ACTIONS: tuple[Action, ...] = ("pull", "push", "delete")
ANONYMOUS = ""
_GLOB = re.compile(r"([*?\[])")


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What some people may do to the repositories of a pattern; ``${user}`` in it is who asks."""

    repository: str = "*"
    allow: Sequence[Action] = ("pull",)
    users: Sequence[str] = ()
    groups: Sequence[str] = ()
    anonymous: bool = False
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules. Without any, people with a password may do everything and others nothing."""

    rules: Sequence[AccessRule] = (AccessRule(allow=ALL_ACTIONS, authenticated=True),)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def may(self, user: str, action: Action, repository: str) -> bool:
        """Whether some rule allows it; nobody's name is empty."""
        return any(
            action in rule.allow
            and self._is_meant(rule, user)
            and fnmatchcase(repository, _pattern(rule.repository, user))
            for rule in self.rules
        )

    def _is_meant(self, rule: AccessRule, user: str) -> bool:
        if rule.anonymous:
            return True
        if user == ANONYMOUS:
            return False
        if rule.authenticated or user in rule.users:
            return True
        return any(user in self.groups.get(group, ()) for group in rule.groups)


def _pattern(text: str, user: str) -> str:
    return text.replace("${user}", _GLOB.sub(r"[\1]", user)) if "${user}" in text else text
