# SPDX-License-Identifier: Apache-2.0
"""What `compose watch` and `compose up --watch` share: events of files, and a watcher that reacts to them."""

from __future__ import annotations

import os

from sampan.cli.compose_session import open_work
from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from queue import SimpleQueue
    from threading import Event

    from sampan.cli.compose_display import Display
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.build_plan import BuildSettings
    from sampan.compose.model import Service
    from sampan.compose.project import Project
    from sampan.compose.running.watching import Watcher
    from sampan.compose.watch_plan import Rule

_QUIET_MS = 100
_LONGEST_MS = 1000
_PULSE_MS = 250


def make_rules(project: Project) -> list[Rule]:
    """The rules of a project, and that the paths they name are there."""
    from sampan.compose.watch_plan import plan_rules

    rules = plan_rules(project, _make_matcher, _read_ignored)
    for rule in rules:
        if not os.path.lexists(rule.trigger.path):
            raise NotFound(
                f"service {rule.service}: cannot watch {rule.trigger.path}: no such file or directory"
            )
    return rules


def make_watcher(
    context: Context,
    options: Options,
    project: Project,
    rules: Sequence[Rule],
    display: Display,
    settings: BuildSettings,
) -> Watcher:
    """The watcher of a project."""
    from sampan.compose.plan import UpOptions
    from sampan.compose.running.project_work import UpSettings
    from sampan.compose.running.watching import Watcher

    def rebuild(service: str) -> None:
        only = project.with_selected([service], dependencies=False)
        open_work(context, options, only, display).up(
            UpOptions(ignore_orphans=True, recreate_dependencies="never"),
            UpSettings(build=True, building=settings),
        )

    return Watcher(context.engine, project.name, rules, display, rebuild=rebuild)


def watch(watcher: Watcher, rules: Sequence[Rule], stop: Event, opened: Callable[[], None]) -> None:
    """React until `stop`; `opened` is called when no change is missed any more."""
    from queue import SimpleQueue
    from threading import Event, Thread

    batches: SimpleQueue[set[str] | BaseException] = SimpleQueue()
    begun: list[Event] = []
    folders = {rule.trigger.path for rule in rules if os.path.isdir(rule.trigger.path)}
    # A file is replaced by those who edit it, so it is its folder that is watched.
    files = {os.path.dirname(rule.trigger.path) for rule in rules if rule.trigger.path not in folders}
    for paths, deep in ((folders, True), (files, False)):
        if paths:
            begun.append(Event())
            arguments = (sorted(paths), deep, batches, begun[-1], stop)
            Thread(target=_read_events, args=arguments, daemon=True).start()
    for each in begun:
        each.wait()
    watcher.sync_first()
    opened()
    while not stop.is_set():
        batch = batches.get()
        if isinstance(batch, BaseException):
            raise batch
        watcher.take(batch)


def _read_events(
    paths: list[str], deep: bool, batches: SimpleQueue[set[str] | BaseException], begun: Event, stop: Event
) -> None:
    from watchfiles import watch as iter_batches

    try:
        for batch in iter_batches(
            *paths,
            watch_filter=None,
            debounce=_LONGEST_MS,
            step=_QUIET_MS,
            stop_event=stop,
            rust_timeout=_PULSE_MS,
            yield_on_timeout=True,
            recursive=deep,
            ignore_permission_denied=True,
        ):
            begun.set()  # its first words, even if nothing has changed: from now on nothing is missed
            if batch:
                batches.put({path for _, path in batch})
    except Exception as error:  # noqa: BLE001 - it is raised where the batches are read
        batches.put(error)
        begun.set()


def _make_matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    from sampan.build.dockerignore import parse_dockerignore

    return parse_dockerignore("\n".join(patterns)).matches


def _read_ignored(service: Service) -> list[str]:
    """The patterns of the build context's ``.dockerignore``."""
    from sampan.build.dockerignore import ignore_file_names

    if service.build is None or "://" in service.build.context:
        return []
    for name in ignore_file_names(service.build.dockerfile or "Dockerfile"):
        try:
            with open(os.path.join(service.build.context, name), encoding="utf-8") as file:
                return file.read().split("\n")
        except (FileNotFoundError, NotADirectoryError):
            continue
    return []
