# SPDX-License-Identifier: Apache-2.0
"""Commands that are run in a container on its way, and what ``watch`` does when a file changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import Command, Environment, Extensions, Flag, Text, TextList


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One entry of ``post_start`` or ``pre_stop``."""

    command: Command = None
    user: Text = ""
    privileged: Flag = False
    working_dir: Text = ""
    environment: Environment = field(default_factory=dict)
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One entry of ``develop.watch``; `action` is sync, rebuild, restart, sync+restart or sync+exec."""

    path: Text = ""
    action: Text = ""
    target: Text = ""
    exec: Hook = Hook()
    include: TextList = ()
    ignore: TextList = ()
    initial_sync: Flag = False
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Develop:
    """``develop``."""

    watch: tuple[Trigger, ...] = ()
    extensions: Extensions = field(default_factory=dict)
