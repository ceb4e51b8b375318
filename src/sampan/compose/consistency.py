# SPDX-License-Identifier: Apache-2.0
"""Whether the parts of a project fit together: what is referred to exists, limits agree, nothing goes round.

Each check yields what is wrong with its path; the first becomes an error that names the line.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.compose.errors import Path
from sampan.compose.graph import find_cycle
from sampan.compose.model import Service
from sampan.compose.project import Project

Problem = tuple[Path, str]


def check_consistency(project: Project) -> None:
    """Raise a ComposeError for the first thing that does not fit."""
    for path, reason in _iter_problems(project):
        raise project.error(path, reason)


def _iter_problems(project: Project) -> Iterator[Problem]:
    for name, service in project.services.items():
        for path, reason in _iter_service_problems(project, service):
            yield ("services", name, *path), reason
    yield from _check_secrets(project)
    cycle = find_cycle({name: service.depends_on for name, service in project.services.items()})
    if cycle:
        path = ("services", cycle[0], "depends_on", cycle[1] if len(cycle) > 1 else cycle[0])
        yield path, f"dependency cycle detected: {' -> '.join([*cycle, cycle[0]])}"


def _iter_service_problems(project: Project, service: Service) -> Iterator[Problem]:
    if service.build is None and not service.image:
        yield (), "has neither an image nor a build context specified"
    for check in (_check_build, _check_networks, _check_dependencies, _check_references):
        yield from check(project, service)
    yield from _check_healthcheck(service)
    yield from _check_scale(service)
    yield from _check_limits(service)
    yield from _check_mounts(service)
    for index, trigger in enumerate((service.develop and service.develop.watch) or ()):
        if not trigger.target and trigger.action not in ("rebuild", "restart"):
            yield ("develop", "watch", index), "target is required for non-rebuild actions"


def _check_build(project: Project, service: Service) -> Iterator[Problem]:
    build = service.build
    if build is None:
        return
    if build.dockerfile and build.dockerfile_inline:
        yield ("build",), "declares mutually exclusive dockerfile and dockerfile_inline"
    for name, context in build.additional_contexts.items():
        if not context.startswith("service:"):
            continue
        target = project.services.get(context.removeprefix("service:"))
        path = ("build", "additional_contexts", name)
        if target is None:
            yield path, f'unknown service "{context.removeprefix("service:")}"'
        elif target.build is None:
            yield path, f'service "{target.name}" is not built'
    if build.platforms and service.platform and service.platform not in build.platforms:
        yield ("build", "platforms"), f'must include the service\'s platform "{service.platform}"'
    for index, secret in enumerate(build.secrets):
        if secret.source not in project.secrets:
            yield ("build", "secrets", index), f"refers to undefined build secret {secret.source}"


def _check_networks(project: Project, service: Service) -> Iterator[Problem]:
    if service.network_mode and service.networks:
        yield ("network_mode",), "network_mode and networks are mutually exclusive"
    for key in service.networks:
        if key not in project.networks:
            yield ("networks", key), f"refers to undefined network {key}"


def _check_dependencies(project: Project, service: Service) -> Iterator[Problem]:
    for name, need in service.depends_on.items():
        known = name in project.services or (name in project.disabled and not need.required)
        if not known:
            disabled = " (its profile is not active)" if name in project.disabled else ""
            yield ("depends_on", name), f'depends on undefined service "{name}"{disabled}'
    mode = service.network_mode
    if mode.startswith("service:") and mode.removeprefix("service:") not in project.services:
        yield ("network_mode",), f'service "{mode.removeprefix("service:")}" not found'


def _check_references(project: Project, service: Service) -> Iterator[Problem]:
    for index, mount in enumerate(service.volumes):
        if mount.type == "volume" and mount.source and mount.source not in project.volumes:
            yield ("volumes", index), f"refers to undefined volume {mount.source}"
    for index, config in enumerate(service.configs):
        if config.source not in project.configs:
            yield ("configs", index), f"refers to undefined config {config.source}"
    for index, secret in enumerate(service.secrets):
        if secret.source not in project.secrets:
            yield ("secrets", index), f"refers to undefined secret {secret.source}"


def _check_secrets(project: Project) -> Iterator[Problem]:
    for name, secret in project.secrets.items():
        if not secret.external and not secret.file and not secret.environment and not secret.driver:
            yield ("secrets", name), "must declare either file or environment"


def _check_healthcheck(service: Service) -> Iterator[Problem]:
    test = service.healthcheck.test if service.healthcheck else ()
    if test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
        yield ("healthcheck", "test"), 'must start either by "CMD", "CMD-SHELL" or "NONE"'


def _check_scale(service: Service) -> Iterator[Problem]:
    replicas = service.deploy.replicas if service.deploy else None
    if service.scale is not None and replicas is not None and service.scale != replicas:
        yield ("scale",), "can't set distinct values on 'scale' and 'deploy.replicas'"
    where = ("deploy", "replicas") if service.scale is None else ("scale",)
    if service.replicas < 0:
        yield where, "must be greater than or equal to 0"
    if service.replicas > 1 and service.container_name:
        yield where, f"can't set container_name and {'.'.join(where)} as container name must be unique"


def _check_limits(service: Service) -> Iterator[Problem]:
    if service.deploy is None:
        return
    limits, reservations = service.deploy.resources.limits, service.deploy.resources.reservations
    pairs = []
    if limits is not None:
        pairs += [
            ("cpus", service.cpus, "limits.cpus", limits.cpus),
            ("mem_limit", service.mem_limit, "limits.memory", limits.memory),
            ("pids_limit", service.pids_limit, "limits.pids", limits.pids),
        ]
    if reservations is not None:
        pairs.append(("mem_reservation", service.mem_reservation, "reservations.memory", reservations.memory))
    for key, value, other_key, other in pairs:
        if value and value != other:
            yield (key,), f"can't set distinct values on '{key}' and 'deploy.resources.{other_key}'"


def _check_mounts(service: Service) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for index, text in enumerate(service.tmpfs):
        yield from _take(taken, text.partition(":")[0], "tmpfs", index)
    for index, mount in enumerate(service.volumes):
        yield from _take(taken, mount.target, "volumes", index)


def _take(taken: dict[str, str], target: str, key: str, index: int) -> Iterator[Problem]:
    if target in taken:
        yield (key, index), f"target {target} already mounted as {taken[target]}"
    taken[target] = f"{key}[{index}]"


def check_container_names(project: Project) -> None:
    """Refuse two services that want the same name for their container."""
    taken: dict[str, str] = {}
    for name, service in project.services.items():
        wanted = service.container_name
        if wanted and wanted in taken:
            raise project.error(
                ("services", name, "container_name"),
                f'"{wanted}" is already in use by service {taken[wanted]}',
            )
        taken[wanted] = name
