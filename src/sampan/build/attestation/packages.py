# SPDX-License-Identifier: Apache-2.0
"""A software package that is installed in an image, and its package URL.

Implements: package-url (purl), types deb, apk, rpm and pypi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

_PLAIN = ":~._-"


@dataclass(frozen=True, slots=True)
class Distribution:
    """What /etc/os-release says of the image."""

    name: str = ""
    version: str = ""

    @property
    def label(self) -> str:
        """``debian-12``, as package URLs name it."""
        return "-".join(filter(None, (self.name, self.version)))


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package; `kind` is the purl's type, `source` the name of what it was built from."""

    kind: str
    name: str
    version: str
    architecture: str = ""
    license: str = ""
    supplier: str = ""
    source: str = ""
    place: str = ""
    """The file of the image that says so."""

    def url(self, distribution: Distribution) -> str:
        """Its package URL."""
        space = "" if self.kind == "pypi" else quote(distribution.name or "unknown", safe=_PLAIN) + "/"
        name = self.name.lower().replace("_", "-") if self.kind == "pypi" else self.name
        version = f"@{quote(self.version, safe=_PLAIN)}" if self.version else ""
        return f"pkg:{self.kind}/{space}{quote(name, safe=_PLAIN)}{version}" + _qualifiers(
            {
                "arch": self.architecture,
                "distro": "" if self.kind == "pypi" else distribution.label,
                "upstream": self.source if self.source != self.name else "",
            }
        )


def _qualifiers(words: Mapping[str, str]) -> str:
    found = "&".join(f"{key}={quote(value, safe=_PLAIN)}" for key, value in sorted(words.items()) if value)
    return f"?{found}" if found else ""


def parse_distribution(text: str) -> Distribution:
    """Read os-release (5)."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            fields[name] = value.strip("\"'")
    return Distribution(fields.get("ID", ""), fields.get("VERSION_ID", ""))
