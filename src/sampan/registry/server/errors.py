# SPDX-License-Identifier: Apache-2.0
"""Refusals, as the specification words them: a code, its HTTP status, a message and a detail.

Implements: distribution-spec 1.1, "Error Codes". The statuses are those that docker-registry gives.
"""

from __future__ import annotations

from collections.abc import Mapping

from sampan.errors import SampanError
from sampan.oci.document import encode_object

STATUSES = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DENIED": 403,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "PAGINATION_NUMBER_INVALID": 400,
    "RANGE_INVALID": 416,
    "SIZE_INVALID": 400,
    "TAG_INVALID": 400,
    "TOOMANYREQUESTS": 429,
    "UNAUTHORIZED": 401,
    "UNAVAILABLE": 503,
    "UNKNOWN": 500,
    "UNSUPPORTED": 405,
}


class Refusal(SampanError):  # noqa: N818 - named after the fact, as the kinds are
    """What a client is answered instead of what it wanted."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 0,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
        others: tuple[Refusal, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or STATUSES[code]
        self.detail = detail
        self.headers = dict(headers or {})
        self.others = others

    def encode(self) -> bytes:
        """The body."""
        return encode_object({"errors": [error.item() for error in (self, *self.others)]})

    def item(self) -> dict[str, object]:
        """One element of ``errors``."""
        found: dict[str, object] = {"code": self.code, "message": self.message}
        return found if self.detail is None else {**found, "detail": self.detail}


def blob_unknown(digest: object) -> Refusal:
    """The repository has no such blob."""
    return Refusal("BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": str(digest)})


def manifest_unknown(name: str, reference: object) -> Refusal:
    """The repository has no such manifest."""
    detail = {"name": name, "reference": str(reference)}
    return Refusal("MANIFEST_UNKNOWN", "manifest unknown", detail=detail)


def upload_unknown(upload: str) -> Refusal:
    """No upload of this name is in progress in the repository."""
    return Refusal("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", detail={"upload": upload})


def digest_invalid(digest: str, reason: str = "") -> Refusal:
    """Not a digest, or not the one of what came."""
    message = reason or "provided digest did not match uploaded content"
    return Refusal("DIGEST_INVALID", message, detail={"digest": digest})


def manifest_invalid(reason: str, *, status: int = 0) -> Refusal:
    """The document is not a manifest that can be kept."""
    return Refusal("MANIFEST_INVALID", f"manifest invalid: {reason}", status=status)
