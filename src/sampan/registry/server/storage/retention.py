# SPDX-License-Identifier: Apache-2.0
"""Tags that are kept for a while only: the newest of a pattern, or those of the last days.

Holds: a manifest goes with its last tag, and with it what refers to it: signatures, by the referrers API or by cosign's
tags (``sha256-HEX.sig``). What another tag or an index that stays still needs is kept. Planning is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sampan.registry.server.storage.collect import Documents, plan_unreached, read_documents
from sampan.registry.server.storage.index import RepositoryIndex
from sampan.registry.server.storage.repository import Repository, now_ns
from sampan.registry.server.storage.store import Store

_COMPANION = re.compile(r"(sha256|sha512)-([0-9a-f]+)(\.[a-z]+)?")


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Which tags of which repositories; a tag goes when it is neither among the newest nor young enough."""

    repositories: str = "*"
    tags: Sequence[str] = ("*",)
    except_tags: Sequence[str] = ()
    keep_last: int | None = None
    max_age_s: float | None = None


def retain(store: Store, rules: Sequence[RetentionRule], *, is_trial: bool = False) -> dict[str, list[str]]:
    """Remove tags by the rules; which, by repository."""
    removed: dict[str, list[str]] = {}
    for name in store.repositories():
        mine = [rule for rule in rules if fnmatchcase(name, rule.repositories)]
        tags = _retain_in(store.repository(name), mine, is_trial=is_trial) if mine else []
        if tags:
            removed[name] = tags
    return removed


def plan_retention(index: RepositoryIndex, rules: Iterable[RetentionRule], time_ns: int) -> set[str]:
    """The tags that go."""
    doomed: set[str] = set()
    for rule in rules:
        tags = [tag for tag in index.tags if _is_meant(tag, rule)]
        tags.sort(key=lambda tag: index.tags[tag].pushed_ns, reverse=True)
        doomed.update(
            tag
            for rank, tag in enumerate(tags)
            if not _is_kept(rule, rank, (time_ns - index.tags[tag].pushed_ns) / 1e9)
        )
    return doomed


def plan_orphans(index: RepositoryIndex, documents: Documents, tags: set[str]) -> tuple[set[str], set[str]]:
    """The manifests that go with these tags, and the tags of their signatures."""
    remaining = index.without_tags(tags)
    before = {mark.digest for mark in index.tags.values()}
    losing = {index.tags[tag].digest for tag in tags}
    untagged = [digest for digest in index.manifests if digest not in before]
    # Untagged manifests stay as they were, but for those that only what goes leads to.
    below = set(index.manifests) - plan_unreached(index, documents, losing)
    roots = [
        *(mark.digest for mark in remaining.tags.values()),
        *(digest for digest in untagged if digest not in below),
    ]
    gone = plan_unreached(index, documents, roots)
    companions = {tag for tag in remaining.tags if _subject_of(tag) in gone}
    if companions:
        more, others = plan_orphans(index, documents, tags | companions)
        return more, companions | others
    return gone, set()


def _retain_in(repository: Repository, rules: Sequence[RetentionRule], *, is_trial: bool) -> list[str]:
    if not plan_retention(repository.index(), rules, now_ns()):
        return []
    known = read_documents(repository, repository.index())
    with repository.lock():
        index = repository.index_to_change()
        doomed = plan_retention(index, rules, now_ns())
        manifests, companions = plan_orphans(index, read_documents(repository, index, known), doomed)
        tags = doomed | companions
        if tags and not is_trial:
            repository.write_index(index.without_tags(tags).without_manifests(manifests))
    return sorted(tags)


def _is_meant(tag: str, rule: RetentionRule) -> bool:
    """Tags of signatures follow what they sign, whatever the patterns say."""
    return (
        _subject_of(tag) == ""
        and any(fnmatchcase(tag, pattern) for pattern in rule.tags)
        and not any(fnmatchcase(tag, pattern) for pattern in rule.except_tags)
    )


def _is_kept(rule: RetentionRule, rank: int, age_s: float) -> bool:
    if rule.keep_last is None and rule.max_age_s is None:
        return True
    is_new = rule.keep_last is not None and rank < rule.keep_last
    is_young = rule.max_age_s is not None and age_s <= rule.max_age_s
    return is_new or is_young


def _subject_of(tag: str) -> str:
    match = _COMPANION.fullmatch(tag)
    return f"{match[1]}:{match[2]}" if match else ""
