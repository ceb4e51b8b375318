# SPDX-License-Identifier: Apache-2.0
"""How a gRPC call ends: status codes, and our errors as statuses with the details that clients show.

Implements: gRPC over HTTP/2, "Status" and "grpc-status-details-bin"; BuildKit's errdefs.Source, from which a
client prints the lines of the Dockerfile that are to blame.
"""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote, unquote

from sampan.build.dockerfile.location import DockerfileError
from sampan.build.errors import BuildFailed
from sampan.buildkit.messages.values import AnyMessage, Status
from sampan.buildkit.protobuf import encode_message
from sampan.errors import (
    Cancelled,
    Conflict,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SampanError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

OK = 0
CANCELLED = 1
UNKNOWN = 2
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14

_SOURCE_TYPE = "github.com/moby/buildkit/errdefs.Source+json"
_MAX_SOURCE_BYTES = 64 << 10
_KINDS: tuple[tuple[type[SampanError], int], ...] = (
    # A client prints the code before the message, which says enough when a build fails.
    (BuildFailed, UNKNOWN),
    (DockerfileError, UNKNOWN),
    (InvalidArgument, 3),
    (NotFound, 5),
    (PermissionDenied, 7),
    (Conflict, 9),
    (Unsupported, UNIMPLEMENTED),
    (Internal, INTERNAL),
    (Unavailable, UNAVAILABLE),
    (Unauthenticated, 16),
    (Cancelled, CANCELLED),
)
_ERRORS: dict[int, type[SampanError]] = {
    CANCELLED: Cancelled,
    3: InvalidArgument,
    5: NotFound,
    7: PermissionDenied,
    UNIMPLEMENTED: Unsupported,
    UNAVAILABLE: Unavailable,
    16: Unauthenticated,
}


def status_of(error: SampanError) -> Status:
    """The status that tells a client of this error."""
    code = next((number for kind, number in _KINDS if isinstance(error, kind)), UNKNOWN)
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    source = _describe_source(error)
    details = [AnyMessage(_SOURCE_TYPE, source)] if source else []
    return Status(code, message, details)


def error_of(code: int, message: str, what: str) -> SampanError:
    """The error that a status of the other side is here."""
    return _ERRORS.get(code, Internal)(f"{what}: {message or f'gRPC status {code}'}")


def trailers_of(status: Status) -> list[tuple[str, str]]:
    """The headers that end a call."""
    trailers = [("grpc-status", str(status.code))]
    if status.message:
        trailers.append(
            (
                "grpc-message",
                quote(status.message, errors="replace", safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            )
        )
    if status.details:
        trailers.append(("grpc-status-details-bin", b64encode(encode_message(status)).decode().rstrip("=")))
    return trailers


def read_trailers(trailers: dict[str, str]) -> tuple[int, str]:
    """The code and the message at the end of a call of ours."""
    code = trailers.get("grpc-status", "")
    return int(code) if code.isdecimal() and len(code) < 4 else UNKNOWN, unquote(
        trailers.get("grpc-message", "")
    )


def _describe_source(error: SampanError) -> bytes:
    """errdefs.Source: the Dockerfile's text with the range of lines; nothing where no line is to blame."""
    if not isinstance(error, BuildFailed | DockerfileError) or error.location is None or error.source is None:
        return b""
    text = error.source.text.encode("utf-8", "surrogateescape")
    if len(text) > _MAX_SOURCE_BYTES:  # it travels in a header
        return b""
    return json.dumps(
        {
            "info": {
                "filename": error.source.name,
                "data": b64encode(text).decode(),
                "language": "Dockerfile",
            },
            "ranges": [{"start": {"line": error.location.start}, "end": {"line": error.location.end}}],
        }
    ).encode()
