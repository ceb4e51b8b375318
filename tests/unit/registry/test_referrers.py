# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.oci.digest import Digest
from sampan.registry.referrers import is_attachment_tag, referrers_tag
from sampan.registry.trust.storage import signature_tag

DIGEST = Digest.of(b"image")


def test_lists_and_signatures_that_stand_at_tags_are_told_from_images() -> None:
    assert referrers_tag(DIGEST) == f"sha256-{DIGEST.hex}"
    assert signature_tag(DIGEST) == f"sha256-{DIGEST.hex}.sig"
    assert is_attachment_tag(referrers_tag(DIGEST))
    assert is_attachment_tag(signature_tag(DIGEST))
    assert is_attachment_tag(f"sha256-{DIGEST.hex}.att")


@pytest.mark.parametrize(
    "tag", ["1", "latest", "sha256-1234", f"v-sha256-{DIGEST.hex}", f"sha256-{DIGEST.hex}-1"]
)
def test_other_tags_are_images(tag: str) -> None:
    assert not is_attachment_tag(tag)
