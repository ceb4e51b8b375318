# SPDX-License-Identifier: Apache-2.0
"""The small family of errors that everything in Sampan raises.

A kind says what went wrong in terms a caller can act on; the API turns kinds into HTTP statuses and the
command line turns them into exit codes, each with one table. Domain errors subclass a kind beside the code
that raises them and carry fields. Messages name the object, then the reason: lower case, no full stop; what
to do next goes into ``hint``.
"""

from __future__ import annotations


class SampanError(Exception):
    """Base of all expected failures: `message` for people, `hint` for the next step when there is one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InvalidArgument(SampanError):
    """What was asked for makes no sense, whatever the state of things (HTTP 400)."""


class NotFound(SampanError):
    """The named object does not exist (HTTP 404)."""


class Conflict(SampanError):
    """The object is in a state that does not allow this, or its name is taken (HTTP 409)."""


class NotModified(SampanError):
    """The object is already as asked (HTTP 304)."""


class Unauthenticated(SampanError):
    """Credentials are missing or wrong (HTTP 401)."""


class PermissionDenied(SampanError):
    """Known who asks, and they may not (HTTP 403)."""


class Unavailable(SampanError):
    """Something this needs does not answer now: the engine, a registry, the kernel (HTTP 503)."""


class Unsupported(SampanError):
    """Not available in this version or on this machine (HTTP 501)."""


class DataCorrupt(SampanError):
    """Bytes are not what their digest or format says (HTTP 500)."""


class Cancelled(SampanError):
    """Stopped on request before it was done (HTTP 499)."""


class Internal(SampanError):
    """A step of ours failed for a reason of the system, named in the message (HTTP 500)."""


class DiskFull(Internal):
    """The disk has no room for what should be written; nothing half-written has a name."""

    def __init__(self, path: str) -> None:
        super().__init__(f"write {path}: no space left on device", hint="free some space below the data root")
        self.path = path
