# SPDX-License-Identifier: Apache-2.0
"""An entry of a service's ``volumes``, in its long form."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import Extensions, Flag, Size, Text, TextMap, Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class BindOptions:
    """``bind``."""

    selinux: Text = ""
    propagation: Text = ""
    create_host_path: Flag = False
    recursive: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeOptions:
    """``volume``."""

    labels: TextMap = field(default_factory=dict)
    nocopy: Flag = False
    subpath: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TmpfsOptions:
    """``tmpfs``."""

    size: Size = 0
    mode: Whole = 0
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """``image``."""

    subpath: Text = ""
    extensions: Extensions = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`type` is bind, volume, tmpfs or image; a volume's `source` is the key of the project's, or empty."""

    type: Text = ""
    source: Text = ""
    target: Text = ""
    read_only: Flag = False
    consistency: Text = ""
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    image: ImageOptions | None = None
    extensions: Extensions = field(default_factory=dict)
