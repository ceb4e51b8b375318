# SPDX-License-Identifier: Apache-2.0
"""The section ``deploy`` of a service."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import (
    DeviceCount,
    Duration,
    Extensions,
    MaybeDuration,
    MaybeWhole,
    Real,
    Size,
    Text,
    TextList,
    TextMap,
    Whole,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """One entry of ``gpus`` or of ``deploy.resources.reservations.devices``."""

    capabilities: TextList = ()
    driver: Text = ""
    count: DeviceCount = 0
    device_ids: TextList = ()
    options: TextMap = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    """``update_config`` and ``rollback_config``: of Swarm, kept and shown."""

    parallelism: MaybeWhole = None
    delay: Duration = 0
    failure_action: Text = ""
    monitor: Duration = 0
    max_failure_ratio: Real = 0.0
    order: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteResource:
    """``discrete_resource_spec``."""

    kind: Text = ""
    value: Whole = 0
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericResource:
    """One entry of ``generic_resources``."""

    discrete_resource_spec: DiscreteResource | None = None
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """``limits`` or ``reservations``."""

    cpus: Real = 0.0
    memory: Size = 0
    pids: Whole = 0
    devices: tuple[DeviceRequest, ...] = ()
    generic_resources: tuple[GenericResource, ...] = ()
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """``resources``."""

    limits: Resource | None = None
    reservations: Resource | None = None
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """``restart_policy``."""

    condition: Text = ""
    delay: MaybeDuration = None
    max_attempts: MaybeWhole = None
    window: MaybeDuration = None
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPreference:
    """One entry of ``placement.preferences``."""

    spread: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """``placement``."""

    constraints: TextList = ()
    preferences: tuple[PlacementPreference, ...] = ()
    max_replicas_per_node: Whole = 0
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """How many, with what limits, and when they are started again."""

    mode: Text = ""
    replicas: MaybeWhole = None
    labels: TextMap = field(default_factory=dict)
    update_config: UpdateConfig | None = None
    rollback_config: UpdateConfig | None = None
    resources: Resources = Resources()
    restart_policy: RestartPolicy | None = None
    placement: Placement = Placement()
    endpoint_mode: Text = ""
    extensions: Extensions = field(default_factory=dict)
