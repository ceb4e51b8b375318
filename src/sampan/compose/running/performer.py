# SPDX-License-Identifier: Apache-2.0
"""Do one step of a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.client.api import Engine
from sampan.compose.creation import plan_network, plan_volume
from sampan.compose.project import Project
from sampan.compose.running.containers import ContainerWork
from sampan.compose.running.report import Report
from sampan.compose.running.runner import Interruption
from sampan.compose.running.waiting import COMPLETED, RUNNING_OR_HEALTHY, NotReady, wait_for_container
from sampan.compose.steps import (
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    KeepContainer,
    RecreateContainer,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RestartContainer,
    StartContainer,
    Step,
    StopContainer,
    WaitForService,
)
from sampan.errors import Conflict, NotFound, SampanError


class Performer:
    """Carries out steps of ``up`` and ``down``; what is told and how long is waited was said before."""

    def __init__(
        self,
        engine: Engine,
        project: Project,
        containers: ContainerWork,
        report: Report,
        interruption: Interruption,
        *,
        remove_anonymous_volumes: bool = False,
        may_be_left: bool = False,
    ) -> None:
        self._engine = engine
        self._project = project
        self._containers = containers
        self._report = report
        self._interruption = interruption
        self._remove_volumes = remove_anonymous_volumes
        self.may_be_left = may_be_left
        self._verbs: dict[type[Step], Callable[[Any], None]] = {
            CreateNetwork: self._create_network,
            RemoveNetwork: self._remove_network,
            CreateVolume: self._create_volume,
            RemoveVolume: self._remove_volume,
            RemoveImage: self._remove_image,
            CreateContainer: containers.create,
            RecreateContainer: containers.recreate,
            KeepContainer: containers.keep,
            StartContainer: containers.start,
            RestartContainer: containers.restart,
            StopContainer: containers.stop,
            RemoveContainer: self._remove_container,
            WaitForService: self._wait,
        }

    def __call__(self, step: Step) -> None:
        """Do it; an error is told, and raised."""
        try:
            self._verbs[type(step)](step)
        except SampanError as error:
            if not isinstance(step, WaitForService):
                self._report.failed(step.subject, "Error", error.message)
            raise

    def _create_network(self, step: CreateNetwork) -> None:
        self._report.working(step.subject, "Creating")
        try:
            self._engine.networks.create(plan_network(self._project, step.network_key, step.network))
        except Conflict:
            # Somebody who brings up the same project at the same time was faster.
            self._engine.networks.inspect(step.network.name)
        self._report.done(step.subject, "Created")

    def _remove_network(self, step: RemoveNetwork) -> None:
        self._report.working(step.subject, "Removing", step.reason)
        if step.reason:
            self._clear_network(step.name)
        try:
            self._engine.networks.remove(step.name)
        except NotFound:
            pass
        except SampanError as error:
            if "has active endpoints" not in error.message or step.reason:
                raise
            self._report.done(step.subject, "Resource is still in use")
            return
        self._report.done(step.subject, "Removed", step.reason)

    def _clear_network(self, name: str) -> None:
        """Its containers have stopped and are made anew on the next one: they let go of it."""
        try:
            on_it = self._engine.networks.inspect(name).get("Containers") or {}
        except NotFound:
            return
        for container_id in on_it:
            self._engine.networks.disconnect(name, container_id, force=True)

    def _create_volume(self, step: CreateVolume) -> None:
        self._report.working(step.subject, "Creating")
        self._engine.volumes.create(plan_volume(self._project, step.volume_key, step.volume))
        self._report.done(step.subject, "Created")

    def _remove_volume(self, step: RemoveVolume) -> None:
        self._report.working(step.subject, "Removing", step.reason)
        try:
            self._engine.volumes.remove(step.name)
        except NotFound:
            pass
        except Conflict:
            self._report.done(step.subject, "Resource is still in use")
            return
        self._report.done(step.subject, "Removed", step.reason)

    def _remove_image(self, step: RemoveImage) -> None:
        self._report.working(step.subject, "Removing")
        try:
            self._engine.images.remove(step.image)
        except NotFound:
            self._report.done(step.subject, "Warning", "No resource found to remove")
            return
        except Conflict:
            self._report.done(step.subject, "Resource is still in use")
            return
        self._report.done(step.subject, "Removed")

    def _remove_container(self, step: RemoveContainer) -> None:
        self._containers.remove(step, volumes=self._remove_volumes)

    def _wait(self, step: WaitForService) -> None:
        condition = self._condition(step)
        for container_id in self._containers.ids_of(step.service):
            try:
                wait_for_container(
                    self._engine,
                    container_id,
                    condition,
                    report=self._report,
                    interruption=self._interruption,
                )
            except NotReady as error:
                if not step.required:
                    self._report.notice(f"optional dependency {step.service}: {error.message}")
                    return
                words = "dependency failed to start: " if step.dependent else ""
                raise NotReady(f"{words}{error.message}", hint=error.hint) from error

    def _condition(self, step: WaitForService) -> str:
        """``up --wait`` waits for the end of a service whose end others wait for."""
        if step.condition != RUNNING_OR_HEALTHY:
            return step.condition
        needs = [service.depends_on.get(step.service) for service in self._project.services.values()]
        ends = any(need is not None and need.condition == COMPLETED for need in needs)
        return COMPLETED if ends else RUNNING_OR_HEALTHY
