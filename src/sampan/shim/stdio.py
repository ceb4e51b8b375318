# SPDX-License-Identifier: Apache-2.0
"""The descriptors between a shim and a program: /dev/null, pipes, or one terminal."""

from __future__ import annotations

import fcntl
import os

_PIPE_BYTES = 1 << 20
"""A writer is slowed only when it is a megabyte ahead; more than the default is a privilege."""

STREAMS = ("stdin", "stdout", "stderr")


class ShimEnds:
    """The shim's ends (-1: there is none): where it writes the program's input and reads its output.

    For a terminal, stdin and stdout are two descriptors of its master, since each is watched for itself.
    """

    __slots__ = ("is_terminal", "stderr", "stdin", "stdout")

    def __init__(self, stdin: int, stdout: int, stderr: int, *, is_terminal: bool) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.is_terminal = is_terminal

    def by_name(self) -> dict[str, int]:
        """The descriptors there are, by stream."""
        return {name: getattr(self, name) for name in STREAMS if getattr(self, name) >= 0}

    @classmethod
    def of_names(cls, fds: dict[str, int], *, is_terminal: bool) -> ShimEnds:
        """Return what `by_name` has taken apart."""
        return cls(*(fds.get(name, -1) for name in STREAMS), is_terminal=is_terminal)

    @classmethod
    def of_terminal(cls, master: int, *, typing: bool) -> ShimEnds:
        """Take over the master of a terminal; what nobody may type is not listened to."""
        return cls(
            fcntl.fcntl(master, fcntl.F_DUPFD_CLOEXEC, 3) if typing else -1, master, -1, is_terminal=True
        )


class Pipes:
    """The pipes of a program without a terminal, while both ends are still open here."""

    __slots__ = ("shim", "theirs")

    def __init__(self, *, stdin: bool, output: bool = True) -> None:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        stdin_reader, stdin_writer = _pipe() if stdin else (null, -1)
        stdout_reader, stdout_writer = _pipe() if output else (-1, null)
        stderr_reader, stderr_writer = _pipe() if output else (-1, null)
        self.theirs = (stdin_reader, stdout_writer, stderr_writer)
        """The program's stdin, stdout and stderr."""
        self.shim = ShimEnds(stdin_writer, stdout_reader, stderr_reader, is_terminal=False)
        if null not in self.theirs:
            os.close(null)

    def close_theirs(self) -> None:
        """Close the program's ends here, so that their end can be seen."""
        for fd in set(self.theirs):
            os.close(fd)

    def close(self) -> None:
        """Close everything: no program came of it."""
        self.close_theirs()
        for fd in (self.shim.stdin, self.shim.stdout, self.shim.stderr):
            if fd >= 0:
                os.close(fd)


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except PermissionError:  # this user has too much pipe memory already: a small one will do
        return reader, writer
    return reader, writer
