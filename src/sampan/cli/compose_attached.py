# SPDX-License-Identifier: Apache-2.0
"""``compose up`` that stays: containers are made, then started with their output on the terminal.

Ctrl-C stops them in good order, a second one at once; so does the first end of a container where that was asked for.
"""

from __future__ import annotations

import os
from threading import Thread

from sampan.cli.command import UsageError
from sampan.cli.compose_display import Display
from sampan.cli.compose_logs import Lines, LogPrinter
from sampan.cli.compose_session import add_hint, open_progress, open_work, tell_left
from sampan.cli.compose_watch import make_rules, make_watcher, watch
from sampan.cli.output import STDOUT
from sampan.errors import Cancelled, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.compose.plan import UpOptions
    from sampan.compose.project import Project
    from sampan.compose.running.attached import Attached, Ended
    from sampan.compose.running.project_work import ProjectWork, UpSettings
    from sampan.compose.running.watching import Watcher
    from sampan.compose.steps import Plan
    from sampan.compose.watch_plan import Rule

INTERRUPTED = 130


def stay(
    context: Context, options: Options, project: Project, wanted: UpOptions, settings: UpSettings
) -> int:
    """Bring it up, show what it says, and end with it."""
    display = open_progress(context)
    work = open_work(context, options, project, display)
    staying = _Staying(context, options, project, wanted, work, display)
    try:
        if options.switch("watch"):
            staying.watch_rules()
        work.up(wanted, settings, on_made=staying.begin)
        display.close()
        staying.begin_watching(settings)
        return staying.wait()
    except KeyboardInterrupt:
        display.close()
        return staying.stop(INTERRUPTED)
    except SampanError as error:
        display.close()
        staying.settle()
        add_hint(error, tell_left(work))
        raise


class _Staying:
    def __init__(
        self,
        context: Context,
        options: Options,
        project: Project,
        wanted: UpOptions,
        work: ProjectWork,
        display: Display,
    ) -> None:
        self.context = context
        self.options = options
        self.project = project
        self.wanted = wanted
        self.work = work
        self.display = display
        self.attached: Attached | None = None
        self._rules: list[Rule] = []
        self._watcher: Watcher | None = None
        self._services = attached_services(options, project, wanted.targets)
        self._exit_from = options.text("exit-code-from")
        if self._exit_from and self._exit_from not in project.services:
            raise UsageError(f"no such service: {self._exit_from}")

    def begin(self, plan: Plan) -> None:
        """Everything has been made: from now on containers are shown, not steps."""
        from sampan.compose.running.attached import Attached, shown_name
        from sampan.compose.steps import ContainerStep, KeepContainer, RemoveContainer

        self.display.close()
        printer = LogPrinter(
            colour=use_colour(self.context, self.options), prefix=not self.options.switch("no-log-prefix")
        )
        self.attached = Attached(
            self.work.engine,
            self.project.name,
            printer,
            Lines,
            services=self._services,
            timestamps=self.options.switch("timestamps"),
        )
        names: dict[str, None] = {}
        for step in plan.steps:
            if isinstance(step, ContainerStep) and not isinstance(step, RemoveContainer):
                names[shown_name(self.project.name, step.name)] = None
        self.context.out.note(f"Attaching to {', '.join(sorted(names))}")
        for name in names:
            printer.add(name)
        self.attached.open()
        for step in plan.steps:
            if isinstance(step, KeepContainer) and step.container.is_running:
                self.attached.follow(step.container)

    def watch_rules(self) -> None:
        """Find what ``--watch`` watches before anything begins."""
        self._rules = make_rules(self.project, self.display.notice)

    def begin_watching(self, settings: UpSettings) -> None:
        """React to changes beside the output, in a thread that ends with the process."""
        if not self._rules:
            return
        display = open_progress(self.context, live=False)
        watcher = self._watcher = make_watcher(
            self.context, self.options, self.project, self._rules, display, settings.building
        )

        def work() -> None:
            try:
                watch(watcher, self._rules, lambda: display.notice("Watch enabled"))
            except Exception as error:  # noqa: BLE001 - the containers go on
                display.notice(f"watching has ended: {error}")

        Thread(target=work, name="watch", daemon=True).start()

    def wait(self) -> int:
        """Until nothing runs any more, or an end that ends all; who is watched may come back."""
        assert self.attached is not None
        while self._rules or self._still_running():
            ended = self.attached.next_end()
            if not ended.for_good:
                continue
            if self._ends_all(ended):
                status = ended.code if not self._exit_from or ended.service == self._exit_from else 0
                return self.stop(status)
        return 0

    def _ends_all(self, ended: Ended) -> bool:
        if self.options.switch("abort-on-container-failure"):
            return ended.code != 0
        return self.options.switch("abort-on-container-exit") or ended.service == self._exit_from

    def _still_running(self) -> bool:
        from sampan.compose.running.scene import observe_containers

        found = observe_containers(self.work.engine, self.project.name, services=list(self.project.services))
        return any(each.state in ("running", "restarting", "paused") for each in found)

    def stop(self, status: int) -> int:
        """Stop all in good order; an impatient person kills them."""
        if self._watcher is not None:
            self._watcher.end()
        if status == INTERRUPTED:
            self.context.out.note("Gracefully Stopping... press Ctrl+C again to force")
        try:
            self._stop()
        except (KeyboardInterrupt, Cancelled):
            self._kill()
        self.settle()
        return status

    def _stop(self) -> None:
        timeout_s = self.options.number("timeout") if self.options.given("timeout") else None
        with open_progress(self.context) as display:
            work = open_work(self.context, self.options, self.project, display)
            work.stop(frozenset(self.project.services), stop_timeout_s=timeout_s)

    def _kill(self) -> None:
        from sampan.compose.running.scene import observe_containers

        engine = self.work.engine
        for each in observe_containers(engine, self.project.name, services=list(self.project.services)):
            if each.state in ("running", "restarting", "paused"):
                try:
                    engine.containers.kill(each.id)
                except SampanError as error:
                    self.context.out.note(f"{each.name}: {error.message}")

    def settle(self) -> None:
        """Let what has been said come out."""
        if self.attached is not None:
            self.attached.settle()


def attached_services(options: Options, project: Project, targets: frozenset[str]) -> frozenset[str]:
    """The services whose output is shown."""
    shown = set(options.several("attach")) or set(targets or project.services)
    if options.switch("attach-dependencies"):
        shown = set(project.services)
    hidden = {name for name, service in project.services.items() if service.attach is False}
    return frozenset(shown - hidden - set(options.several("no-attach")))


def use_colour(context: Context, options: Options) -> bool:
    """Whether prefixes have colours."""
    if options.switch("no-color") or context.environ.get("NO_COLOR"):
        return False
    ansi = context.compose.text("ansi")
    return ansi == "always" or (ansi == "auto" and os.isatty(STDOUT))
