# SPDX-License-Identifier: Apache-2.0
"""Bring a project up and down: images, plan, steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sampan.client.api import Engine
from sampan.compose.build_plan import BuildSettings
from sampan.compose.down_plan import DownOptions, plan_down
from sampan.compose.image_plan import plan_images
from sampan.compose.keys import check_runnable
from sampan.compose.model import Service
from sampan.compose.observed import Observed
from sampan.compose.plan import UpOptions, plan_up
from sampan.compose.project import Project
from sampan.compose.resource_plan import plan_resources
from sampan.compose.restart_plan import plan_restart
from sampan.compose.running.containers import ContainerWork
from sampan.compose.running.contents import with_file_digests
from sampan.compose.running.images import ImageWork
from sampan.compose.running.performer import Performer
from sampan.compose.running.report import Report
from sampan.compose.running.runner import Interruption, run_plan
from sampan.compose.running.scene import observe
from sampan.compose.steps import Plan, StartContainer, StopContainer, WaitForService


@dataclass(frozen=True, slots=True, kw_only=True)
class UpSettings:
    """Flags of ``up`` and ``create`` that are not about the plan itself.

    `pull` is a policy, or empty for each service's own; `stop_timeout_s` is None for each container's own.
    """

    pull: str = ""
    build: bool = False
    no_build: bool = False
    quiet_pull: bool = False
    stop_timeout_s: int | None = None
    renew_anonymous_volumes: bool = False
    building: BuildSettings = field(default_factory=BuildSettings)


class ProjectWork:
    """One command's work on one project."""

    def __init__(
        self,
        engine: Engine,
        project: Project,
        report: Report,
        *,
        environ: Mapping[str, str],
        at_once: int = 0,
        dry_run: bool = False,
    ) -> None:
        self.engine = engine
        self.project = with_file_digests(project)
        self.report = report
        self.interruption = Interruption()
        self.has_changed = False  # whether a step of a plan has begun
        self._environ = environ
        self._at_once = at_once
        self._dry_run = dry_run

    def up(
        self, options: UpOptions, settings: UpSettings, *, on_made: Callable[[Plan], None] | None = None
    ) -> Plan:
        """Get the images, then make and start what is missing or out of date; the plan that was carried out.

        `on_made` is called when everything has been made and nothing was started yet.
        """
        check_runnable(self.project.tree, set(self.project.services))
        images = self._images(settings)
        getting = plan_images(
            self.project,
            images.facts(),
            pull=settings.pull,
            build=settings.build,
            no_build=settings.no_build,
        )
        self._carry_out(getting, images)
        observed = observe(self.engine, self.project.name)
        options = replace(
            options,
            image_ids=images.ids_by_service(),
            inherit=options.inherit and not settings.renew_anonymous_volumes,
        )
        plan = plan_up(self.project, observed, options)
        containers = self._containers(observed, settings, options.image_ids)
        performer = Performer(self.engine, self.project, containers, self.report, self.interruption)
        if on_made is None:
            self._carry_out(plan, performer)
            return plan
        making, starting = split_plan(plan)
        self._carry_out(making, performer)
        on_made(plan)
        self._carry_out(starting, performer)
        return plan

    def images_only(self, services: list[str], settings: UpSettings) -> None:
        """Get the images of some services, and make nothing."""
        only = ProjectWork(
            self.engine,
            self.project.with_selected(services, dependencies=False),
            self.report,
            environ=self._environ,
            at_once=self._at_once,
            dry_run=self._dry_run,
        )
        images = only._images(settings)
        plan = plan_images(only.project, images.facts(), pull=settings.pull, build=settings.build)
        only._carry_out(plan, images)

    def make_one_off(
        self, original: Service, changed: Service, *, slug: str, auto_remove: bool, use_aliases: bool
    ) -> str:
        """A container of a service that is none of its numbered ones, with what it stands on; its id."""
        check_runnable(self.project.tree, {original.name})
        observed = observe(self.engine, self.project.name)
        resources = plan_resources(self.project, observed)
        containers = self._containers(observed, UpSettings(), self.facts().ids_by_service())
        performer = Performer(self.engine, self.project, containers, self.report, self.interruption)
        self._carry_out(Plan(steps=resources.steps, notices=resources.notices), performer)
        return containers.make_one_off(
            original, changed, slug=slug, auto_remove=auto_remove, use_aliases=use_aliases
        )

    def start(self, options: UpOptions) -> Plan:
        """Start the containers that there are, in the order of their needs."""
        observed = observe(self.engine, self.project.name)
        plan = plan_up(self.project, observed, options)
        containers = self._containers(observed, UpSettings(), {})
        self._carry_out(
            plan, Performer(self.engine, self.project, containers, self.report, self.interruption)
        )
        return plan

    def down(self, options: DownOptions, *, stop_timeout_s: int | None = None) -> Plan:
        """Stop and remove; the plan that was carried out."""
        observed = observe(self.engine, self.project.name)
        plan = plan_down(self.project, observed, options)
        self._take_away(plan, observed, stop_timeout_s=stop_timeout_s, volumes=options.volumes)
        return plan

    def stop(self, services: frozenset[str] = frozenset(), *, stop_timeout_s: int | None = None) -> Plan:
        """Stop, dependents first, and remove nothing."""
        observed = observe(self.engine, self.project.name)
        plan = plan_down(self.project, observed, DownOptions(targets=services, remove_orphans=True))
        stops = tuple(step for step in plan.steps if isinstance(step, StopContainer))
        plan = Plan(steps=stops)
        self._take_away(plan, observed, stop_timeout_s=stop_timeout_s, volumes=False, may_be_left=True)
        return plan

    def restart(self, services: frozenset[str] = frozenset(), *, stop_timeout_s: int | None = None) -> Plan:
        """Restart, what is needed first; a container that does not run is started."""
        observed = observe(self.engine, self.project.name)
        plan = plan_restart(
            self.project,
            [
                each
                for each in observed.containers
                if not each.is_one_off and (not services or each.service in services)
            ],
        )
        containers = self._containers(observed, UpSettings(stop_timeout_s=stop_timeout_s), {})
        performer = Performer(self.engine, self.project, containers, self.report, self.interruption)
        self._carry_out(plan, performer)
        return plan

    def pull(self, plan: Plan, settings: UpSettings) -> None:
        """Carry out a plan of pulls and builds."""
        self._carry_out(plan, self._images(settings))

    def facts(self) -> ImageWork:
        """The images of the project, to be asked what there is."""
        return self._images(UpSettings())

    def _images(self, settings: UpSettings) -> ImageWork:
        return ImageWork(
            self.engine,
            self.project,
            self.report,
            self.interruption,
            environ=self._environ,
            settings=settings.building,
            quiet_pull=settings.quiet_pull,
        )

    def _containers(
        self, observed: Observed, settings: UpSettings, image_ids: Mapping[str, str]
    ) -> ContainerWork:
        return ContainerWork(
            self.engine,
            self.project,
            observed,
            self.report,
            image_ids=image_ids,
            stop_timeout_s=settings.stop_timeout_s,
            renew_anonymous_volumes=settings.renew_anonymous_volumes,
        )

    def _take_away(
        self,
        plan: Plan,
        observed: Observed,
        *,
        stop_timeout_s: int | None,
        volumes: bool,
        may_be_left: bool = False,
    ) -> None:
        containers = self._containers(observed, UpSettings(stop_timeout_s=stop_timeout_s), {})
        performer = Performer(
            self.engine,
            self.project,
            containers,
            self.report,
            self.interruption,
            remove_anonymous_volumes=volumes,
            may_be_left=may_be_left,
        )
        self._carry_out(plan, performer)

    def _carry_out(self, plan: Plan, perform: Performer | ImageWork) -> None:
        for notice in plan.notices:
            self.report.notice(notice)
        if self._dry_run:
            for line in plan.describe():
                self.report.notice(f"DRY-RUN MODE - {line}")
            return
        self.has_changed = self.has_changed or bool(plan.steps)
        run_plan(
            plan, perform, interruption=self.interruption, at_once=self._at_once, leaves=perform.may_be_left
        )


def split_plan(plan: Plan) -> tuple[Plan, Plan]:
    """What makes containers and what they need, and what starts them afterwards."""
    starting = [step for step in plan.steps if isinstance(step, StartContainer | WaitForService)]
    keys = {step.key for step in starting}
    making = tuple(step for step in plan.steps if step.key not in keys)
    starts = tuple(replace(step, needs=tuple(keys.intersection(step.needs))) for step in starting)
    return Plan(steps=making, notices=plan.notices), Plan(steps=starts)
