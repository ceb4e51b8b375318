# SPDX-License-Identifier: Apache-2.0
"""Plan ``watch``: from paths that have changed, what is to be done to which service.

Implements: the Compose specification's ``develop.watch`` (sync, rebuild, restart, sync+restart, sync+exec, include,
ignore, initial_sync). Pure: whether a path exists is given, and so are the patterns (``.dockerignore``'s language).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

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
        if not _is_below(path, top):
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
    project: Project,
    make_matcher: MakeMatcher,
    read_ignored: Callable[[Service], Sequence[str]],
    *,
    resolve: Callable[[str], str] = str,
) -> tuple[list[Rule], list[str]]:
    """The rules of all services, and what people should be told of those that are left out.

    `read_ignored` gives the patterns of a build context's ``.dockerignore``; `resolve` follows symbolic links.
    """
    rules: list[Rule] = []
    notices: list[str] = []
    for name, service in sorted(project.services.items()):
        mounted = [
            resolve(mount.source) for mount in service.volumes if mount.type == "bind" and mount.source
        ]
        for index, trigger in enumerate((service.develop and service.develop.watch) or ()):
            if trigger.action == "rebuild" and service.build is None:
                where = ("services", name, "develop", "watch", index)
                raise project.error(where, "cannot rebuild a service that has no build section")
            rule = _plan_rule(service, trigger, make_matcher, read_ignored, resolve)
            if rule.syncs and any(_is_below(rule.trigger.path, source) for source in mounted):
                notices.append(
                    f"service {name}: {trigger.path} is mounted into the container, so it is not watched"
                )
            else:
                rules.append(rule)
    if not rules:
        raise InvalidArgument(
            "none of the selected services is configured for watch",
            hint="; ".join(notices) or "give one a `develop` section",
        )
    return rules, notices


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _plan_rule(
    service: Service,
    trigger: Trigger,
    make_matcher: MakeMatcher,
    read_ignored: Callable[[Service], Sequence[str]],
    resolve: Callable[[str], str],
) -> Rule:
    own = make_matcher((*_NEVER, *trigger.ignore))
    context = resolve(service.build.context) if service.build else ""
    patterns = read_ignored(service) if context else ()
    of_context = make_matcher(patterns)
    top = resolve(trigger.path)

    def is_ignored(below: str) -> bool:
        if own(below):
            return True
        path = os.path.join(top, below)
        inside = bool(patterns) and path != context and _is_below(path, context)
        return inside and of_context(os.path.relpath(path, context))

    included = make_matcher(trigger.include) if trigger.include else None
    return Rule(service.name, replace(trigger, path=top), is_ignored, included)


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
        removals=tuple(outermost(target for path, target in moved if not exists(path))),
        restarts=any(rule.trigger.action in _RESTARTS for rule, _ in mine),
        runs=tuple(trigger for index, trigger in enumerate(hooks) if trigger not in hooks[:index]),
    )


def outermost(paths: Iterable[str]) -> Iterator[str]:
    """Those that are below no other."""
    last = None
    for path in sorted(paths, key=lambda each: each.split("/")):
        if last is None or not _is_below(path, last):
            yield path
            last = path
