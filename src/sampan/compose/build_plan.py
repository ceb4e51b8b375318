# SPDX-License-Identifier: Apache-2.0
"""The section ``build`` of a service as the parameters of the Engine API's ``POST /build`` (pure)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sampan.client.attestations import format_attestations
from sampan.client.jsontext import encode_json
from sampan.compose import labels
from sampan.compose.model import Service
from sampan.compose.naming import image_name
from sampan.compose.project import Project
from sampan.errors import InvalidArgument

if TYPE_CHECKING:
    from sampan.client.query import Parameter

    Query = dict[str, Parameter]

_SERVICE = "service:"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """Flags of ``compose build``; `host_ca` lends steps the host's CA bundle, None is the engine's default.

    With `all_platforms` a service without a platform of its own is built for all that its build names, else for the
    engine's own. `ssh` are sockets of agents by their ids; an empty one is the agent of the environment.
    """

    no_cache: bool = False
    pull: bool = False
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    memory_bytes: int = 0
    host_ca: bool | None = None
    quiet: bool = False
    all_platforms: bool = False
    ssh: Mapping[str, str] = field(default_factory=dict)
    provenance: str = ""
    sbom: str = ""


def plan_build_query(project: Project, service: Service, image: str, settings: BuildSettings) -> Query:
    """Everything but the context and the secrets."""
    build = service.build
    if build is None:
        raise InvalidArgument(f"service {service.name} has nothing to build")
    platforms = (service.platform,) if service.platform else build.platforms
    if len(platforms) > 1 and not settings.all_platforms:
        platforms = ()  # what runs at once is for the engine at hand, its own
    query: Query = {
        "sampan.progress": True,
        "rm": True,
        "t": [image, *build.tags],
        "target": build.target or None,
        "nocache": build.no_cache or settings.no_cache,
        "pull": build.pull or settings.pull,
        "networkmode": build.network or None,
        "platform": ",".join(platforms) or None,
        "extrahosts": [f"{name}:{ip}" for name, found in build.extra_hosts.items() for ip in found],
        "sampan.named-context": [
            f"{name}={_named_context(project, value)}" for name, value in build.additional_contexts.items()
        ],
    }
    if agents := plan_agents(project, {**build.ssh, **settings.ssh}):
        query["sampan.ssh"] = agents
    if build.cache_to:
        query["sampan.cache-to"] = [plan_cache(project, word, "dest") for word in build.cache_to]
    query["sampan.attest"] = format_attestations(
        provenance=settings.provenance or build.provenance, sbom=settings.sbom or build.sbom
    )
    if build.shm_size:
        query["shmsize"] = build.shm_size
    if settings.memory_bytes:
        query["memory"] = settings.memory_bytes
    if settings.host_ca is not None:
        query["sampan.host-ca"] = "1" if settings.host_ca else "0"
    for name, value in _objects(project, service, settings).items():
        if value:
            query[name] = encode_json(value).decode()
    return query


def _objects(project: Project, service: Service, settings: BuildSettings) -> dict[str, Any]:
    build = service.build
    assert build is not None
    arguments = {**_environment(project.environment), **build.args, **settings.build_args}
    return {
        "buildargs": {
            name: project.environment.get(name) if value is None else value
            for name, value in arguments.items()
            if value is not None or name in project.environment
        },
        "labels": {
            **build.labels,
            labels.PROJECT: project.name,
            labels.SERVICE: service.name,
            labels.VERSION: labels.COMPOSE_VERSION,
        },
        "cachefrom": [plan_cache(project, word, "src") for word in build.cache_from],
        "ulimits": [
            {"Name": name, "Soft": limit.single or limit.soft, "Hard": limit.single or limit.hard}
            for name, limit in build.ulimits.items()
        ],
    }


def plan_agents(project: Project, keys: Mapping[str, str]) -> list[str]:
    """Agents as NAME=SOCKET, for steps with ``--mount=type=ssh``."""
    agents = []
    for name, given in keys.items():
        path = given or project.environment.get("SSH_AUTH_SOCK", "")
        if not path:
            raise InvalidArgument(
                f"build.ssh: {name}: there is no agent", hint="start one, and see that SSH_AUTH_SOCK is set"
            )
        agents.append(f"{name}={os.path.join(project.working_dir, path)}")
    return agents


def plan_cache(project: Project, word: str, key: str) -> str:
    """``type=local,src=FOLDER`` with the whole path of the folder; other words stay as they are."""
    fields = [field.partition("=") for field in word.split(",")]
    if "=" not in word:
        return word
    return ",".join(
        f"{name}={os.path.normpath(os.path.join(project.working_dir, value)) if name == key else value}"
        for name, _, value in fields
    )


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of the environment is an argument of every build."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    spellings = [spelling for name in names for spelling in (name, name.lower())]
    return {name: environment[name] for name in (*spellings, "SOURCE_DATE_EPOCH") if environment.get(name)}


def _named_context(project: Project, value: str) -> str:
    """``service:NAME`` is the image that was built for that service."""
    if not value.startswith(_SERVICE):
        return value
    name = value.removeprefix(_SERVICE)
    return f"docker-image://{image_name(project.name, project.all_services[name])}"


def read_build_secrets(project: Project, service: Service) -> dict[str, bytes]:
    """The secrets that the build is given, by the ids under which its steps ask for them."""
    if service.build is None:
        return {}
    return {
        reference.target or reference.source: _read(project, reference.source)
        for reference in service.build.secrets
    }


def _read(project: Project, source: str) -> bytes:
    held = project.secrets[source]
    if not held.file:
        return held.content.encode()
    try:
        with open(held.file, "rb") as file:
            return file.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidArgument(f"secret {source}: cannot read {held.file}: {reason}") from error
