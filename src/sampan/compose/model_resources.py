# SPDX-License-Identifier: Apache-2.0
"""What belongs to a project as a whole: networks, volumes, configs and secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import Extensions, Flag, MaybeFlag, Text, TextMap


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPool:
    """One entry of ``ipam.config``."""

    subnet: Text = ""
    gateway: Text = ""
    ip_range: Text = ""
    aux_addresses: TextMap = field(default_factory=dict)
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipam:
    """``ipam``."""

    driver: Text = ""
    config: tuple[AddressPool, ...] = ()
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One of ``networks``; `name` is what the engine knows it by."""

    name: Text = ""
    driver: Text = ""
    driver_opts: TextMap = field(default_factory=dict)
    ipam: Ipam = Ipam()
    external: Flag = False
    internal: Flag = False
    attachable: Flag = False
    labels: TextMap = field(default_factory=dict)
    enable_ipv4: MaybeFlag = None
    enable_ipv6: MaybeFlag = None
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One of ``volumes``; `name` is what the engine knows it by."""

    name: Text = ""
    driver: Text = ""
    driver_opts: TextMap = field(default_factory=dict)
    external: Flag = False
    labels: TextMap = field(default_factory=dict)
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileObject:
    """One of ``configs`` or ``secrets``; `content` is also what `environment` names had."""

    name: Text = ""
    file: Text = ""
    environment: Text = ""
    content: Text = ""
    external: Flag = False
    labels: TextMap = field(default_factory=dict)
    driver: Text = ""
    driver_opts: TextMap = field(default_factory=dict)
    template_driver: Text = ""
    extensions: Extensions = field(default_factory=dict)
