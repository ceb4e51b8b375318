# SPDX-License-Identifier: Apache-2.0
"""COPY, ADD and WORKDIR: steps that write files without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from sampan.build.cache import Result
from sampan.build.files.copy import Earlier, Transfer, Written, copy_selection, make_document
from sampan.build.files.scan import Filters
from sampan.build.files.select import Selection, hash_files, select
from sampan.build.files.upper import Upper
from sampan.build.files.view import open_view
from sampan.build.modes import made_folder_mode, parse_mode_change
from sampan.build.origins import Origin, open_origin
from sampan.build.owners import resolve_owner
from sampan.build.patterns import PatternSet
from sampan.build.services import StepServices
from sampan.build.steps import CopyStep, WorkdirStep
from sampan.build.unpack import is_archive, unpack

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Picked:
    """Files that were found for a step, ready to be copied."""

    selection: Selection
    keep_xattrs: bool
    is_remote: bool = False

    def content(self, latest_ns: int | None = None) -> str:
        """What they contribute to the key: their times, too, where a build says which is the latest."""
        digest = self.selection.digest()
        return (digest if latest_ns is None else digest + self.selection.digest_times(latest_ns)).hex()


@contextmanager
def pick(
    services: StepServices,
    origin: Origin,
    sources: Sequence[str],
    step: CopyStep,
    *,
    is_remote: bool = False,
    stage: str = "",
) -> Iterator[Picked]:
    """Find and hash the sources of a step in an origin; copies of them if there is a folder to stage them in."""
    with open_origin(origin, services.workplace.empty) as tree:
        filters = Filters(tree.ignored, PatternSet(step.exclude))
        keep = not tree.is_context
        selection = select(tree.fd, sources, filters, keep_owners=keep, parents=step.parents)
        hash_files(selection, services.workplace.digests, stage)
        yield Picked(selection, keep_xattrs=keep, is_remote=is_remote)


def write_copy(
    services: StepServices,
    step: CopyStep,
    active: str,
    parent: Result,
    picked: Sequence[Picked],
    earlier: Result | None,
) -> dict[str, Written]:
    """Write a COPY or ADD into an active snapshot; the files that were written, by name."""
    lowers = services.lowers(parent)
    with ExitStack() as stack:
        below = stack.enter_context(open_view(lowers, services.workplace.empty))
        upper = stack.enter_context(_open_upper(services, active, below))
        transfer = Transfer(
            owner=resolve_owner(below, step.chown) if step.chown else None,
            mode=parse_mode_change(step.chmod) if step.chmod else None,
            folder_mode=made_folder_mode(step.chmod),
            link=step.link,
            earlier=_open_earlier(services, earlier, stack),
            is_stopped=services.blocking.is_stopped,
        )
        for part in picked:
            transfer.keep_xattrs = part.keep_xattrs
            rest = _unpack_archives(services, step, part, upper, lowers, transfer)
            copy_selection(rest, upper, step.destination, transfer)
        for document in step.documents:
            content = document.text.encode("utf-8", "surrogateescape")
            make_document(upper, step.destination, document.name, content, transfer)
        upper.finish()
    return transfer.written


def write_workdir(services: StepServices, step: WorkdirStep, active: str, parent: Result) -> None:
    """Make the folder, its missing parents too, as the current user."""
    with (
        open_view(services.lowers(parent), services.workplace.empty) as below,
        _open_upper(services, active, below) as upper,
    ):
        owner = resolve_owner(below, step.user) if step.user else (0, 0)
        name = upper.resolve(step.path)
        if upper.lookup(name) is None:
            upper.make_folders(name, owner=owner)
        else:
            upper.require_folder(name)
        upper.finish()


@contextmanager
def _open_upper(services: StepServices, active: str, below: int) -> Iterator[Upper]:
    """A store that copies has the whole tree in the snapshot: there is nothing below it."""
    fd = os.open(services.snapshots.upper_path(active), _DIRECTORY)
    try:
        yield Upper(fd, below if services.snapshots.driver.is_layered else None)
    finally:
        os.close(fd)


def _open_earlier(services: StepServices, earlier: Result | None, stack: ExitStack) -> Earlier | None:
    if earlier is None or not services.snapshots.driver.is_layered:
        return None
    files = services.workplace.load_manifest(earlier.identity)
    if not files:
        return None
    fd = os.open(services.folder(earlier), _DIRECTORY)
    stack.callback(os.close, fd)
    return Earlier(fd, files)


def _unpack_archives(
    services: StepServices,
    step: CopyStep,
    part: Picked,
    upper: Upper,
    lowers: tuple[str, ...],
    transfer: Transfer,
) -> Selection:
    """Unpack those of ADD's files that are archives; what remains is copied."""
    wanted = step.unpack_remote if part.is_remote else step.unpack
    if not (step.is_add and wanted):
        return part.selection
    rest = []
    for item in part.selection.items:
        if not item.top.is_file:
            rest.append(item)
            continue
        fd = part.selection.open(item.top)
        try:
            if not is_archive(fd):
                rest.append(item)
                continue
            target = upper.resolve(step.destination)
            upper.make_folders(target, owner=transfer.owner or (0, 0))
            upper.finish()
            layered = services.snapshots.driver.is_layered
            unpack(fd, upper.fd, target, lowers=lowers if layered else (), owner=transfer.owner)
            part.selection.require_unchanged(item.top, fd)
        finally:
            os.close(fd)
        upper.forget_made()
    return replace(part.selection, items=tuple(rest))
