# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.build.attestation.options import Attestations, ProvenanceOptions, parse_attestations, parse_words
from sampan.cli.build_options import FLAGS, plan_query
from sampan.cli.flags import parse_flags

FULL, LEAST = ProvenanceOptions(), ProvenanceOptions(is_full=False)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), Attestations()),
        (("--provenance=true",), Attestations(FULL)),
        (("--provenance=false", "--sbom=true"), Attestations(None, sbom=True)),
        (("--provenance", "mode=min"), Attestations(LEAST)),
        (("--attest", "type=provenance,mode=min", "--attest", "type=sbom"), Attestations(LEAST, sbom=True)),
        (("--attest", "type=provenance,mode=min", "--provenance=false"), Attestations()),
        (("--attest", "mode=min,type=provenance", "--sbom=false"), Attestations(LEAST)),
    ],
)
def test_flags_say_what_is_wanted(words: tuple[str, ...], expected: Attestations) -> None:
    options, _ = parse_flags(FLAGS, words)
    query = plan_query(options, {})
    assert parse_attestations(parse_words(query["sampan.attest"])) == expected
