# SPDX-License-Identifier: Apache-2.0
"""A container's options, as keyword arguments, and the Engine API's create body made of them (pure).

Names are those of the command line's flags with underscores; shapes are Python's. What an option lacks here
goes into `host_config` and `config`, which are merged in as the Engine API spells them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from sampan.client.sizes import parse_size
from sampan.errors import InvalidArgument

if TYPE_CHECKING:
    from sampan.client.jsontext import Json

Size: TypeAlias = int | str
"""Bytes, or words like ``256m`` and ``1.5g`` (powers of 1024)."""
Command: TypeAlias = Sequence[str] | str
"""A list of words, or a line that is split into words as a shell does; no shell runs it."""
HostPort: TypeAlias = int | tuple[str, int] | None
"""A port of this machine, address and port, or None for any free port."""

_NANO = 1_000_000_000


class ContainerOptions(TypedDict, total=False):
    """Options of `containers.run`, `containers.create` and `client.sandbox`; all may be left out."""

    name: str
    entrypoint: Command
    environment: Mapping[str, str]
    user: str  # name or uid, optionally ``:group``
    workdir: str
    hostname: str
    labels: Mapping[str, str]
    tty: bool
    platform: str
    # network: a name, ``none``, ``host`` or ``container:NAME``
    network: str
    network_aliases: Sequence[str]
    ip: str  # an IPv4 address on `network`
    ports: Mapping[int | str, HostPort]  # ``80`` or ``"53/udp"`` to where it is published
    dns: Sequence[str]
    extra_hosts: Mapping[str, str]  # name to address
    # files: ``source:target[:ro]`` words, or source to target
    volumes: Sequence[str] | Mapping[str, str]
    tmpfs: Mapping[str, str] | Sequence[str]  # target to options, such as ``size=16m``
    mounts: Sequence[Mapping[str, object]]  # as the Engine API's Mount
    read_only: bool
    shm_size: Size
    # limits
    memory: Size
    memory_swap: Size  # memory and swap together; -1 for no limit
    cpus: float
    cpuset_cpus: str
    pids_limit: int
    ulimits: Mapping[str, int | tuple[int, int]]  # soft and hard
    # rights
    privileged: bool
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    security_opt: Sequence[str]
    group_add: Sequence[str]
    devices: Sequence[str]  # ``/dev/fuse`` or ``/dev/sda:/dev/xvda:r``
    sysctls: Mapping[str, str]
    # life
    restart: str  # ``always``, ``unless-stopped``, ``on-failure:3``
    auto_remove: bool
    init: bool
    stop_signal: str
    stop_timeout_s: int
    log_driver: str
    log_options: Mapping[str, str]
    # as the Engine API spells them
    config: Mapping[str, object]
    host_config: Mapping[str, object]


def plan_container(image: str, command: Command | None, options: ContainerOptions) -> Json:
    """The body of ``POST /containers/create``; raises InvalidArgument when an option cannot be read."""
    known = ContainerOptions.__annotations__
    for option in options:
        if option not in known:
            raise InvalidArgument(f"unknown option {option}", hint="see sampan.ContainerOptions")
    exposed, bindings = plan_ports(options.get("ports") or {})
    network = options.get("network", "default")
    config: Json = {
        "Image": image,
        "Cmd": split_command(command),
        "Entrypoint": split_command(options.get("entrypoint")),
        "Env": plan_environment(options.get("environment")),
        "User": options.get("user"),
        "WorkingDir": options.get("workdir"),
        "Hostname": options.get("hostname"),
        "Labels": dict(options.get("labels") or {}),
        "Tty": options.get("tty"),
        "StopSignal": options.get("stop_signal"),
        "StopTimeout": options.get("stop_timeout_s"),
        "ExposedPorts": exposed,
    }
    host = _resources(options) | _rights(options) | _files(options) | _life(options)
    host |= {
        "NetworkMode": network,
        "PortBindings": bindings,
        "Dns": list(options.get("dns") or ()),
        "ExtraHosts": [f"{name}:{address}" for name, address in (options.get("extra_hosts") or {}).items()],
    }
    body = _present(config) | dict(options.get("config") or {})
    body["HostConfig"] = _present(host) | dict(options.get("host_config") or {})
    endpoint = _endpoint(options)
    return body | ({"NetworkingConfig": {"EndpointsConfig": {network: endpoint}}} if endpoint else {})


def split_command(command: Command | None) -> list[str] | None:
    """The words of a command."""
    if command is None:
        return None
    return shlex.split(command) if isinstance(command, str) else list(command)


def plan_environment(environment: Mapping[str, str] | None) -> list[str]:
    """``NAME=value`` words."""
    return [f"{name}={value}" for name, value in (environment or {}).items()]


def plan_ports(
    ports: Mapping[int | str, HostPort],
) -> tuple[dict[str, dict[str, str]], dict[str, list[dict[str, str]]]]:
    """ExposedPorts and PortBindings."""
    bindings = {_port_key(port): [_binding(place)] for port, place in ports.items()}
    return {key: {} for key in bindings}, bindings


def _port_key(port: int | str) -> str:
    text = str(port)
    return text if "/" in text else f"{text}/tcp"


def _binding(place: HostPort) -> dict[str, str]:
    address, port = place if isinstance(place, tuple) else ("", place)
    return {"HostIp": address, "HostPort": "" if port is None else str(port)}


def _bytes(size: Size | None) -> int | None:
    if size is None:
        return None
    return parse_size(size) if isinstance(size, str) and size != "-1" else int(size)


def _resources(options: ContainerOptions) -> Json:
    limits = {
        name: pair if isinstance(pair, tuple) else (pair, pair)
        for name, pair in (options.get("ulimits") or {}).items()
    }
    return {
        "Memory": _bytes(options.get("memory")),
        "MemorySwap": _bytes(options.get("memory_swap")),
        "NanoCpus": round(options.get("cpus", 0) * _NANO) or None,
        "CpusetCpus": options.get("cpuset_cpus"),
        "PidsLimit": options.get("pids_limit"),
        "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in limits.items()],
        "ShmSize": _bytes(options.get("shm_size")),
    }


def _rights(options: ContainerOptions) -> Json:
    return {
        "Privileged": options.get("privileged"),
        "ReadonlyRootfs": options.get("read_only"),
        "CapAdd": list(options.get("cap_add") or ()),
        "CapDrop": list(options.get("cap_drop") or ()),
        "SecurityOpt": list(options.get("security_opt") or ()),
        "GroupAdd": list(options.get("group_add") or ()),
        "Sysctls": dict(options.get("sysctls") or {}),
        "Devices": [_device(word) for word in options.get("devices") or ()],
    }


def _device(word: str) -> dict[str, str]:
    outside, _, rest = word.partition(":")
    inside, _, rights = rest.partition(":")
    return {
        "PathOnHost": outside,
        "PathInContainer": inside or outside,
        "CgroupPermissions": rights or "rwm",
    }


def _files(options: ContainerOptions) -> Json:
    volumes = options.get("volumes") or ()
    if isinstance(volumes, Mapping):
        volumes = [f"{source}:{target}" for source, target in volumes.items()]
    tmpfs = options.get("tmpfs") or {}
    return {
        "Binds": list(volumes),
        "Mounts": [dict(mount) for mount in options.get("mounts") or ()],
        "Tmpfs": dict(tmpfs) if isinstance(tmpfs, Mapping) else dict.fromkeys(tmpfs, ""),
    }


def _life(options: ContainerOptions) -> Json:
    policy, _, retries = options.get("restart", "").partition(":")
    if retries and not retries.isdecimal():
        raise InvalidArgument(f"restart {options['restart']}: {retries} is not a number")
    driver = options.get("log_driver", "")
    log_options = dict(options.get("log_options") or {})
    return {
        "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(retries or 0)} if policy else None,
        "AutoRemove": options.get("auto_remove"),
        "Init": options.get("init"),
        "LogConfig": {"Type": driver, "Config": log_options} if driver or log_options else None,
    }


def _endpoint(options: ContainerOptions) -> Json:
    ip = options.get("ip")
    return _present(
        {
            "Aliases": list(options.get("network_aliases") or ()),
            "IPAMConfig": {"IPv4Address": ip} if ip else None,
        }
    )


def _present(fields: Json) -> Json:
    """The fields that say something: an engine takes an absent one for its default."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
