# SPDX-License-Identifier: Apache-2.0
"""Carry out what ``watch`` plans: copy files into running containers, remove them, rebuild, restart.

One batch after the other, each with all that has changed by then. A reaction that fails is told, and watching
goes on: the next change may mend it.
"""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence

from sampan.client.api import Engine
from sampan.compose.model_hooks import Hook
from sampan.compose.observed import ObservedContainer
from sampan.compose.running.hooks import run_hook
from sampan.compose.running.report import Report
from sampan.compose.running.scene import observe_containers
from sampan.compose.watch_plan import Reaction, Rule, plan_reactions
from sampan.errors import NotFound, SampanError

Copy = tuple[str, str]
"""A path here, and where it goes in the container."""

_PIECE_BYTES = 1 << 16
_REMOVALS_AT_ONCE = 500
_SHOWN = 200


class Watcher:
    """Reacts to changes for one project; `rebuild` builds a service and makes its containers anew."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        rules: Sequence[Rule],
        report: Report,
        *,
        rebuild: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._project = project
        self._rules = rules
        self._report = report
        self._rebuild = rebuild
        self._has_ended = False

    def end(self) -> None:
        """React to nothing more."""
        self._has_ended = True

    def sync_first(self) -> None:
        """What the rules with ``initial_sync`` cover goes into the containers before anything changes."""
        first = [rule for rule in self._rules if rule.trigger.initial_sync and rule.syncs]
        paths = [path for rule in first for path in iter_files(rule.trigger.path)]
        for reaction in plan_reactions(first, paths, exists=os.path.lexists):
            self._try(Reaction(service=reaction.service, copies=reaction.copies))

    def take(self, changed: Iterable[str]) -> None:
        """React to one batch; a directory stands for all that is in it."""
        paths = [path for each in changed for path in iter_files(each)]
        for reaction in plan_reactions(self._rules, paths, exists=os.path.lexists):
            self._try(reaction)

    def _try(self, reaction: Reaction) -> None:
        if self._has_ended:
            return
        self._report.notice(reaction.describe())
        try:
            self._react(reaction)
        except SampanError as error:
            self._report.notice(f'service "{reaction.service}": {error.message}')

    def _react(self, reaction: Reaction) -> None:
        if reaction.rebuilds:
            self._rebuild(reaction.service)
            self._report.notice(f'service "{reaction.service}" successfully built')
            return
        found = observe_containers(self._engine, self._project, services=[reaction.service])
        for container in found:
            if container.is_running:
                self._sync(container, reaction)
        if reaction.restarts:
            for container in found:
                self._engine.containers.restart(container.id)
            self._report.notice(f'service "{reaction.service}" restarted')
        for trigger in reaction.runs:
            for container in found:
                if container.is_running:
                    self._run(container, trigger.exec)

    def _sync(self, container: ObservedContainer, reaction: Reaction) -> None:
        for start in range(0, len(reaction.removals), _REMOVALS_AT_ONCE):
            chosen = reaction.removals[start : start + _REMOVALS_AT_ONCE]
            self._run(container, Hook(command=("rm", "-rf", "--", *chosen), user="0"))
        if reaction.copies:
            self._copy(container, reaction.copies)

    def _copy(self, container: ObservedContainer, copies: Sequence[Copy]) -> None:
        """At once where that is possible: a root that is read-only may have a folder that is not."""
        groups = group_by_folder(copies)
        common = posixpath.commonpath(groups)
        try:
            self._put(container, common, copies)
        except SampanError:
            if len(groups) == 1:
                raise
            for folder, files in groups.items():
                self._put(container, folder, files)

    def _put(self, container: ObservedContainer, folder: str, copies: Sequence[Copy]) -> None:
        try:
            self._engine.containers.put_archive(container.id, folder, iter_archive(copies, folder))
        except NotFound:  # the folder is not there yet: extracting makes it
            self._engine.containers.put_archive(container.id, "/", iter_archive(copies, "/"))

    def _run(self, container: ObservedContainer, hook: Hook) -> None:
        code = run_hook(self._engine, container.id, container.name, hook, self._report)
        if code:
            words = " ".join(hook.command or ())
            self._report.notice(f"container {container.name}: {words[:_SHOWN]} exited with status {code}")


def iter_files(path: str) -> Iterator[str]:
    """The path, or the files below it; what is gone is itself."""
    if not os.path.isdir(path) or os.path.islink(path):
        yield path
        return
    for folder, folders, names in os.walk(path):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (os.path.join(folder, name) for name in sorted([*names, *links]))


def group_by_folder(copies: Iterable[Copy]) -> dict[str, list[Copy]]:
    """Copies by the folder of the container that they go to."""
    groups: dict[str, list[Copy]] = {}
    for path, target in copies:
        groups.setdefault(posixpath.dirname(target) or "/", []).append((path, target))
    return groups


def iter_archive(copies: Iterable[Copy], folder: str) -> Iterator[bytes]:
    """A tar archive of files, named from `folder`; those that have gone meanwhile are left out."""
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as headers:
        for path, target in copies:
            name = posixpath.relpath(target, folder)
            try:
                yield from _iter_member(headers, path, name)
            except (FileNotFoundError, PermissionError):
                continue
    yield bytes(2 * tarfile.BLOCKSIZE)


def _iter_member(headers: tarfile.TarFile, path: str, name: str) -> Iterator[bytes]:
    """Its header and its content, which has the size that the header says whatever happens to the file."""
    if not (os.path.islink(path) or os.path.isfile(path)):
        return  # a socket or a pipe is nothing to bring anywhere
    content = None if os.path.islink(path) else open(path, "rb")  # noqa: SIM115 - closed below
    try:
        member = headers.gettarinfo(path, arcname=name, fileobj=content)
        if content is not None:
            member.type, member.linkname = tarfile.REGTYPE, ""
            member.size = os.fstat(content.fileno()).st_size
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        yield member.tobuf(tarfile.PAX_FORMAT)
        left = member.size if content is not None else 0
        while content is not None and left:
            piece = content.read(min(left, _PIECE_BYTES)).ljust(1, b"\0")
            left -= len(piece)
            yield piece
        yield bytes(-member.size % tarfile.BLOCKSIZE)
    finally:
        if content is not None:
            content.close()
