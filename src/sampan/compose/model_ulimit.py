# SPDX-License-Identifier: Apache-2.0
"""An entry of ``ulimits``, of a service or of its build."""

from __future__ import annotations

from dataclasses import dataclass, field

from sampan.compose.kinds import Extensions, Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Ulimit:
    """Either `single` for both, or `soft` and `hard`."""

    single: Whole = 0
    soft: Whole = 0
    hard: Whole = 0
    extensions: Extensions = field(default_factory=dict)
