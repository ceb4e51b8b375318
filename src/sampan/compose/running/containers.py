# SPDX-License-Identifier: Apache-2.0
"""Make, start, stop and remove containers of services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

from sampan.client.api import Engine
from sampan.compose import labels
from sampan.compose.creation import CreationContext, plan_container
from sampan.compose.creation_mounts import plan_injections
from sampan.compose.model import Service
from sampan.compose.naming import container_name, image_name
from sampan.compose.observed import Observed, ObservedContainer
from sampan.compose.project import Project
from sampan.compose.references import resolve_references
from sampan.compose.running.hooks import run_hooks, try_hooks
from sampan.compose.running.injecting import inject
from sampan.compose.running.report import Report
from sampan.compose.steps import (
    CreateContainer,
    KeepContainer,
    RecreateContainer,
    RemoveContainer,
    RestartContainer,
    StartContainer,
    StopContainer,
)
from sampan.errors import Conflict, InvalidArgument, NotFound, NotModified, PermissionDenied

_SHORT = 12
_SEVERAL_NETWORKS = "1.44"
"""The version of the API from which on a container is made on several networks at once."""
_ANONYMOUS = "com.docker.volume.anonymous"
_ANONYMOUS_LENGTH = 64


class ContainerWork:
    """Does the steps that are about containers, and knows which are there by now."""

    def __init__(
        self,
        engine: Engine,
        project: Project,
        observed: Observed,
        report: Report,
        *,
        image_ids: Mapping[str, str],
        stop_timeout_s: int | None = None,
        renew_anonymous_volumes: bool = False,
    ) -> None:
        self._engine = engine
        self._project = project
        self._report = report
        self._image_ids = image_ids
        self._stop_timeout_s = stop_timeout_s
        self._renew_volumes = renew_anonymous_volumes
        self._lock = Lock()
        # service → number → id; first what was there, then what is made.
        self._ids: dict[str, dict[int, str]] = {}
        for container in observed.containers:
            if not container.is_one_off:
                self._ids.setdefault(container.service, {})[container.number] = container.id

    def ids_of(self, service: str) -> list[str]:
        """The service's containers by number."""
        with self._lock:
            return [container_id for _, container_id in sorted(self._ids.get(service, {}).items())]

    def first_ids(self) -> dict[str, str]:
        """Each service's first container: what other services refer to."""
        with self._lock:
            return {name: ids[min(ids)] for name, ids in self._ids.items() if ids}

    def create(self, step: CreateContainer) -> None:
        """A container that was not there."""
        self._report.working(step.subject, "Creating")
        service = self._project.services[step.service]
        created = self._make(service, step.number, step.name, extra={})
        self._remember(step.service, step.number, created)
        self._report.done(step.subject, "Created")

    def recreate(self, step: RecreateContainer) -> None:
        """The new one exists before the old one goes: what cannot be made leaves everything as it was."""
        self._report.working(step.subject, "Recreate", ", ".join(step.reasons))
        service = self._project.services[step.service]
        old = step.old
        found = self._engine.containers.inspect(old.id)
        inherited = found.get("Mounts") or [] if step.inherit else []
        temporary = f"{old.id[:_SHORT]}_{step.name}"
        created = self._make(
            service, step.number, temporary, extra={labels.REPLACES: old.name}, inherited=inherited
        )
        if old.is_running:
            try_hooks(self._engine, old.id, old.name, service.pre_stop, self._report)
        self._stop(old.id)
        self._remove(old, volumes=self._renew_volumes)
        self._engine.containers.rename(created, step.name)
        self._remember(step.service, step.number, created)
        self._report.done(step.subject, "Recreated", ", ".join(step.reasons))

    def keep(self, step: KeepContainer) -> None:
        """Nothing, but for a name that an interrupted `recreate` has left unfinished."""
        wanted = container_name(
            self._project.name, self._project.services[step.service], step.container.number
        )
        if step.name.endswith(f"_{wanted}"):
            try:
                self._engine.containers.rename(step.container.id, wanted)
            except Conflict:
                self._report.notice(f"container {step.name} keeps its name: {wanted} is taken")
        self._report.done(step.subject, "Running" if step.container.is_running else "Created")

    def start(self, step: StartContainer) -> None:
        """Start it, and run what its service wants run then."""
        self._report.working(step.subject, "Starting")
        container_id = step.container.id if step.container else self._find(step)
        self._engine.containers.start(container_id)
        service = self._project.services[step.service]
        run_hooks(self._engine, container_id, step.name, service.post_start, self._report)
        self._report.done(step.subject, "Started")

    def restart(self, step: RestartContainer) -> None:
        """Both, with the hooks of both."""
        self._report.working(step.subject, "Restarting")
        service = self._project.all_services.get(step.service)
        if service is not None and step.container.is_running:
            try_hooks(self._engine, step.container.id, step.name, service.pre_stop, self._report)
        self._engine.containers.restart(step.container.id, timeout_s=self._stop_timeout_s)
        if service is not None:
            run_hooks(self._engine, step.container.id, step.name, service.post_start, self._report)
        self._report.done(step.subject, "Started")

    def stop(self, step: StopContainer) -> None:
        """Stop it, after what its service wants run then."""
        self._report.working(step.subject, "Stopping", step.reason)
        service = self._project.all_services.get(step.service)
        if service is not None and step.container.is_running:
            try_hooks(self._engine, step.container.id, step.name, service.pre_stop, self._report)
        self._stop(step.container.id)
        self._report.done(step.subject, "Stopped", step.reason)

    def remove(self, step: RemoveContainer, *, volumes: bool) -> None:
        """Remove it; `volumes` takes its anonymous ones along."""
        self._report.working(step.subject, "Removing", step.reason)
        self._remove(step.container, volumes=volumes)
        self._forget(step.container)
        self._report.done(step.subject, "Removed", step.reason)

    def _make(
        self,
        service: Service,
        number: int,
        name: str,
        *,
        extra: Mapping[str, str],
        inherited: list[dict[str, Any]] | None = None,
    ) -> str:
        context = CreationContext(
            project=self._project,
            service=resolve_references(service, self.first_ids()),
            original=service,
            number=number,
            name=name,
            image_id=self._image_ids.get(service.name, ""),
            links=self.links(service),
            inherited=inherited or (),
            image_volumes=self._image_volumes(service) if inherited else frozenset(),
            extra_labels=extra,
            read_file=read_text,
        )
        return create_container(self._engine, context, name, self._report)

    def make_one_off(
        self, original: Service, changed: Service, *, slug: str, auto_remove: bool, use_aliases: bool
    ) -> str:
        """A container of `compose run`, not started."""
        name = changed.container_name or f"{self._project.name}-{original.name}-run-{slug}"
        self._report.working(f"Container {name}", "Creating")
        context = CreationContext(
            project=self._project,
            service=replace(resolve_references(changed, self.first_ids()), container_name=name),
            original=original,
            name=name,
            image_id=self._image_ids.get(original.name, ""),
            links=self.links(changed),
            one_off=True,
            use_aliases=use_aliases,
            auto_remove=auto_remove,
            attach_stdin=changed.stdin_open,
            extra_labels={labels.SLUG: slug},
            read_file=read_text,
        )
        created = create_container(self._engine, context, name, self._report)
        self._report.done(f"Container {name}", "Created")
        return created

    def links(self, service: Service) -> tuple[str, ...]:
        """``container:alias`` for each container of the services that it links to, and for those of others."""
        links: list[str] = []
        for link in service.links:
            name, _, alias = link.partition(":")
            target = self._project.all_services[name]
            with self._lock:
                numbers = sorted(self._ids.get(name, {}))
            for number in numbers:
                own = container_name(self._project.name, target, number)
                links += [f"{own}:{word}" for word in dict.fromkeys((alias or name, f"{name}-{number}", own))]
        links += [link if ":" in link else f"{link}:{link}" for link in service.external_links]
        return tuple(links)

    def _image_volumes(self, service: Service) -> frozenset[str]:
        found = self._engine.images.inspect(image_name(self._project.name, service))
        return frozenset((found.get("Config") or {}).get("Volumes") or ())

    def _stop(self, container_id: str) -> None:
        try:
            self._engine.containers.stop(container_id, timeout_s=self._stop_timeout_s)
        except (NotModified, NotFound):
            return

    def _remove(self, container: ObservedContainer, *, volumes: bool) -> None:
        try:
            self._engine.containers.remove(container.id, force=True, volumes=volumes)
        except NotFound:
            return
        except Conflict as error:
            if "already in progress" not in error.message:
                raise
        if volumes:
            self._remove_handed_on(container)

    def _remove_handed_on(self, container: ObservedContainer) -> None:
        """Anonymous volumes that came from the container before it: the engine takes them for named ones."""
        for name in container.volumes:
            if len(name) == _ANONYMOUS_LENGTH:
                try:
                    if _ANONYMOUS in (self._engine.volumes.inspect(name).get("Labels") or {}):
                        self._engine.volumes.remove(name)
                except (NotFound, Conflict):
                    continue

    def _find(self, step: StartContainer) -> str:
        service = self._project.services[step.service]
        with self._lock:
            ids = dict(self._ids.get(step.service, {}))
        for number, container_id in ids.items():
            if container_name(self._project.name, service, number) == step.name:
                return container_id
        raise NotFound(f"no such container: {step.name}")

    def _remember(self, service: str, number: int, container_id: str) -> None:
        with self._lock:
            self._ids.setdefault(service, {})[number] = container_id

    def _forget(self, container: ObservedContainer) -> None:
        with self._lock:
            ids = self._ids.get(container.service, {})
            if ids.get(container.number) == container.id:
                del ids[container.number]


