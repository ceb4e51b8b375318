# SPDX-License-Identifier: Apache-2.0
"""TLS for one registry: the system's CAs, those that ``certs.d`` adds for this host, and a client certificate.

Implements: containers-certs.d(5) and Docker's certs.d: below ``HOST:PORT`` (or ``HOST``), files ``*.crt`` are CAs, a
pair ``NAME.cert`` and ``NAME.key`` is the client's.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from sampan.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class HostCertificates:
    """The files of one host."""

    authorities: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


def find_certificates(host: str, roots: Iterable[str]) -> HostCertificates:
    """All of the host's directories count, in the order of the roots."""
    authorities: list[str] = []
    pairs: list[tuple[str, str]] = []
    for root in roots:
        for directory in dict.fromkeys((f"{root}/{host}", f"{root}/{host.rpartition(':')[0] or host}")):
            found = _read_directory(directory)
            authorities += found.authorities
            pairs += found.pairs
    return HostCertificates(tuple(authorities), tuple(pairs))


def fingerprint(certificates: HostCertificates) -> tuple[tuple[str, int], ...]:
    """Another one when a file was added, removed or changed."""
    paths = [*certificates.authorities, *(path for pair in certificates.pairs for path in pair)]
    return tuple((path, os.stat(path).st_mtime_ns) for path in paths)


def make_context(certificates: HostCertificates, *, insecure: bool) -> ssl.SSLContext:
    """A context for connections to the host; insecure: whoever answers is believed."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for path in certificates.authorities:
        _load(path, lambda path=path: context.load_verify_locations(path))
    for certificate, key in certificates.pairs:
        _load(certificate, lambda pair=(certificate, key): context.load_cert_chain(*pair))
    return context


def _read_directory(directory: str) -> HostCertificates:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return HostCertificates()
    authorities = tuple(f"{directory}/{name}" for name in names if name.endswith(".crt"))
    pairs = []
    for name in names:
        if name.endswith(".cert"):
            key = name.removesuffix(".cert") + ".key"
            if key not in names:
                raise InvalidArgument(f"missing key {key} for client certificate {directory}/{name}")
            pairs.append((f"{directory}/{name}", f"{directory}/{key}"))
    return HostCertificates(authorities, tuple(pairs))


def _load(path: str, load: object) -> None:
    assert callable(load)
    try:
        load()
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(f"{path}: not a usable certificate: {error}") from error
