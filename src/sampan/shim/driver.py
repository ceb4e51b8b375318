# SPDX-License-Identifier: Apache-2.0
"""The seam between the shim and whatever makes containers of bundles: our runtime or another's command.

A driver may leave the process anywhere below this one, which is the subreaper: it becomes a child.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Driver(Protocol):
        """One container's runtime."""

        pid: int
        """The container's first process, once created."""
        console_fd: int
        """The master of its terminal, or -1."""

        def create(self, stdio: tuple[int, int, int]) -> None:
            """Make everything but the program's start."""

        def start(self) -> None:
            """Let the program run; ExecFailed if it cannot."""

        def execute(self, process: dict[str, Any], stdio: tuple[int, int, int]) -> tuple[int, int]:
            """Run one more process in it; return its pid and the master of its terminal, or -1."""

        def signal(self, number: int, *, everyone: bool = False) -> None:
            """Send a signal to the first process, or to every process."""

        def pause(self) -> None:
            """Freeze every process."""

        def resume(self) -> None:
            """Let them go on."""

        def was_out_of_memory(self) -> bool:
            """Tell whether the kernel killed a process for its memory; asked after the exit."""

        def delete(self) -> None:
            """Kill what is left and remove every trace."""
