# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sampan.engine.trusting import plan_uses
from sampan.image.model import Image
from sampan.oci.config import decode_image_config
from sampan.oci.digest import Digest

MANIFEST, ELSEWHERE = Digest.of(b"manifest"), Digest.of(b"elsewhere")
CONFIG = decode_image_config(
    b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
)
IMAGE = Image(
    id=CONFIG.image_id,
    config=CONFIG,
    run_config={},
    references=("a.test/app:1", "docker.io/library/mine:latest"),
    repo_digests=(f"a.test/app@{MANIFEST}", f"b.test/app@{ELSEWHERE}"),
    size_bytes=0,
    created_ns=0,
)


def shown(name: str) -> list[tuple[str, list[str], bool]]:
    return [
        (use.reference.familiar(), [digest.short for digest in use.digests], use.is_pinned)
        for use in plan_uses(IMAGE, name)
    ]


def test_the_name_that_is_used_counts() -> None:
    assert shown("a.test/app:1") == [("a.test/app:1", [MANIFEST.short], False)]
    assert shown("mine") == [("mine:latest", [], False)]
    assert shown(f"a.test/app@{MANIFEST}") == [(f"a.test/app@{MANIFEST}", [MANIFEST.short], True)]


def test_an_id_stands_for_all_names_and_is_a_digest() -> None:
    for name in (str(IMAGE.id), IMAGE.id.hex, IMAGE.id.short, IMAGE.id.hex[:3]):
        assert shown(name) == [
            ("a.test/app:1", [MANIFEST.short], True),
            ("mine:latest", [], True),
            (f"a.test/app@{MANIFEST}", [MANIFEST.short], True),
            (f"b.test/app@{ELSEWHERE}", [ELSEWHERE.short], True),
        ]
