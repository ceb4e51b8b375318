# SPDX-License-Identifier: Apache-2.0
"""How a container ended, and the file that says so when no engine was there to be told.

``exit.json`` appears whole, by rename, before anybody is told of the exit and before ``shim.sock`` closes; so
who finds nobody listening and no file knows that the shim was killed.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.shim.protocol import Message

FILE_NAME = "exit.json"
LOST_EXIT_CODE = 255


class ExitStatus:
    """Exit code as the shell gives it (128 + signal), whether memory ran out, and when (ns, 0: unknown)."""

    __slots__ = ("exit_code", "finished_ns", "oom_killed", "started_ns")

    def __init__(
        self, exit_code: int, *, oom_killed: bool = False, started_ns: int = 0, finished_ns: int = 0
    ) -> None:
        self.exit_code = exit_code
        self.oom_killed = oom_killed
        self.started_ns = started_ns
        self.finished_ns = finished_ns

    @classmethod
    def of_message(cls, message: Message) -> ExitStatus:
        """Return what `as_message` described."""
        return cls(
            message["exit_code"],
            oom_killed=message["oom_killed"],
            started_ns=message["started_ns"],
            finished_ns=message["finished_ns"],
        )

    def as_message(self) -> Message:
        """Describe it for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    def write(self, run_dir: str) -> None:
        """Leave it in a container's run directory; a directory that was removed needs none."""
        path = f"{run_dir}/{FILE_NAME}"
        try:
            with open(f"{path}.new", "w", encoding="ascii") as file:
                json.dump(self.as_message(), file)
            os.rename(f"{path}.new", path)
        except OSError:
            return

    @classmethod
    def read(cls, run_dir: str) -> ExitStatus | None:
        """Return what the shim left, if it did."""
        try:
            with open(f"{run_dir}/{FILE_NAME}", encoding="ascii") as file:
                return cls.of_message(json.load(file))
        except (OSError, ValueError, KeyError):
            return None


def exit_code_of(wait_status: int) -> int:
    """Return the shell's exit code for a wait(2) status."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code
