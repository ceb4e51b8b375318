# SPDX-License-Identifier: Apache-2.0
"""Plan ``watch``: from paths that have changed, what is to be done to which service.

Implements: the Compose specification's ``develop.watch`` (sync, rebuild, restart, sync+restart, sync+exec, include,
ignore, initial_sync). Pure: whether a path exists is given, and so are the patterns (``.dockerignore``'s language).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sampan.compose.model import Service
from sampan.compose.model_hooks import Trigger
from sampan.compose.project import Project
from sampan.errors import InvalidArgument

Matcher = Callable[[str], bool]
MakeMatcher = Callable[[Iterable[str]], Matcher]

# What editors leave beside the files that they write, and what no service wants: never a change.
_NEVER = (
    "**/.git",
    "**/*~",
    "**/.#*",
    "**/#*#",
    "**/.*.sw?",
    "**/*___jb_???___",
    "**/.DS_Store",
    "**/.idea/workspace.xml",
    "**/4913",
)
_RESTARTS = ("restart", "sync+restart")
_SYNCS = ("sync", "sync+restart", "sync+exec")


@dataclass(frozen=True, slots=True)
class Rule:
    """One trigger of a service; `is_ignored` and `is_included` are asked about paths below the trigger's."""

    service: str
    trigger: Trigger
    is_ignored: Matcher
    is_included: Matcher | None

    @property
    def syncs(self) -> bool:
        """Whether its files are copied."""
        return self.trigger.action in _SYNCS

    def covers(self, path: str) -> bool:
        """Whether a change of this path is one of the rule's."""
        top = self.trigger.path
        if path == top:
            return True
        if not path.startswith(top.rstrip("/") + "/"):
            return False
        below = os.path.relpath(path, top)
        if self.is_ignored(below):
            return False
        return self.is_included is None or self.is_included(below)

    def target_of(self, path: str) -> str:
        """Where a path is in the container."""
        if path == self.trigger.path:
            return self.trigger.target
        return posixpath.join(self.trigger.target, os.path.relpath(path, self.trigger.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What is to be done to a service: copies (path here, path there) and removals first, then the rest."""

    service: str
    copies: tuple[tuple[str, str], ...] = ()
    removals: tuple[str, ...] = ()
    rebuilds: bool = False
    restarts: bool = False
    runs: tuple[Trigger, ...] = ()

    def describe(self) -> str:
        """What is told when it begins."""
        if self.rebuilds:
            return f'Rebuilding service "{self.service}" after changes were detected...'
        count = len(self.copies) + len(self.removals)
        if count:
            return f'Syncing service "{self.service}" after {count} changes were detected'
        return f'Restarting service "{self.service}" after changes were detected'


def plan_rules(
    project: Project, make_matcher: MakeMatcher, read_ignored: Callable[[Service], Sequence[str]]
) -> list[Rule]:
    """The rules of all services; `read_ignored` gives the patterns of a build context's ``.dockerignore``."""
    rules: list[Rule] = []
    for name, service in sorted(project.services.items()):
        for index, trigger in enumerate((service.develop and service.develop.watch) or ()):
            if trigger.action == "rebuild" and service.build is None:
                where = ("services", name, "develop", "watch", index)
                raise project.error(where, "cannot rebuild a service that has no build section")
            rules.append(_plan_rule(service, trigger, make_matcher, read_ignored))
    if not rules:
        raise InvalidArgument(
            "none of the selected services is configured for watch", hint="give one a `develop` section"
        )
    return rules


def _plan_rule(
    service: Service,
    trigger: Trigger,
    make_matcher: MakeMatcher,
    read_ignored: Callable[[Service], Sequence[str]],
) -> Rule:
    own = make_matcher((*_NEVER, *trigger.ignore))
    context = service.build.context if service.build else ""
    patterns = read_ignored(service) if context else ()
    of_context = make_matcher(patterns)

    def is_ignored(below: str) -> bool:
        if own(below):
            return True
        path = os.path.join(trigger.path, below)
        inside = bool(patterns) and path.startswith(context.rstrip("/") + "/")
        return inside and of_context(os.path.relpath(path, context))

    included = make_matcher(trigger.include) if trigger.include else None
    return Rule(service.name, trigger, is_ignored, included)


def plan_reactions(
    rules: Sequence[Rule], changed: Iterable[str], *, exists: Callable[[str], bool]
) -> list[Reaction]:
    """What changes lead to, a reaction a service; who is rebuilt needs nothing else."""
    paths = sorted(set(changed))
    reactions = []
    for service in dict.fromkeys(rule.service for rule in rules):
        mine = [
            (rule, path) for rule in rules if rule.service == service for path in paths if rule.covers(path)
        ]
        if mine:
            reactions.append(_react(service, mine, exists))
    return reactions


def _react(service: str, mine: list[tuple[Rule, str]], exists: Callable[[str], bool]) -> Reaction:
    if any(rule.trigger.action == "rebuild" for rule, _ in mine):
        return Reaction(service=service, rebuilds=True)
    moved = [(path, rule.target_of(path)) for rule, path in mine if rule.syncs]
    hooks = [rule.trigger for rule, _ in mine if rule.trigger.action == "sync+exec"]
    return Reaction(
        service=service,
        copies=tuple((path, target) for path, target in moved if exists(path)),
        removals=tuple(target for path, target in moved if not exists(path)),
        restarts=any(rule.trigger.action in _RESTARTS for rule, _ in mine),
        runs=tuple(trigger for index, trigger in enumerate(hooks) if trigger not in hooks[:index]),
    )
