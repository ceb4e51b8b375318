# SPDX-License-Identifier: Apache-2.0
"""Which attestations a build is asked for, in the words of ``POST /build`` (``sampan.attest``).

Implements: docker buildx build, ``--attest``, ``--provenance`` and ``--sbom``; compose's ``build.provenance`` and
``build.sbom``. What the words mean is the engine's business.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TRUE = ("1", "t", "true")
_FALSE = ("0", "f", "false")


def format_attestations(words: Iterable[str] = (), *, provenance: str = "", sbom: str = "") -> list[str]:
    """All of them as ``type=KIND[,FIELDS]``; the short forms come last, and win."""
    found = list(words)
    for kind, value in (("provenance", provenance), ("sbom", sbom)):
        if value.lower() in _TRUE:
            found.append(f"type={kind}")
        elif value.lower() in _FALSE:
            found.append(f"type={kind},disabled=true")
        elif value:
            found.append(f"type={kind},{value}")
    return found
