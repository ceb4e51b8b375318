# SPDX-License-Identifier: Apache-2.0
"""All that can be said of an image's signatures, for people: who made them, and whether they count.

Where `judgement` stops at what suffices, this reads every signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.registry.repository import Repository
from sampan.registry.trust.judgement import Evidence, Refused, describe_missing, match_signature
from sampan.registry.trust.payload import InvalidPayload, Payload
from sampan.registry.trust.policy import Publisher, Rule
from sampan.registry.trust.signature import Signature
from sampan.registry.trust.storage import SignatureStore


@dataclass(frozen=True, slots=True)
class Known:
    """A signature with what is known of it; no `payload` if it cannot be read, no `publisher` for a stranger's."""

    subject: Digest
    signature: Signature
    payload: Payload | None
    publisher: str = ""
    fingerprint: str = ""
    complaints: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class Report:
    """Of one manifest; `complaints` are places that could not be read."""

    subject: Digest
    signatures: tuple[Known, ...]
    complaints: tuple[str, ...]


async def report_signatures(
    repositories: Iterable[Repository], subject: Digest, publishers: Sequence[Publisher] = ()
) -> Report:
    """Every signature of a manifest."""
    found: dict[tuple[Digest, str], Known] = {}
    complaints: list[str] = []
    for repository in repositories:
        store = SignatureStore(repository)
        async for signature in store.iter(subject):
            found.setdefault((signature.digest, signature.text), _describe(subject, signature, publishers))
        complaints += store.complaints
    return Report(subject, tuple(found.values()), tuple(dict.fromkeys(complaints)))


def select_good(
    report: Report, rule: Rule, reference: Reference, annotations: Mapping[str, str]
) -> list[Known]:
    """The signatures that count for a rule and say all of these annotations; Refused if something is missing."""
    good: list[Known] = []
    missing, reasons = [], list(report.complaints)
    for signed in rule.signatures:
        mine = []
        for known in report.signatures:
            outcome = match_signature(signed, known.signature, reference, report.subject)
            if not isinstance(outcome, Evidence):
                reasons.append(outcome)
            elif known.payload is None or not annotations.items() <= known.payload.annotations.items():
                reasons.append("a signature does not have the annotations that were asked for")
            else:
                mine.append(known)
        good += mine
        missing += [] if mine else [signed]
    if missing:
        raise Refused(reference, rule, describe_missing(missing, report.subject, reasons))
    return list({id(known): known for known in good}.values())


def _describe(subject: Digest, signature: Signature, publishers: Sequence[Publisher]) -> Known:
    try:
        payload = signature.read()
    except InvalidPayload as error:
        return Known(subject, signature, None, complaints=(error.message,))
    for publisher in publishers:
        key = signature.signer(publisher.keys)
        if key is not None:
            return Known(subject, signature, payload, publisher.name, key.fingerprint)
    return Known(subject, signature, payload)
