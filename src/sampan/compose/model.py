# SPDX-License-Identifier: Apache-2.0
"""A service, typed: every key of the specification under its own name, in the order in which `config` prints.

Values are frozen; a changed service is made with `dataclasses.replace`. A key that was not given has the
zero of its kind, and None only where "not given" and the zero differ. Resources of the whole project are in
`resources`, the sections ``build``, ``deploy`` and ``develop`` in modules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import (
    Command,
    Environment,
    Extensions,
    Flag,
    HealthTest,
    Hosts,
    MaybeDuration,
    MaybeFlag,
    MaybeWhole,
    Real,
    Size,
    Text,
    TextList,
    TextMap,
    Whole,
)
from sampan.compose.model_build import Build
from sampan.compose.model_deploy import Deploy, DeviceRequest
from sampan.compose.model_files import FileReference
from sampan.compose.model_hooks import Develop, Hook
from sampan.compose.model_mounts import Mount
from sampan.compose.model_ulimit import Ulimit


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDevice:
    """A limit for one block device: `rate` in bytes or operations a second."""

    path: Text = ""
    rate: Size = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedDevice:
    """The share of one block device."""

    path: Text = ""
    weight: Whole = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockIo:
    """``blkio_config``."""

    weight: Whole = 0
    weight_device: tuple[WeightedDevice, ...] = ()
    device_read_bps: tuple[BlockDevice, ...] = ()
    device_read_iops: tuple[BlockDevice, ...] = ()
    device_write_bps: tuple[BlockDevice, ...] = ()
    device_write_iops: tuple[BlockDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSpec:
    """``credential_spec``."""

    config: Text = ""
    file: Text = ""
    registry: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One entry of ``depends_on``."""

    condition: Text = ""
    restart: Flag = False
    required: Flag = True
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One entry of ``devices``."""

    source: Text = ""
    target: Text = ""
    permissions: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFile:
    """One entry of ``env_file``."""

    path: Text = ""
    required: Flag = True
    format: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extends:
    """``extends``; gone from a project that has been loaded."""

    file: Text = ""
    service: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """``healthcheck``."""

    test: HealthTest = ()
    timeout: MaybeDuration = None
    interval: MaybeDuration = None
    retries: MaybeWhole = None
    start_period: MaybeDuration = None
    start_interval: MaybeDuration = None
    disable: Flag = False
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """``logging``."""

    driver: Text = ""
    options: TextMap = field(default_factory=dict)
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One entry of a service's ``networks``."""

    aliases: TextList = ()
    driver_opts: TextMap = field(default_factory=dict)
    gw_priority: Whole = 0
    interface_name: Text = ""
    ipv4_address: Text = ""
    ipv6_address: Text = ""
    link_local_ips: TextList = ()
    mac_address: Text = ""
    priority: Whole = 0
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One entry of ``ports``, a single port of the container; `published` may be a range, or empty."""

    name: Text = ""
    mode: Text = ""
    host_ip: Text = ""
    target: Whole = 0
    published: Text = ""
    protocol: Text = ""
    app_protocol: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service; `name` is its key."""

    name: str = ""
    profiles: TextList = ()
    annotations: TextMap = field(default_factory=dict)
    attach: MaybeFlag = None
    build: Build | None = None
    develop: Develop | None = None
    blkio_config: BlockIo | None = None
    cap_add: TextList = ()
    cap_drop: TextList = ()
    cgroup_parent: Text = ""
    cgroup: Text = ""
    cpu_count: Whole = 0
    cpu_percent: Real = 0.0
    cpu_period: Whole = 0
    cpu_quota: Whole = 0
    cpu_rt_period: Whole = 0
    cpu_rt_runtime: Whole = 0
    cpus: Real = 0.0
    cpuset: Text = ""
    cpu_shares: Whole = 0
    command: Command = None
    configs: tuple[FileReference, ...] = ()
    container_name: Text = ""
    credential_spec: CredentialSpec | None = None
    depends_on: dict[str, Dependency] = field(default_factory=dict)
    deploy: Deploy | None = None
    device_cgroup_rules: TextList = ()
    devices: tuple[Device, ...] = ()
    dns: TextList = ()
    dns_opt: TextList = ()
    dns_search: TextList = ()
    domainname: Text = ""
    entrypoint: Command = None
    environment: Environment = field(default_factory=dict)
    env_file: tuple[EnvFile, ...] = ()
    expose: TextList = ()
    extends: Extends | None = None
    external_links: TextList = ()
    extra_hosts: Hosts = field(default_factory=dict)
    group_add: TextList = ()
    gpus: tuple[DeviceRequest, ...] = ()
    hostname: Text = ""
    healthcheck: Healthcheck | None = None
    image: Text = ""
    init: MaybeFlag = None
    ipc: Text = ""
    isolation: Text = ""
    labels: TextMap = field(default_factory=dict)
    label_file: TextList = ()
    links: TextList = ()
    logging: Logging | None = None
    mem_limit: Size = 0
    mem_reservation: Size = 0
    memswap_limit: Size = 0
    mem_swappiness: Size = 0
    mac_address: Text = ""
    network_mode: Text = ""
    networks: dict[str, Attachment | None] = field(default_factory=dict)
    oom_kill_disable: Flag = False
    oom_score_adj: Whole = 0
    pid: Text = ""
    pids_limit: Whole = 0
    platform: Text = ""
    ports: tuple[Port, ...] = ()
    privileged: Flag = False
    pull_policy: Text = ""
    read_only: Flag = False
    restart: Text = ""
    runtime: Text = ""
    scale: MaybeWhole = None
    secrets: tuple[FileReference, ...] = ()
    security_opt: TextList = ()
    shm_size: Size = 0
    stdin_open: Flag = False
    stop_grace_period: MaybeDuration = None
    stop_signal: Text = ""
    storage_opt: TextMap = field(default_factory=dict)
    sysctls: TextMap = field(default_factory=dict)
    tmpfs: TextList = ()
    tty: Flag = False
    ulimits: dict[str, Ulimit] = field(default_factory=dict)
    use_api_socket: Flag = False
    user: Text = ""
    userns_mode: Text = ""
    uts: Text = ""
    volumes: tuple[Mount, ...] = ()
    volumes_from: TextList = ()
    working_dir: Text = ""
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    extensions: Extensions = field(default_factory=dict)

    @property
    def replicas(self) -> int:
        """How many containers it should have."""
        if self.scale is not None:
            return self.scale
        if self.deploy is not None and self.deploy.replicas is not None:
            return self.deploy.replicas
        return 1

    def networks_by_priority(self) -> list[str]:
        """The keys of its networks; the first is where its container is created."""

        def order(key: str) -> tuple[int, str]:
            attachment = self.networks[key]
            return (-attachment.priority if attachment else 0, key)

        return sorted(self.networks, key=order)
