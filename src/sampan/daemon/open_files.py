# SPDX-License-Identifier: Apache-2.0
"""How many files the engine may have open: each client and each container is one, and a shell gives 1,024.

Programs in containers get what the engine was started with: some go through all numbers up to the limit.
"""

from __future__ import annotations

import resource


def raise_open_files() -> tuple[int, int]:
    """Take as many as this process may have; returns what the limit was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard
