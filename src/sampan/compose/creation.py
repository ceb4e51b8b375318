# SPDX-License-Identifier: Apache-2.0
"""A service as the body of the Engine API's ``POST /containers/create``, and its networks and volumes likewise.

Implements: what Docker Compose sends, key by key. Pure: references to other services have become containers'
ids (`references.resolve_references`), the ids of images and the files that security options name are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.compose import labels
from sampan.compose.creation_mounts import plan_mounts
from sampan.compose.creation_networks import plan_endpoints
from sampan.compose.creation_resources import plan_resources, present
from sampan.compose.fingerprint import take_fingerprint
from sampan.compose.hashing import hash_network, hash_service, hash_volume
from sampan.compose.model import Healthcheck, Service
from sampan.compose.model_resources import Network, Volume
from sampan.compose.naming import container_name, image_name
from sampan.compose.project import Project
from sampan.compose.references import as_hashed
from sampan.errors import InvalidArgument

Body = dict[str, Any]

_SECOND_NS = 1_000_000_000
_RESTARTS = {"none": "no", "no": "no", "any": "always"}
UNCONFINED_PATHS = "systempaths=unconfined"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationContext:
    """What one container is made of besides its service.

    `service` has its references resolved; `original` is as the project has it. `links` are ``container:alias``;
    `inherited` are the mounts of the container in whose place it comes (the API's ``Mounts``), `image_volumes`
    the paths that its image declares. A `one_off` container (``run``) has neither number nor aliases unless
    asked for.
    """

    project: Project
    service: Service
    original: Service
    number: int = 1
    name: str = ""
    image_id: str = ""
    links: tuple[str, ...] = ()
    inherited: Sequence[Mapping[str, Any]] = ()
    image_volumes: frozenset[str] = frozenset()
    one_off: bool = False
    use_aliases: bool = True
    auto_remove: bool = False
    attach_stdin: bool = False
    extra_labels: Mapping[str, str] = field(default_factory=dict)
    read_file: Callable[[str], str] = lambda path: path


def plan_container(context: CreationContext) -> Body:
    """The body that makes a container."""
    service = context.service
    binds, mounts = plan_mounts(
        context.project, service, inherited=context.inherited, image_volumes=context.image_volumes
    )
    mode, endpoints = plan_endpoints(
        context.project,
        service,
        name=container_name(context.project.name, service, context.number),
        links=context.links,
        use_aliases=context.use_aliases,
    )
    body = _plan_config(context)
    body["HostConfig"] = {"NetworkMode": mode} | _plan_host(context, binds, mounts)
    if endpoints:
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    return body


def _plan_config(context: CreationContext) -> Body:
    service = context.service
    body: Body = {"Image": image_name(context.project.name, service), "Labels": plan_labels(context)}
    body |= present(
        Hostname=service.hostname,
        Domainname=service.domainname,
        User=service.user,
        ExposedPorts=_exposed_ports(service),
        Tty=service.tty,
        OpenStdin=service.stdin_open,
        StdinOnce=context.attach_stdin and service.stdin_open,
        AttachStdin=context.attach_stdin,
        WorkingDir=service.working_dir,
        NetworkDisabled=service.network_mode == "disabled",
        StopSignal=service.stop_signal,
        Env=[name if value is None else f"{name}={value}" for name, value in service.environment.items()],
        Healthcheck=plan_healthcheck(service.healthcheck),
    )
    body |= {"AttachStdout": True, "AttachStderr": True}
    if service.command is not None:
        body["Cmd"] = list(service.command)
    if service.entrypoint is not None:
        body["Entrypoint"] = list(service.entrypoint)
    if service.stop_grace_period is not None:
        # Whole seconds, never fewer than asked for: half a second must not become a kill at once.
        body["StopTimeout"] = -(-service.stop_grace_period // _SECOND_NS)
    return body


def _plan_host(context: CreationContext, binds: list[str], mounts: list[Body]) -> Body:
    service = context.service
    security, unconfined = _plan_security(context)
    host = present(
        AutoRemove=context.auto_remove,
        Annotations=service.annotations,
        Binds=binds,
        Mounts=mounts,
        CapAdd=list(service.cap_add),
        CapDrop=list(service.cap_drop),
        IpcMode=service.ipc,
        CgroupnsMode=service.cgroup,
        ReadonlyRootfs=service.read_only,
        RestartPolicy=plan_restart(service),
        ShmSize=service.shm_size,
        Sysctls=service.sysctls,
        PortBindings=_port_bindings(service),
        VolumesFrom=list(service.volumes_from),
        Dns=list(service.dns),
        DnsSearch=list(service.dns_search),
        DnsOptions=list(service.dns_opt),
        ExtraHosts=[f"{name}:{ip}" for name, addresses in service.extra_hosts.items() for ip in addresses],
        SecurityOpt=security,
        StorageOpt=service.storage_opt,
        UsernsMode=service.userns_mode,
        UTSMode=service.uts,
        Privileged=service.privileged,
        PidMode=service.pid,
        Tmpfs={path: options for path, _, options in (text.partition(":") for text in service.tmpfs)},
        Runtime=service.runtime,
        LogConfig=_plan_logging(service),
        GroupAdd=list(service.group_add),
        OomScoreAdj=service.oom_score_adj,
    )
    host |= present(Links=list(context.links))
    if service.init is not None:
        host["Init"] = service.init
    if unconfined:
        host |= {"MaskedPaths": [], "ReadonlyPaths": []}
    return host | plan_resources(service)


def plan_labels(context: CreationContext) -> dict[str, str]:
    """The service's own labels, and those by which the container is known to be its."""
    project, service = context.project, context.service
    needs = context.original.depends_on
    own = {
        labels.PROJECT: project.name,
        labels.SERVICE: service.name,
        labels.ONE_OFF: "True" if context.one_off else "False",
        labels.NUMBER: str(context.number),
        labels.CONFIG_HASH: hash_service(as_hashed(service)),
        labels.WORKING_DIR: project.working_dir,
        labels.CONFIG_FILES: ",".join(project.files),
        labels.VERSION: labels.COMPOSE_VERSION,
        labels.IMAGE: context.image_id,
        labels.DEPENDS_ON: ",".join(
            f"{name}:{needs[name].condition}:{'true' if needs[name].restart else 'false'}"
            for name in sorted(needs)
            if name in project.services
        ),
        labels.FINGERPRINT: take_fingerprint(project, context.original),
    }
    if project.env_files:
        own[labels.ENVIRONMENT_FILE] = ",".join(project.env_files)
    return {**service.labels, **own, **context.extra_labels}


def plan_healthcheck(check: Healthcheck | None) -> Body:
    """The API's Healthcheck; empty where the image's own is meant."""
    if check is None:
        return {}
    if check.disable:
        return {"Test": ["NONE"]}
    return present(
        Test=list(check.test),
        Interval=check.interval,
        Timeout=check.timeout,
        StartPeriod=check.start_period,
        StartInterval=check.start_interval,
        Retries=check.retries,
    )


def plan_restart(service: Service) -> Body:
    """The API's RestartPolicy; ``deploy.restart_policy`` wins over ``restart``."""
    policy = service.deploy.restart_policy if service.deploy else None
    if policy is not None:
        return _restart(policy.condition, policy.max_attempts or 0)
    name, _, attempts = service.restart.partition(":")
    return _restart(name, int(attempts) if attempts.isdecimal() else 0) if name else {}


def _restart(condition: str, attempts: int) -> Body:
    return {"Name": _RESTARTS.get(condition, condition), "MaximumRetryCount": attempts}


def _exposed_ports(service: Service) -> dict[str, Body]:
    exposed = {text if "/" in text else f"{text}/tcp" for text in _expand_ranges(service.expose)}
    exposed |= {f"{port.target}/{port.protocol or 'tcp'}" for port in service.ports}
    return {key: {} for key in sorted(exposed)}


def _expand_ranges(texts: Sequence[str]) -> list[str]:
    expanded = []
    for text in texts:
        ports, slash, protocol = text.partition("/")
        first, dash, last = ports.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            expanded += [f"{port}{slash}{protocol}" for port in range(int(first), int(last) + 1)]
        else:
            expanded.append(text)
    return expanded


def _port_bindings(service: Service) -> dict[str, list[Body]]:
    bindings: dict[str, list[Body]] = {}
    for port in service.ports:
        binding = {"HostIp": port.host_ip, "HostPort": port.published}
        bindings.setdefault(f"{port.target}/{port.protocol or 'tcp'}", []).append(binding)
    return bindings


def _plan_logging(service: Service) -> Body:
    if service.logging is None:
        return {}
    return present(Type=service.logging.driver, Config=service.logging.options)


def _plan_security(context: CreationContext) -> tuple[list[str], bool]:
    """The options, with a seccomp profile in place of its path, and whether paths are left unmasked."""
    options, unconfined = [], False
    for index, option in enumerate(context.service.security_opt):
        if option == UNCONFINED_PATHS:
            unconfined = True
            continue
        name, separator, value = option.partition("=")
        if not separator and name != "no-new-privileges":
            name, separator, value = option.partition(":")
        if not separator and name != "no-new-privileges":
            where = ("services", context.service.name, "security_opt", index)
            raise context.project.error(where, f'invalid security option "{option}"')
        if name == "seccomp" and value not in ("unconfined", "builtin"):
            option = f"seccomp={_compact(context, value)}"
        options.append(option)
    return options, unconfined


def _compact(context: CreationContext, path: str) -> str:
    import json
    import os

    text = context.read_file(os.path.join(context.project.working_dir, path))
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError as error:
        raise InvalidArgument(f"seccomp profile {path}: {error}") from None


# What belongs to the project


def plan_network(project: Project, key: str, network: Network) -> Body:
    """The body of ``POST /networks/create``."""
    owned = _own_labels(project, labels.NETWORK, key, network.labels)
    owned[labels.CONFIG_HASH] = hash_network(network)
    body: Body = {"Name": network.name, "Labels": owned} | present(
        Driver=network.driver,
        Options=network.driver_opts,
        Internal=network.internal,
        Attachable=network.attachable,
    )
    for name, value in (("EnableIPv4", network.enable_ipv4), ("EnableIPv6", network.enable_ipv6)):
        if value is not None:
            body[name] = value
    pools = [
        present(
            Subnet=pool.subnet,
            IPRange=pool.ip_range,
            Gateway=pool.gateway,
            AuxiliaryAddresses=pool.aux_addresses,
        )
        for pool in network.ipam.config
    ]
    if network.ipam.driver or pools:
        body["IPAM"] = present(Driver=network.ipam.driver, Config=pools)
    return body


def plan_volume(project: Project, key: str, volume: Volume) -> Body:
    """The body of ``POST /volumes/create``."""
    owned = _own_labels(project, labels.VOLUME, key, volume.labels)
    owned[labels.CONFIG_HASH] = hash_volume(volume)
    return {"Name": volume.name, "Labels": owned} | present(
        Driver=volume.driver, DriverOpts=volume.driver_opts
    )


def _own_labels(project: Project, label: str, key: str, given: Mapping[str, str]) -> Body:
    own = {label: key, labels.PROJECT: project.name, labels.VERSION: labels.COMPOSE_VERSION}
    return {**given, **own}
