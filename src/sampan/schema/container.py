# SPDX-License-Identifier: Apache-2.0
"""Container configuration as `POST /containers/create` takes it and `inspect` gives it back.

Source: Engine API v1.51, definitions ContainerConfig, HostConfig, Resources, Mount, NetworkingConfig.
Sizes are bytes, durations of health checks nanoseconds, CPU figures as the names say.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.schema.names import docker_name


class Shape(msgspec.Struct, rename=docker_name, omit_defaults=False, kw_only=True):
    """Base of all shapes: CamelCase on the wire, every field optional, unknown ones ignored as Docker does."""


class HealthConfig(Shape):
    """How to ask a container whether it is healthy; durations in nanoseconds, 0 means inherit."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ContainerConfig(Shape):
    """What is independent of the host: the program, its environment, its user."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, Any] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: list[str] | str | None = None
    healthcheck: HealthConfig | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: dict[str, Any] | None = None
    working_dir: str = ""
    entrypoint: list[str] | str | None = None
    network_disabled: bool = False
    mac_address: str = ""
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: list[str] | None = None


class LogConfig(Shape):
    """Where output goes: driver name and its options."""

    type: str = ""
    config: dict[str, str] | None = None


class RestartPolicy(Shape):
    """When the engine starts a container again by itself."""

    name: str = ""
    maximum_retry_count: int = 0


class PortBinding(Shape):
    """One place on the host that leads to a container's port; an empty port means any free one."""

    host_ip: str = msgspec.field(default="", name="HostIp")
    host_port: str = ""


class Ulimit(Shape):
    """One resource limit of a process (setrlimit(2) without its RLIMIT_ prefix)."""

    name: str
    soft: int = 0
    hard: int = 0


class DeviceMapping(Shape):
    """A device of the host that the container sees and may use."""

    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = "rwm"


class BindOptions(Shape):
    """Options of a mount of type bind; `id_map` is Sampan's own."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False
    id_map: str = ""


class DriverConfig(Shape):
    """Volume driver of a mount of type volume."""

    name: str = ""
    options: dict[str, str] | None = None


class VolumeOptions(Shape):
    """Options of a mount of type volume."""

    no_copy: bool = False
    labels: dict[str, str] | None = None
    driver_config: DriverConfig | None = None
    subpath: str = ""


class TmpfsOptions(Shape):
    """Options of a mount of type tmpfs; size in bytes, mode as the number of chmod(2)."""

    size_bytes: int = 0
    mode: int = 0
    options: list[list[str]] | None = None


class Mount(Shape):
    """The long form of a mount, as `--mount` writes it."""

    target: str = ""
    source: str = ""
    type: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    tmpfs_options: TmpfsOptions | None = None


class HostConfig(Shape):
    """What depends on the host: limits, mounts, ports, privileges."""

    cpu_shares: int = 0
    memory: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: list[dict[str, Any]] | None = None
    blkio_device_read_bps: list[dict[str, Any]] | None = None
    blkio_device_write_bps: list[dict[str, Any]] | None = None
    blkio_device_read_iops: list[dict[str, Any]] | None = None
    blkio_device_write_iops: list[dict[str, Any]] | None = None
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: list[DeviceMapping] | None = None
    device_cgroup_rules: list[str] | None = None
    device_requests: list[dict[str, Any]] | None = None
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    nano_cpus: int = 0
    oom_kill_disable: bool | None = None
    init: bool | None = None
    pids_limit: int | None = None
    ulimits: list[Ulimit] | None = None
    binds: list[str] | None = None
    container_id_file: str = ""
    log_config: LogConfig = msgspec.field(default_factory=LogConfig)
    network_mode: str = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    restart_policy: RestartPolicy = msgspec.field(default_factory=RestartPolicy)
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: list[str] | None = None
    mounts: list[Mount] | None = None
    console_size: list[int] | None = None
    annotations: dict[str, str] | None = None
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    cgroupns_mode: str = ""
    dns: list[str] | None = None
    dns_options: list[str] | None = None
    dns_search: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: list[str] | None = None
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: list[str] | None = None
    storage_opt: dict[str, str] | None = None
    tmpfs: dict[str, str] | None = None
    uts_mode: str = ""
    userns_mode: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] | None = None
    runtime: str = ""
    isolation: str = ""
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None


class EndpointIpam(Shape):
    """Addresses that the user asks for on one network."""

    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: list[str] | None = None


class EndpointConfig(Shape):
    """What the user asks of one network for one container."""

    ipam_config: EndpointIpam | None = None
    links: list[str] | None = None
    aliases: list[str] | None = None
    mac_address: str = ""
    driver_opts: dict[str, str] | None = None
    gw_priority: int = 0


class NetworkingConfig(Shape):
    """The networks a container joins when it is created."""

    endpoints_config: dict[str, EndpointConfig | None] | None = None


class ContainerCreate(ContainerConfig):
    """The body of `POST /containers/create`: a ContainerConfig with the two other parts inside."""

    host_config: HostConfig | None = None
    networking_config: NetworkingConfig | None = None


class ExecCreate(Shape):
    """The body of `POST /containers/{id}/exec`."""

    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    console_size: list[int] | None = None
    detach_keys: str = ""
    tty: bool = False
    env: list[str] | None = None
    cmd: list[str] | None = None
    privileged: bool = False
    user: str = ""
    working_dir: str = ""


class ExecStart(Shape):
    """The body of `POST /exec/{id}/start`."""

    detach: bool = False
    tty: bool = False
    console_size: list[int] | None = None
