# SPDX-License-Identifier: Apache-2.0
"""What a service, or a build, has of the project's configs and secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import Extensions, FileMode, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReference:
    """One entry of ``configs`` or ``secrets``: `source` is the key of the project's."""

    source: Text = ""
    target: Text = ""
    uid: Text = ""
    gid: Text = ""
    mode: FileMode = None
    extensions: Extensions = field(default_factory=dict)
