# SPDX-License-Identifier: Apache-2.0
"""What the machine brings to a bootstrap: its Debian mirrors, proxies, keys and CA certificates.

Holds: a Debian host's mirrors serve every Debian suite, so an image is fetched from where the host's own
packages come from; on any other host the choice is mmdebstrap's.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sampan.errors import Unavailable

ARCHIVE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT_DIRECTORY = "/etc/apt"

# Settings of the host's apt that say how to reach a mirror, not what to install.
_REACH_PREFIXES = (
    "Acquire::http::Proxy",
    "Acquire::https::",
    "Acquire::Check-",
    "Acquire::Retries",
    "Acquire::ForceIPv",
)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The facts that a plan needs; `mirror` and `security_mirror` are None where mmdebstrap is to choose."""

    mirror: str | None = None
    security_mirror: str | None = None
    apt_options: tuple[str, ...] = ()
    keyrings: tuple[str, ...] = ()
    ca_bundle: str | None = None

    def sources(self, suite: str) -> tuple[str, ...]:
        """Apt's source lines for a suite, none where mmdebstrap's own are good."""
        if self.mirror is None:
            return ()
        if os.path.isdir(
            self.mirror
        ):  # of a bundle: see `packages`; copied, as the new root does not see the folder
            return (f"deb [trusted=yes] copy:{os.path.abspath(self.mirror)}/{suite} ./",)
        lines = [f"deb {self.mirror} {suite} main"]
        if suite not in ("sid", "unstable", "experimental"):
            lines.append(f"deb {self.mirror} {suite}-updates main")
            lines.append(f"deb {self.security_mirror or self.mirror + '-security'} {suite}-security main")
        return tuple(lines)


def read_host_facts(*, mirror: str | None, ca_bundle: str | None) -> HostFacts:
    """Ask the machine; what the user named goes before what the host's apt is set to."""
    found, security = (mirror, None) if mirror else find_mirrors(_read_sources())
    keyrings = (ARCHIVE_KEYRING,) if os.path.exists(ARCHIVE_KEYRING) else ()
    return HostFacts(found, security, _apt_options(), keyrings, ca_bundle)


def require_mmdebstrap() -> None:
    """Fail with the way out where the tool that does the work is missing."""
    if shutil.which("mmdebstrap") is None:
        raise Unavailable(
            "mmdebstrap is not installed", hint="apt-get install mmdebstrap debian-archive-keyring"
        )


def find_mirrors(sources: Iterable[str]) -> tuple[str | None, str | None]:
    """The archive's and the security archive's addresses in texts of sources.list or deb822 form."""
    mirror: str | None = None
    security: str | None = None
    for uri in _iter_uris(sources):
        path = uri.rstrip("/")
        if path.endswith("/debian-security"):
            security = security or path
        elif path.endswith("/debian"):
            mirror = mirror or path
    return mirror, security


def _iter_uris(sources: Iterable[str]) -> Iterable[str]:
    for text in sources:
        for line in text.splitlines():
            words = line.split()
            if words and words[0] == "deb":
                yield from (word for word in words[1:] if "://" in word)
            elif words and words[0].lower() == "uris:":
                yield from words[1:]


def _read_sources() -> Iterable[str]:
    patterns = ("sources.list", "sources.list.d/*.list", "sources.list.d/*.sources")
    for pattern in patterns:
        for path in sorted(glob.glob(f"{APT_DIRECTORY}/{pattern}")):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield file.read()


def _apt_options() -> tuple[str, ...]:
    if shutil.which("apt-config") is None:
        return ()
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    return tuple(
        line for line in dump.stdout.splitlines() if line.startswith(_REACH_PREFIXES) and '""' not in line
    )


def find_ca_bundle(environ: Mapping[str, str]) -> str | None:
    """The host's CA certificates as one file, where Linux distributions keep it."""
    candidates = (
        environ.get("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
    )
    return next((path for path in candidates if path and os.path.exists(path)), None)
