# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a bundle and a running program."""

from __future__ import annotations

import errno

from sampan.errors import Internal, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SetupFailed(Internal):
    """A step of building the container failed: `stage` names it, `errno` is the kernel's reason or 0."""

    def __init__(self, message: str, *, stage: str = "", errno: int = 0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.errno = errno


class ExecFailed(InvalidArgument):
    """The program could not be executed; the message is runc's, which Docker's clients match on.

    `exit_code` is the shell's convention that Docker keeps: 127 where nothing was found, 126 where what was
    found cannot be run.
    """

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno
        self.exit_code = exit_code_of(errno)


def exit_code_of(number: int) -> int:
    """Return 127 for "there is no such thing", 126 for all other reasons not to run."""
    return 127 if number in (errno.ENOENT, errno.ENOTDIR) else 126


def encode_failure(error: BaseException, stage: str) -> dict[str, Any]:
    """Describe an exception of the child for its parent."""
    if isinstance(error, ExecFailed):
        return {"kind": "exec", "errno": error.errno, "message": error.message}
    if isinstance(error, InvalidArgument):
        return {"kind": "invalid", "message": error.message}
    number = (error.errno or 0) if isinstance(error, OSError) else 0
    hint = getattr(error, "hint", None)
    return {"kind": "setup", "stage": stage, "errno": number, "message": f"{stage}: {error}", "hint": hint}


def decode_failure(fields: dict[str, Any]) -> ExecFailed | InvalidArgument | SetupFailed:
    """Return the exception that `encode_failure` described."""
    if fields["kind"] == "exec":
        return ExecFailed(fields["errno"], fields["message"])
    if fields["kind"] == "invalid":
        return InvalidArgument(fields["message"])
    return SetupFailed(
        fields["message"], stage=fields["stage"], errno=fields["errno"], hint=fields.get("hint")
    )
