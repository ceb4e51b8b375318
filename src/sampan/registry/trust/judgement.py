# SPDX-License-Identifier: Apache-2.0
"""Whether signatures meet what a rule demands of one manifest.

Holds: the signature is checked before what it says is read; a signature of another manifest, or for another name,
counts for nothing. Reading ends with the last signature that was needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sampan.errors import PermissionDenied
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.registry.repository import Repository
from sampan.registry.trust.payload import InvalidPayload
from sampan.registry.trust.policy import Rule, Signed
from sampan.registry.trust.signature import Signature
from sampan.registry.trust.storage import SignatureStore

_MAX_REASONS = 3


class Refused(PermissionDenied):
    """An image does not meet what is demanded; the message names the rule."""

    def __init__(self, reference: Reference | str, rule: Rule, reason: str) -> None:
        name = reference if isinstance(reference, str) else reference.familiar()
        super().__init__(f"{name}: refused by {rule}: {reason}")
        self.rule = rule
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Evidence:
    """A signature that was found good: by which key, of which manifest, for which name; whose the key is now."""

    key: str
    digest: Digest
    reference: str
    publisher: str = ""


def match_signature(
    signed: Signed, signature: Signature, reference: Reference, subject: Digest
) -> Evidence | str:
    """What the signature proves towards one demand, or why nothing."""
    key = signature.signer(signed.keys)
    if key is None:
        return f"a signature of {subject.short} is not by {signed}"
    try:
        payload = signature.read()
    except InvalidPayload as error:
        return error.message
    publisher = signed.publisher_of(key.fingerprint) or ""
    if payload.digest != subject:
        return f"a signature by {publisher} is of another image, {payload.digest}"
    if not signed.identity.accepts(reference, payload.reference):
        if not payload.reference:
            return f'a signature by {publisher} says no name (nameless = "allow" lets such signatures count)'
        return f"a signature by {publisher} is for another name, {payload.reference}"
    return Evidence(key.fingerprint, subject, payload.reference, publisher)


async def judge(
    rule: Rule, reference: Reference, subjects: Sequence[Digest], repositories: Iterable[Repository]
) -> list[Evidence]:
    """The signatures that meet the rule; Refused if there are none.

    `subjects`: the index and the manifest that were chosen, of which one must be signed. `repositories` are asked in
    this order: where a signature comes from does not matter, as long as the key is right.
    """
    missing = list(rule.signatures)
    found: list[Evidence] = []
    reasons: list[str] = []
    for repository in _each_once(repositories):
        store = SignatureStore(repository)
        for subject in dict.fromkeys(subjects):
            async for signature in store.iter(subject):
                for signed in tuple(missing):
                    outcome = match_signature(signed, signature, reference, subject)
                    if isinstance(outcome, Evidence):
                        found.append(outcome)
                        missing.remove(signed)
                    else:
                        reasons.append(outcome)
                if not missing:
                    return found
        reasons += store.complaints
    raise Refused(reference, rule, describe_missing(missing, subjects[0], reasons))


def describe_missing(missing: Sequence[Signed], subject: Digest, reasons: Sequence[str] = ()) -> str:
    """What is not there, and what was there instead."""
    text = f"no signature by {' and by '.join(str(signed) for signed in missing)} on {subject}"
    noted = list(dict.fromkeys(reasons))
    if not noted:
        return text
    more = f", and {len(noted) - _MAX_REASONS} more" if len(noted) > _MAX_REASONS else ""
    return f"{text} ({'; '.join(noted[:_MAX_REASONS])}{more})"


def _each_once(repositories: Iterable[Repository]) -> list[Repository]:
    found: list[Repository] = []
    for repository in repositories:
        if repository not in found:
            found.append(repository)
    return found
