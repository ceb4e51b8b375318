# SPDX-License-Identifier: Apache-2.0
"""The host's CA bundle inside containers, for networks whose proxy signs TLS anew.

The bundle is mounted read-only below /dev, which is the container's own tmpfs: so neither a layer nor the
image's configuration nor a cache key ever knows of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sampan.engine.model import MountPoint
from sampan.errors import NotFound

TARGET = "/dev/host-ca.crt"
ANNOTATION = "io.sampan.host-ca"
VARIABLES = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",
)


class HostCa:
    """Decides for whom the bundle is mounted; `default` is the configuration's word."""

    def __init__(self, *, default: bool) -> None:
        self._default = default

    def is_wanted(self, annotations: Mapping[str, str] | None) -> bool:
        """A container's own annotation wins over the configuration."""
        said = (annotations or {}).get(ANNOTATION)
        return self._default if said is None else said == "true"

    def mount(self) -> MountPoint:
        """The bundle as a mount point."""
        return MountPoint(
            type="bind", source=find_bundle(), destination=TARGET, rw=False, propagation="rprivate"
        )

    def environment(self) -> list[str]:
        """The variables that programs look at."""
        return [f"{name}={TARGET}" for name in VARIABLES]


def find_bundle() -> str:
    """Where this host keeps its bundle."""
    for path in BUNDLES:
        if os.path.isfile(path):
            return os.path.realpath(path)
    raise NotFound("no CA bundle found on this host", hint="install the package ca-certificates")


def add_missing(env: list[str], additions: list[str]) -> list[str]:
    """Variables that the container or its image already sets keep their values."""
    named = {entry.partition("=")[0] for entry in env}
    return [*env, *(entry for entry in additions if entry.partition("=")[0] not in named)]
