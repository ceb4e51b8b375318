# SPDX-License-Identifier: Apache-2.0
"""The policy applied: to what is pulled, and to what is used of the images that are here.

    pull  name ──require_name──→ manifest ──judge_pull──→ layers … image ──remember
    use   name, image ──examine──→ what is remembered; else the registry's signatures, remembered ──admit
Holds: a pull is judged by the digest that is then pulled, before any layer is asked for. What is remembered is a fact
about an image (who signed it, for which name), not the verdict: a changed policy judges anew. `admit` waits for
nothing, so nothing comes between it and the use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampan.metadata.verifications import Verification, VerificationTable
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.repository import Registries, Repository
from sampan.registry.trust.judgement import Evidence, Refused, describe_missing, judge
from sampan.registry.trust.policy import Policy, Rule, Signed

_NOBODY = (
    'it was made or loaded here, and no registry vouches for it (local = "allow" lets such images be used)'
)


@dataclass(frozen=True, slots=True)
class Use:
    """An image under one of its names.

    `digests` are the manifests that it is known by in that repository; `manifest` is the one it came with. `is_pinned`:
    it was asked for by a digest, so it cannot be another tomorrow.
    """

    reference: Reference
    image_id: Digest
    digests: tuple[Digest, ...]
    manifest: Digest | None = None
    is_pinned: bool = False


class Guard:
    """One engine's."""

    def __init__(self, policy: Policy, table: VerificationTable, registries: Registries) -> None:
        self.policy = policy
        self._table = table
        self._registries = registries

    def require_name(self, reference: Reference) -> None:
        """What can be said of a pull before the registry is asked."""
        rule = self.policy.find(reference)
        if rule.demand == "reject":
            raise _rejected(reference, rule)
        if rule.demand == "digest" and reference.digest is None:
            raise _unpinned(reference, rule)

    async def judge_pull(
        self, reference: Reference, subjects: Sequence[Digest], repositories: Sequence[Repository]
    ) -> list[Evidence]:
        """Whether what was found may be pulled; the signatures that say so."""
        rule = self.policy.find(reference)
        if rule.demand != "signature":
            return []
        return await judge(rule, reference, subjects, repositories)

    def remember(self, image_id: Digest, reference: Reference, found: Sequence[Evidence]) -> None:
        """Keep what was found out about an image that is here now."""
        for evidence in found:
            self._table.put(
                Verification(
                    str(image_id), reference.name, str(evidence.digest), evidence.key, evidence.reference
                )
            )

    async def examine(self, use: Use, credentials: Credentials = ANONYMOUS) -> None:
        """Look for the signatures that a use needs and that nobody has looked for yet; `admit` decides."""
        rule = self.policy.find(use.reference)
        if rule.demand != "signature" or not use.digests or not self._missing(rule, use):
            return None
        repositories = self._registries.open(use.reference, credentials)
        refusal: Refused | None = None
        for digest in use.digests:
            subjects = [digest, use.manifest] if use.manifest else [digest]
            try:
                found = await judge(rule, use.reference, subjects, repositories)
            except Refused as error:
                refusal = error
                continue
            return self.remember(use.image_id, use.reference, found)
        assert refusal is not None
        raise refusal

    def admit(self, use: Use) -> None:
        """Whether an image may be used, by what is known of it; Refused if not."""
        rule = self.policy.find(use.reference)
        missing = self._missing(rule, use)
        is_met = rule.demand == "nothing" or (rule.demand == "signature" and not missing)
        if is_met or (rule.local and not use.digests):
            return
        if not use.digests:
            raise Refused(use.reference, rule, _NOBODY)
        if rule.demand == "reject":
            raise _rejected(use.reference, rule)
        if rule.demand == "signature":
            raise Refused(use.reference, rule, describe_missing(missing, use.digests[0]))
        if not use.is_pinned:
            raise _unpinned(use.reference, rule)

    def admit_nameless(self, image_id: Digest) -> None:
        """The same for an image that has no name at all."""
        rule = self.policy.default
        if not rule.local:
            raise Refused(f"sha256:{image_id.short}", rule, _NOBODY)

    def _missing(self, rule: Rule, use: Use) -> list[Signed]:
        known = self._table.of(str(use.image_id), use.reference.name)
        return [
            signed
            for signed in rule.signatures
            if not any(
                signed.publisher_of(one.key) and signed.identity.accepts(use.reference, one.reference)
                for one in known
            )
        ]


def _rejected(reference: Reference, rule: Rule) -> Refused:
    return Refused(reference, rule, rule.reason or "nothing of that name may be used")


def _unpinned(reference: Reference, rule: Rule) -> Refused:
    return Refused(reference, rule, f"it must be named by its digest, {reference.familiar_name}@sha256:…")
