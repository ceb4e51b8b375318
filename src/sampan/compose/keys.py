# SPDX-License-Identifier: Apache-2.0
"""What becomes of every key of the specification: honoured, or refused by name with the reason.

A key that is in no table here is honoured: it reaches the engine, or steers compose itself. The tests walk
the schema and hold the tables to it, so that a key of a new schema is noticed.
"""

from __future__ import annotations

from sampan.compose.errors import ComposeError, Mark, Path
from sampan.compose.tree import Series, Table, Value, matches

# Refused when the project is read: nothing of it could be brought up.
REFUSED = {
    "models": "language models need Docker Model Runner, which is not a part of Sampan",
    "services.*.models": "language models need Docker Model Runner, which is not a part of Sampan",
    "services.*.provider": "external providers are programs of Docker's; describe the service as a container",
    "services.*.pull_refresh_after": 'not in use by any version of compose; write pull_policy: "every_12h"',
}
# Refused when a container would be made with them: `config` shows them all the same.
REFUSED_TO_RUN = {
    "services.*.credential_spec": "credential specs are Windows's",
    "services.*.isolation": "isolation technologies are Windows's",
    "services.*.cpu_count": "a count of processors is Windows's; use cpus",
    "services.*.cpu_percent": "a share of processors is Windows's; use cpus",
    "services.*.build.isolation": "isolation technologies are Windows's",
    "services.*.use_api_socket": "the engine's socket is not handed to containers; mount it where you must",
    "secrets.*.driver": "secret drivers are Swarm's; use file or environment",
    "secrets.*.driver_opts": "secret drivers are Swarm's; use file or environment",
    "secrets.*.template_driver": "template drivers are Swarm's",
    "configs.*.template_driver": "template drivers are Swarm's",
    "secrets.*.external": "there is no store of secrets outside of projects; use file or environment",
    "configs.*.external": "there is no store of configs outside of projects; use file, environment or content",
}
# Read, checked, shown, and without effect: they speak of a cluster (as in Docker Compose).
WITHOUT_EFFECT = {
    "services.*.deploy.mode": "Swarm's",
    "services.*.deploy.endpoint_mode": "Swarm's",
    "services.*.deploy.labels": "labels of a Swarm service; labels of containers are the service's own",
    "services.*.deploy.update_config": "Swarm's",
    "services.*.deploy.rollback_config": "Swarm's",
    "services.*.deploy.placement": "Swarm's",
    "services.*.deploy.restart_policy.delay": "Swarm's",
    "services.*.deploy.restart_policy.window": "Swarm's",
    "services.*.deploy.resources.reservations.cpus": "Swarm's",
    "services.*.deploy.resources.reservations.generic_resources": "Swarm's",
    "services.*.ports.*.mode": "Swarm's",
    "services.*.ports.*.name": "a note for people",
    "services.*.ports.*.app_protocol": "a note for people",
    "services.*.volumes.*.consistency": "of Docker Desktop for Mac, once",
    "secrets.*.labels": "secrets are not objects of the engine",
    "configs.*.labels": "configs are not objects of the engine",
    "networks.*.ipam.options": "options of an address manager; there is one, and it has none",
    "networks.*.attachable": "every network of one machine is",
    "version": "of files of old; obsolete",
}


def check_supported(tree: Table) -> None:
    """Refuse a tree that has keys which nothing of a project can do without."""
    _refuse(tree, REFUSED)


def check_runnable(tree: Table, services: set[str]) -> None:
    """Refuse what containers of these services cannot have; other services may say what they like."""
    _refuse(tree, REFUSED_TO_RUN, services=services)


def _refuse(tree: Table, table: dict[str, str], *, services: set[str] | None = None) -> None:
    for pattern, reason in table.items():
        parts = tuple(pattern.split("."))
        for path, value, mark in iter_values(tree, len(parts)):
            if not matches(path, parts) or _is_nothing(value):
                continue
            if services is not None and path[0] == "services" and path[1] not in services:
                continue
            raise ComposeError(f"not supported: {reason}", mark=mark, path=path)


def _is_nothing(value: Value) -> bool:
    return value is None or value is False or value in ("", 0, "default")


def iter_values(tree: Value, depth: int, path: Path = ()) -> list[tuple[Path, Value, Mark | None]]:
    """The values that lie `depth` keys down, with their marks."""
    found: list[tuple[Path, Value, Mark | None]] = []
    entries: list[tuple[str | int, Value]] = []
    if isinstance(tree, Table):
        entries = list(tree.items())
    elif isinstance(tree, Series):
        entries = list(enumerate(tree))
    for key, value in entries:
        where = (*path, key)
        if depth == 1:
            found.append((where, value, tree.mark_of(key)))
        else:
            found += iter_values(value, depth - 1, where)
    return found
