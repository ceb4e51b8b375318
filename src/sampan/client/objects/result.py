# SPDX-License-Identifier: Apache-2.0
"""What a program in a container came to: its output and its exit code, and the errors that carry them."""

from __future__ import annotations

from dataclasses import dataclass

from sampan.errors import Cancelled, SampanError

_LAST_WORDS_BYTES = 400


@dataclass(frozen=True, slots=True)
class Result:
    """A program's end.

    `exit_code` is 128 plus the signal's number when a signal ended it, -1 when it is not known. `truncated` says
    that a stream was longer than the `limit_bytes` asked for: the rest was read and dropped. `timed_out` says
    that its time was up and it was killed. `duration_s` is from its start to its end, in seconds.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False
    timed_out: bool = False
    duration_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.exit_code == 0 and not self.timed_out

    @property
    def text(self) -> str:
        """Stdout as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stdout.decode(errors="replace")

    def check(self) -> Result:
        """Itself when `ok`; raises ProgramFailed, or TimedOut, with this result otherwise."""
        if self.timed_out:
            raise TimedOut("program did not end in time and was killed", self)
        if self.exit_code:
            raise ProgramFailed(self)
        return self


class ProgramFailed(SampanError):  # noqa: N818 - named after the fact, as all of ours
    """A program ended with another exit code than 0; `result` has its output."""

    def __init__(self, result: Result) -> None:
        said = result.stderr.strip()[-_LAST_WORDS_BYTES:].decode(errors="replace")
        super().__init__(f"program exited with code {result.exit_code}" + (f": {said}" if said else ""))
        self.result = result


class TimedOut(Cancelled):
    """Something took longer than `timeout_s`; `result` has the output so far where there was a program's."""

    def __init__(self, message: str, result: Result | None = None) -> None:
        super().__init__(message)
        self.result = result
