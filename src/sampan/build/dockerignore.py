# SPDX-License-Identifier: Apache-2.0
"""``.dockerignore``: which file applies, and the patterns in it.

Implements: the build-context documentation, ".dockerignore files", as moby's ``ignorefile`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.build.patterns import PatternSet, clean_path


def parse_dockerignore(text: str) -> PatternSet:
    """The patterns of a file; Misuse for one that cannot be read."""
    return PatternSet(iter_patterns(text))


def iter_patterns(text: str) -> Iterator[str]:
    """The cleaned patterns: no comments, no blank lines, no leading slash."""
    for line in text.removeprefix("\ufeff").split("\n"):
        # Only a # in the very first column is a comment.
        if line.startswith("#"):
            continue
        pattern = line.strip()
        if not pattern:
            continue
        inverted = pattern.startswith("!")
        if inverted:
            pattern = pattern[1:].strip()
        if pattern:
            pattern = clean_path(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        yield "!" + pattern if inverted else pattern


def ignore_file_names(dockerfile: str) -> tuple[str, ...]:
    """Where patterns are looked for: beside the Dockerfile under its own name first, then the default."""
    return (dockerfile + ".dockerignore", ".dockerignore")
