# SPDX-License-Identifier: Apache-2.0
"""What went wrong between us and a registry, in the words that Docker's people and clients know.

Implements: distribution-spec 1.1, "Error Codes": ``{"errors": [{"code", "message", "detail"}]}``.
Holds: a body of an error is read to 64 KiB and no further; control characters of it reach no terminal.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl

import aiohttp

from sampan.errors import (
    DataCorrupt,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SampanError,
    Unauthenticated,
    Unavailable,
)

MAX_ERROR_BYTES = 64 << 10
_MAX_SHOWN = 500
_ALERTS = {
    "BAD_CERTIFICATE": "bad certificate",
    "CERTIFICATE_REQUIRED": "certificate required",
    "CERTIFICATE_EXPIRED": "expired certificate",
    "CERTIFICATE_REVOKED": "revoked certificate",
    "CERTIFICATE_UNKNOWN": "unknown certificate",
    "UNKNOWN_CA": "unknown certificate authority",
}


class RegistryRefused(Unavailable):
    """The registry answered with a status that nobody can do anything about here."""


class TooManyRequests(Unavailable):
    """429, again and again."""


class RangeRefused(InvalidArgument):
    """416: a part was sent or asked for out of order."""


def decode_errors(body: bytes) -> str:
    """``code: message`` of each error; nothing if the body is not of that form."""
    try:
        source = json.loads(body)
        items = source.get("errors", [source])
        found = [_format(item) for item in items[:5]]
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        return ""
    return _printable(", ".join(text for text in found if text))


def refuse(status: int, body: bytes, *, what: str, has_credentials: bool, scheme: str = "") -> SampanError:
    """The error for a status that is not the wanted one; `what` was asked for."""
    said = decode_errors(body)
    if status == 401:
        if not has_credentials and scheme != "bearer":
            return Unauthenticated(
                f"{what}: no basic auth credentials", hint="log in first: `sampan login HOST`"
            )
        return Unauthenticated(f"{what}: {said or 'unauthorized: authentication required'}")
    if status == 403:
        return PermissionDenied(f"{what}: {said or 'denied: requested access to the resource is denied'}")
    if status == 404:
        return NotFound(f"{what}: {said or 'not found'}")
    if status == 416:
        return RangeRefused(f"{what}: {said or 'requested range not satisfiable'}")
    if status == 429:
        text = said or "toomanyrequests: the registry asks for a pause"
        return TooManyRequests(f"{what}: {text}", hint="try again later, or log in for a higher limit")
    if 400 <= status < 500:
        return InvalidArgument(f"{what}: {said or f'the registry answered with status {status}'}")
    return RegistryRefused(f"{what}: received unexpected HTTP status: {status} {said}".rstrip())


def unreachable(error: BaseException, method: str, url: str) -> SampanError:
    """A connection that did not come about or did not last, as Go words it."""
    what = f'{method.capitalize()} "{url}"'
    alert = _certificate_alert(error)
    if alert:
        hint = "put the client's certificate and key below certs.d/HOST:PORT, as NAME.cert and NAME.key"
        return Unavailable(f"{what}: remote error: tls: {alert}", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        reason = f"tls: failed to verify certificate: x509: {_certificate_reason(error)}"
        hint = "put the CA below certs.d/HOST:PORT/ca.crt, or list the registry as insecure"
        return Unavailable(f"{what}: {reason}", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        if _is_plain_answer(error):
            hint = "if that is meant so, list the registry as insecure in the configuration"
            return Unavailable(f"{what}: http: server gave HTTP response to HTTPS client", hint=hint)
        return Unavailable(f"{what}: tls: {_printable(str(error))}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unavailable(f"{what}: dial tcp: lookup {error.host}: no such host")
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = _connect_reason(error.os_error)
        return Unavailable(f"{what}: dial tcp {error.host}:{error.port}: connect: {reason}")
    if isinstance(error, asyncio.TimeoutError):
        return Unavailable(f"{what}: net/http: request canceled (the registry did not answer in time)")
    return Unavailable(f"{what}: {_printable(str(error)) or type(error).__name__}")


def is_connection_failure(error: BaseException) -> bool:
    """Whether trying again may help: everything but names, certificates and our own mistakes."""
    if isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.ClientSSLError | aiohttp.InvalidURL):
        return False
    if _certificate_alert(error):
        return False
    return isinstance(error, aiohttp.ClientError | asyncio.TimeoutError | ConnectionError)


def _format(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    code, message = str(item.get("code") or ""), str(item.get("message") or "")
    words = code.lower().replace("_", " ").replace("name unknown", "repository name not known to registry")
    return f"{words}: {message}" if words and message else words or message


def _connect_reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


def _certificate_reason(error: BaseException) -> str:
    cause = getattr(error, "certificate_error", error)
    reason = str(getattr(cause, "verify_message", "") or cause)
    if "self-signed" in reason or "self signed" in reason or "unable to get local issuer" in reason:
        return "certificate signed by unknown authority"
    return _printable(reason)


def _certificate_alert(error: BaseException) -> str:
    """Why the registry does not take our certificate, or the want of one; in TLS 1.3 that comes after the handshake."""
    text = str(error).upper()
    return next((words for alert, words in _ALERTS.items() if f"ALERT_{alert}" in text), "")


def _is_plain_answer(error: BaseException) -> bool:
    text = str(error).upper()
    return "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER" in text or "HTTP_REQUEST" in text


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_MAX_SHOWN]


class Broken(DataCorrupt):
    """A registry's answer is not what the specification says it is."""
