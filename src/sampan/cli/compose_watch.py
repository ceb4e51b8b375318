# SPDX-License-Identifier: Apache-2.0
"""What `compose watch` and `compose up --watch` share: the rules of a project, and a watcher that follows them."""

from __future__ import annotations

import os

from sampan.cli.compose_session import open_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sampan.cli.compose_display import Display
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine
    from sampan.compose.build_plan import BuildSettings
    from sampan.compose.model import Service
    from sampan.compose.project import Project
    from sampan.compose.running.watching import Watcher
    from sampan.compose.watch_plan import Rule


def make_rules(project: Project, tell: Callable[[str], None]) -> list[Rule]:
    """The rules of a project; `tell` hears of those that are left out, and why."""
    from sampan.compose.watch_plan import plan_rules

    rules, notices = plan_rules(project, _make_matcher, _read_ignored, resolve=os.path.realpath)
    for notice in notices:
        tell(notice)
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
    from sampan.compose.running.scene import observe_containers
    from sampan.compose.running.watching import Watcher

    def rebuild(service: str) -> None:
        held = observe_containers(context.engine, project.name, services=[service])
        scale = len(held) or project.services[service].replicas
        only = project.with_selected([service], dependencies=False).with_scale(service, scale)
        open_work(context, options, only, display).up(
            UpOptions(ignore_orphans=True, recreate_dependencies="never"),
            UpSettings(build=True, building=settings),
        )
        if not options.declares("prune") or options.switch("prune"):
            prune_replaced(context.engine, project.name)

    return Watcher(context.engine, project.name, rules, display, rebuild=rebuild)


def prune_replaced(engine: Engine, project: str) -> None:
    """Remove the images of a project's builds that have lost their names to newer ones."""
    from sampan.compose import labels

    engine.images.prune(filters={"dangling": ["true"], "label": [f"{labels.PROJECT}={project}"]})


def watch(watcher: Watcher, rules: Sequence[Rule], opened: Callable[[], None]) -> None:
    """React for as long as the process lives; `opened` is called when no change is missed any more."""
    from sampan.compose.running.file_events import FileEvents

    events = FileEvents(rule.trigger.path for rule in rules)
    events.begin()
    try:
        watcher.sync_first()
        opened()
        while True:
            watcher.take(events.next())
    finally:
        events.close()


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
