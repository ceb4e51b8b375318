# SPDX-License-Identifier: Apache-2.0
"""A project: its services and what they share, and which of the services are meant.

A project is a value: selecting, enabling and scaling give another one. Services whose profiles are not
active are in `disabled`, known but not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from sampan.compose.errors import ComposeError
from sampan.compose.kinds import Extensions
from sampan.compose.model import Service
from sampan.compose.model_resources import FileObject, Network, Volume
from sampan.compose.tree import Table, error_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What has been loaded: resources by their keys, `environment` as it was for interpolation.

    `env_files` are those that were asked for, not the ``.env`` that was merely there.

    `tree` is what was read, with marks, so that what is found wrong later can still name a line;
    `file_digests` are those of the files of configs and secrets, once they have been read (`running.contents`).
    """

    name: str = ""
    services: dict[str, Service] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    secrets: dict[str, FileObject] = field(default_factory=dict)
    configs: dict[str, FileObject] = field(default_factory=dict)
    extensions: Extensions = field(default_factory=dict)
    disabled: dict[str, Service] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    working_dir: str = ""
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    file_digests: Mapping[str, str] = field(default_factory=dict)
    tree: Table = field(default_factory=Table, repr=False, compare=False)

    @property
    def all_services(self) -> dict[str, Service]:
        """Enabled or not."""
        return {**self.services, **self.disabled}

    def service(self, name: str) -> Service:
        """One that is enabled."""
        if name not in self.services:
            raise ComposeError(f"no such service: {name}")
        return self.services[name]

    def error(self, path: tuple[str | int, ...], reason: str, *, hint: str | None = None) -> ComposeError:
        """Something wrong with a value of the project, with the line it stands on."""
        return error_at(self.tree, path, reason, hint=hint)

    def with_profiles(self, profiles: Iterable[str]) -> Project:
        """Enable the services without profiles, and those of these; ``*`` is all."""
        active = tuple(profiles)
        enabled: dict[str, Service] = {}
        disabled: dict[str, Service] = {}
        for name, service in sorted(self.all_services.items()):
            wanted = not service.profiles or "*" in active or not set(service.profiles).isdisjoint(active)
            (enabled if wanted else disabled)[name] = service
        return replace(self, services=enabled, disabled=disabled, profiles=active)

    def with_enabled(self, names: Iterable[str]) -> Project:
        """Also activate the profiles of services that are asked for by name."""
        named = [self.disabled[name] for name in names if name in self.disabled]
        if not named:
            return self
        return self.with_profiles((*self.profiles, *(word for service in named for word in service.profiles)))

    def with_selected(self, names: Iterable[str], *, dependencies: bool = True) -> Project:
        """Keep the named services (patterns, too) and what they need; no names are all services."""
        wanted = list(names)
        if not wanted:
            return self
        kept = self._closure(wanted, dependencies=dependencies)
        services = {
            name: replace(
                service,
                depends_on={key: need for key, need in service.depends_on.items() if key in kept},
            )
            for name, service in self.services.items()
            if name in kept
        }
        left = {name: service for name, service in self.services.items() if name not in kept}
        return replace(self, services=services, disabled={**self.disabled, **left})

    def _closure(self, names: list[str], *, dependencies: bool) -> set[str]:
        kept: set[str] = set()
        pending = [(name, True) for name in names]
        while pending:
            name, required = pending.pop()
            found = [key for key in self.services if fnmatchcase(key, name)]
            if not found and required:
                raise ComposeError(f"no such service: {name}")
            for key in found:
                if key in kept:
                    continue
                kept.add(key)
                if dependencies:
                    needs = self.services[key].depends_on.items()
                    pending += [(need, entry.required) for need, entry in needs]
        return kept

    def with_needed_resources(self) -> Project:
        """Drop networks, volumes, secrets and configs that no enabled service refers to."""
        services = self.services.values()
        networks = {key for service in services for key in service.networks}
        volumes = {
            mount.source for service in services for mount in service.volumes if mount.type == "volume"
        }
        configs = {entry.source for service in services for entry in service.configs}
        secrets = {entry.source for service in services for entry in service.secrets}
        secrets |= {entry.source for service in services if service.build for entry in service.build.secrets}
        return replace(
            self,
            networks={key: value for key, value in self.networks.items() if key in networks},
            volumes={key: value for key, value in self.volumes.items() if key in volumes},
            secrets={key: value for key, value in self.secrets.items() if key in secrets},
            configs={key: value for key, value in self.configs.items() if key in configs},
        )

    def with_scale(self, name: str, replicas: int) -> Project:
        """Give a service another number of containers."""
        service = self.service(name)
        deploy = replace(service.deploy, replicas=replicas) if service.deploy else None
        changed = replace(service, scale=replicas, deploy=deploy)
        return replace(self, services={**self.services, name: changed})

    def dependents(self, name: str) -> list[str]:
        """The services that need this one."""
        return sorted(key for key, service in self.services.items() if name in service.depends_on)
