# SPDX-License-Identifier: Apache-2.0
"""The example is built by the Dockerfile that people start from, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "django"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("Dockerfile", "bbc976f703c993c5797e5a4c33f1ee3f40adba165aba030b46e50099a33282eb"),
        (".dockerignore", "47c6b3d7ceed9024be5b6cd6d3027ff40e6388f730edc94941ed4b567b7b067e"),
    ],
)
def test_the_examples_files_are_not_edited(name: str, digest: str) -> None:
    assert hashlib.sha256((EXAMPLE / name).read_bytes()).hexdigest() == digest


def test_the_requirements_are_pinned() -> None:
    lines = (EXAMPLE / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))
