# SPDX-License-Identifier: Apache-2.0
"""``build --attest``, and ``--provenance`` and ``--sbom``, which are short for it (pure).

Implements: docker buildx build. What the words mean is the engine's business.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.options import Options

_TRUE = ("1", "t", "true")
_FALSE = ("0", "f", "false")


def plan_attestations(options: Options) -> list[str]:
    """All of them as ``type=KIND[,FIELDS]``; the short flags come last, and win."""
    words = options.several("attest")
    for kind in ("provenance", "sbom"):
        value = options.text(kind)
        if value.lower() in _TRUE:
            words = [*words, f"type={kind}"]
        elif value.lower() in _FALSE:
            words = [*words, f"type={kind},disabled=true"]
        elif value:
            words = [*words, f"type={kind},{value}"]
    return words
