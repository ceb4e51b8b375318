# SPDX-License-Identifier: Apache-2.0
"""The seam between the shim and whatever makes containers of bundles: our runtime or another's command.

A driver is used in two processes. The maker creates, may start, and describes what the keeper has to know; the
keeper makes a driver of that and does the rest. The container's first process is the keeper's child.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from sampan.shim.order import Order

    class Driver(Protocol):
        """One container's runtime."""

        pid: int
        """The container's first process, once created."""

        warnings: list[str]
        """Limits that could not be set, once created."""

        def create(self, order: Order, stdio: tuple[int, int, int]) -> int:
            """Make everything but the program's start; return the master of its terminal, or -1. (Maker.)"""

        def start(self) -> None:
            """Let the program run; ExecFailed if it cannot."""

        def hand_over(self) -> dict[str, int]:
            """Return the descriptors that the keeper needs, by name. (Maker.)"""

        def take_over(self, pid: int, fds: dict[str, int]) -> None:
            """Go on with a container that the maker has made. (Keeper.)"""

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
            """Kill what is left and remove every trace; without a container there is none."""
