# SPDX-License-Identifier: Apache-2.0
"""Which files of a context a build reads, so that a client need not send the others (pure).

What cannot be told before the stages run (variables in names, ONBUILD) counts as everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import Misuse
from sampan.build.dockerfile.mounts import MountKind, parse_mount
from sampan.build.git import is_git_url
from sampan.build.patterns import clean_path
from sampan.build.stages import FromContext, Origin, StagePlan
from sampan.errors import SampanError

_URL = re.compile(r"https?://")


def wanted_paths(plan: StagePlan, stages: Iterable[int], name: str) -> tuple[str, ...] | None:
    """Paths and wildcards, relative to the context of that name; None is all of it."""
    found: set[str] = set()
    for index in stages:
        for instruction in plan.stages[index].instructions:
            if isinstance(instruction, ins.Onbuild):
                return None
            for path in _paths(plan, instruction, name):
                cleaned = clean_path("/" + path).strip("/")
                if not cleaned or "$" in path or "**" in path:
                    return None
                found.add(cleaned)
    return tuple(sorted(found))


def _paths(plan: StagePlan, instruction: ins.Instruction, name: str) -> Iterator[str]:
    if isinstance(instruction, ins.Transfer):
        source = instruction.source_stage if isinstance(instruction, ins.Copy) else ""
        if _is_context(_origin(plan, source), name):
            may_be_remote = isinstance(instruction, ins.Add)
            yield from (path for path in instruction.sources if not (may_be_remote and _is_remote(path)))
    if isinstance(instruction, ins.Run):
        for text in instruction.mounts:
            yield from _mount_paths(plan, text, name)


def _is_remote(source: str) -> bool:
    try:
        return bool(_URL.match(source)) or is_git_url(source)
    except SampanError:
        return True  # refused when the step is compiled


def _mount_paths(plan: StagePlan, text: str, name: str) -> Iterator[str]:
    try:
        mount = parse_mount(text)
    except Misuse:
        yield "$"  # only its variables' values make sense of it
        return
    if mount.kind is MountKind.BIND and _is_context(_origin(plan, mount.source_stage), name):
        yield "$" if "$" in text else mount.source


def _origin(plan: StagePlan, source: str) -> Origin:
    return plan.origin(source) if source else FromContext()


def _is_context(origin: Origin, name: str) -> bool:
    return isinstance(origin, FromContext) and origin.name == name
