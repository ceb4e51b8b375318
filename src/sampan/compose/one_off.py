# SPDX-License-Identifier: Apache-2.0
"""A service as `compose run` runs it once: with another command, other variables, no ports unless asked for (pure)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sampan.compose.decode import decode
from sampan.compose.model import Port, Service
from sampan.compose.model_mounts import Mount
from sampan.compose.port_spec import parse_ports
from sampan.compose.volume_spec import parse_volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Flags of ``compose run``; None and empty leave what the service says."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_dir: str = ""
    volumes: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    service_ports: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    tty: bool = False
    interactive: bool = False
    name: str = ""


def override_service(service: Service, given: Overrides, *, cwd: str) -> Service:
    """The service of a one-off container; relative paths of volumes are below `cwd`."""
    ports = service.ports if given.service_ports else ()
    changed = replace(
        service,
        container_name=given.name,
        scale=1,
        restart="",
        deploy=replace(service.deploy, restart_policy=None, replicas=None) if service.deploy else None,
        ports=(*ports, *_ports(given.publish)),
        environment={**service.environment, **given.environment},
        labels={**service.labels, **given.labels},
        volumes=_volumes(service, given.volumes, cwd),
        cap_add=(*service.cap_add, *given.cap_add),
        cap_drop=(*service.cap_drop, *given.cap_drop),
        tty=given.tty,
        stdin_open=given.interactive,
    )
    if given.entrypoint is not None:
        changed = replace(changed, entrypoint=given.entrypoint, command=None)
    if given.command:
        changed = replace(changed, command=given.command)
    if given.user:
        changed = replace(changed, user=given.user)
    if given.working_dir:
        changed = replace(changed, working_dir=given.working_dir)
    return changed


def _ports(words: Iterable[str]) -> list[Port]:
    return [decode(Port, table, ("ports",), None) for word in words for table in parse_ports(word)]


def _volumes(service: Service, words: Iterable[str], cwd: str) -> tuple[Mount, ...]:
    mounts = {mount.target: mount for mount in service.volumes}
    for word in words:
        mount = decode(Mount, parse_volume(word), ("volumes",), None)
        if mount.type == "bind":
            mount = replace(mount, source=os.path.join(cwd, os.path.expanduser(mount.source)))
        mounts[mount.target] = mount
    return tuple(mounts.values())