def create_container(engine: Engine, context: CreationContext, name: str, report: Report) -> str:
    """Make one container with its configs and secrets in it, not started; its id."""
    body = plan_container(context)
    further = {} if engine.speaks(_SEVERAL_NETWORKS) else take_further_networks(body)
    created = engine.containers.create(body, name=name, platform=context.service.platform)
    for warning in created.get("Warnings") or ():
        report.notice(f"{name}: {warning}")
    container_id = str(created["Id"])
    try:
        inject(engine, container_id, plan_injections(context.project, context.original))
        for network, endpoint in further.items():
            engine.networks.connect(network, {"Container": container_id, "EndpointConfig": endpoint})
    except PermissionDenied as error:
        engine.containers.remove(container_id, force=True)
        raise InvalidArgument(
            f"services.{context.original.name}: configs and secrets cannot be copied into a read-only service: "
            f"{error.message}",
            hint="give them as files, without uid, gid and mode: those are mounted",
        ) from error
    except BaseException:
        engine.containers.remove(container_id, force=True)
        raise
    return container_id


def take_further_networks(body: dict[str, Any]) -> dict[str, Any]:
    """Take all networks but the main one out of a body: older engines are told of them one by one."""
    endpoints = body.get("NetworkingConfig", {}).get("EndpointsConfig", {})
    return {
        name: endpoints.pop(name) for name in list(endpoints) if name != body["HostConfig"]["NetworkMode"]
    }


def read_text(path: str) -> str:
    """A file that the project names."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise InvalidArgument(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
