# SPDX-License-Identifier: Apache-2.0
"""Whether a signature was meant for the name that somebody asks for.

Implements: `signedIdentity` of containers-policy.json(5). cosign writes the repository alone into its payloads, so
`match-repository` is what its signatures need; skopeo and podman write the tag, too.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sampan.errors import InvalidArgument
from sampan.oci.reference import Reference, parse_name

Match = Literal["match-repository", "match-exact", "match-repo-digest-or-exact"]


@dataclass(frozen=True, slots=True)
class Identity:
    """How the two names are compared.

    `fixed` is what signatures have to say instead of the image's own name. Of an image below `prefix`, signatures
    speak as if it were below `signed_prefix`. `nameless`: a signature that says no name will do, too.
    """

    match: Match = "match-repository"
    fixed: str = ""
    prefix: str = ""
    signed_prefix: str = ""
    nameless: bool = False

    def accepts(self, reference: Reference, signed: str) -> bool:
        """Whether a signature that says `signed` may vouch for the reference."""
        if not signed:
            return self.nameless
        try:
            said, wanted = parse_name(signed), self._wanted(reference)
        except InvalidArgument:
            return False
        if said.name != wanted.name:
            return False
        if self.match == "match-repository":
            return True
        if self.match == "match-repo-digest-or-exact" and wanted.digest is not None:
            return True
        is_complete = wanted.tag is not None or wanted.digest is not None
        return is_complete and str(said) == str(wanted)

    def _wanted(self, reference: Reference) -> Reference:
        if self.fixed:
            return parse_name(self.fixed)
        text = str(reference)
        if self.prefix and _is_below(reference.name, self.prefix):
            text = self.signed_prefix + text[len(self.prefix) :]
        return parse_name(text)


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + "/")
