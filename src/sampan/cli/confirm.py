# SPDX-License-Identifier: Apache-2.0
"""Ask before something is lost."""

from __future__ import annotations

import os

from sampan.cli.flags import switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.output import Output

FORCE_FLAG = switch("force", "Do not prompt for confirmation", short="f")

_STDIN = 0
_QUESTION = "Are you sure you want to continue? [y/N] "


def confirm(out: Output, warning: str) -> bool:
    """Whether the answer on stdin is y; anything else, and the end of stdin, is no."""
    out.text(f"WARNING! {warning}\n{_QUESTION}")
    out.flush()
    return _read_line().strip().lower() == b"y"


def _read_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(_STDIN, 1)
        if not data:
            break
        line += data
    return line
