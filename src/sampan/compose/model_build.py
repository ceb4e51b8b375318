# SPDX-License-Identifier: Apache-2.0
"""The section ``build`` of a service."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import Environment, Extensions, Flag, Hosts, Size, SshKeys, Text, TextList, TextMap
from sampan.compose.model_files import FileReference
from sampan.compose.model_ulimit import Ulimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How its image is built; `context` is absolute, or a URL."""

    context: Text = ""
    dockerfile: Text = ""
    dockerfile_inline: Text = ""
    entitlements: TextList = ()
    args: Environment = field(default_factory=dict)
    provenance: Text = ""
    sbom: Text = ""
    ssh: SshKeys = field(default_factory=dict)
    labels: TextMap = field(default_factory=dict)
    cache_from: TextList = ()
    cache_to: TextList = ()
    no_cache: Flag = False
    additional_contexts: TextMap = field(default_factory=dict)
    pull: Flag = False
    extra_hosts: Hosts = field(default_factory=dict)
    isolation: Text = ""
    network: Text = ""
    target: Text = ""
    secrets: tuple[FileReference, ...] = ()
    shm_size: Size = 0
    tags: TextList = ()
    ulimits: dict[str, Ulimit] = field(default_factory=dict)
    platforms: TextList = ()
    privileged: Flag = False
    extensions: Extensions = field(default_factory=dict)
