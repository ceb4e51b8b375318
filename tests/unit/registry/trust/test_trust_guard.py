# SPDX-License-Identifier: Apache-2.0
"""What is asked before an image of the store is used: decided from records alone, without a registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.metadata.database import Database
from sampan.metadata.images import ImageRecord, ImageTable
from sampan.metadata.verifications import VerificationTable
from sampan.oci.digest import Digest
from sampan.oci.reference import parse_reference
from sampan.registry.repository import Registries
from sampan.registry.trust.guard import Guard, Use
from sampan.registry.trust.identity import Identity
from sampan.registry.trust.judgement import Evidence, Refused
from sampan.registry.trust.patterns import parse_pattern
from sampan.registry.trust.policy import Demand, Policy, Publisher, Rule, Signed
from sampan.registry.trust.private_keys import generate_key

ADA, EVE = generate_key().public, generate_key().public
IMAGE, OTHER, MANIFEST = Digest.of(b"image"), Digest.of(b"other"), Digest.of(b"manifest")
IS_ADAS = Signed((Publisher("Ada", (ADA,)),))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[VerificationTable]:
    with Database(str(tmp_path / "state.db")) as database:
        for image in (IMAGE, OTHER):
            ImageTable(database).put(ImageRecord(str(image), 0, 0, None, None, {}))
        yield VerificationTable(database)


def guard_of(table: VerificationTable, *rules: Rule, default: Rule | None = None) -> Guard:
    return Guard(Policy(rules, default) if default else Policy(rules), table, Registries())


def rule(demand: Demand, *signatures: Signed, local: bool = False) -> Rule:
    return Rule(demand, parse_pattern("a.test"), signatures, local=local, place="here")


def use(name: str = "a.test/app:1", *, is_local: bool = False, is_pinned: bool = False) -> Use:
    return Use(parse_reference(name), IMAGE, () if is_local else (MANIFEST,), is_pinned=is_pinned)


@pytest.mark.parametrize(
    ("demand", "is_pinned", "words"),
    [
        ("nothing", False, ""),
        ("digest", True, ""),
        ("digest", False, "it must be named by its digest, a.test/app@sha256:"),
        ("reject", True, "nothing of that name may be used"),
        ("signature", True, f"no signature by Ada on {MANIFEST}"),
    ],
)
def test_each_demand_is_made_of_what_came_from_a_registry(
    table: VerificationTable, demand: Demand, is_pinned: bool, words: str
) -> None:
    guard = guard_of(table, rule(demand, *([IS_ADAS] if demand == "signature" else [])))
    if not words:
        guard.admit(use(is_pinned=is_pinned))
        return
    with pytest.raises(Refused, match=words) as caught:
        guard.admit(use(is_pinned=is_pinned))
    assert caught.value.message.startswith('a.test/app:1: refused by trust rule "a.test" (here): ')


@pytest.mark.parametrize("demand", ["digest", "reject", "signature"])
def test_what_was_made_here_is_used_only_where_that_is_allowed(
    table: VerificationTable, demand: Demand
) -> None:
    guard_of(table, rule(demand, IS_ADAS, local=True)).admit(use(is_local=True))
    with pytest.raises(Refused, match="no registry vouches for it"):
        guard_of(table, rule(demand, IS_ADAS)).admit(use(is_local=True))


def test_what_came_from_a_registry_is_not_local_because_local_is_allowed(table: VerificationTable) -> None:
    with pytest.raises(Refused, match="no signature by Ada"):
        guard_of(table, rule("signature", IS_ADAS, local=True)).admit(use())


def test_what_was_verified_is_remembered_for_this_image_and_this_repository(table: VerificationTable) -> None:
    guard = guard_of(table, rule("signature", IS_ADAS))
    evidence = [Evidence(ADA.fingerprint, MANIFEST, "a.test/app")]
    guard.remember(OTHER, parse_reference("a.test/app:1"), evidence)
    guard.remember(IMAGE, parse_reference("a.test/elsewhere:1"), evidence)
    with pytest.raises(Refused):
        guard.admit(use())
    guard.remember(IMAGE, parse_reference("a.test/app:1"), evidence)
    guard.remember(IMAGE, parse_reference("a.test/app:1"), evidence)
    guard.admit(use())
    guard.admit(use("a.test/app:2"))


def test_what_was_verified_counts_though_another_image_has_its_digest_now(table: VerificationTable) -> None:
    """Of an index with several platforms, the newest image that came by it has the name's digest."""
    guard = guard_of(table, rule("signature", IS_ADAS))
    guard.remember(
        IMAGE, parse_reference("a.test/app:1"), [Evidence(ADA.fingerprint, MANIFEST, "a.test/app")]
    )
    guard.admit(use(is_local=True))


def test_a_changed_policy_judges_anew(table: VerificationTable) -> None:
    guard_of(table).remember(
        IMAGE, parse_reference("a.test/app:1"), [Evidence(ADA.fingerprint, MANIFEST, "a.test/app")]
    )
    is_eves = Signed((Publisher("Eve", (EVE,)),))
    is_exact = Signed((Publisher("Ada", (ADA,)),), Identity("match-exact"))
    for signatures in ([is_eves], [is_exact], [IS_ADAS, is_eves]):
        with pytest.raises(Refused):
            guard_of(table, rule("signature", *signatures)).admit(use())
    guard_of(table, rule("signature", IS_ADAS)).admit(use())


def test_a_pull_is_refused_before_the_registry_is_asked(table: VerificationTable) -> None:
    name, pinned = parse_reference("a.test/app:1"), parse_reference(f"a.test/app@{MANIFEST}")
    with pytest.raises(Refused):
        guard_of(table, rule("reject")).require_name(pinned)
    with pytest.raises(Refused):
        guard_of(table, rule("digest")).require_name(name)
    guard_of(table, rule("digest")).require_name(pinned)
    guard_of(table, rule("signature", IS_ADAS)).require_name(name)


def test_an_image_without_a_name_falls_to_the_default(table: VerificationTable) -> None:
    guard_of(table, rule("reject")).admit_nameless(IMAGE)
    with pytest.raises(Refused, match="the default trust rule"):
        guard_of(table, default=Rule("reject")).admit_nameless(IMAGE)
    guard_of(table, default=Rule("reject", local=True)).admit_nameless(IMAGE)
