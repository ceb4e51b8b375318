# SPDX-License-Identifier: Apache-2.0
"""What is said of a context agrees with what a build reads of it."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.build.dockerignore import parse_dockerignore
from sampan.build.explaining import explain_context
from sampan.build.files.scan import Filters, scan


def make_tree(root: Path, files: dict[str, int]) -> None:
    for name, size in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * size)


def test_what_is_sent_is_counted_by_its_top_folder(tmp_path: Path) -> None:
    make_tree(tmp_path, {"app/a.py": 10, "app/inner/b.py": 5, "manage.py": 3, ".git/config": 100})
    told = explain_context(str(tmp_path), "# history\n\n.git\n")
    assert (told.sent.files, told.sent.size_bytes) == (3, 18)
    assert {top: (share.files, share.size_bytes) for top, share in told.tops.items()} == {
        "app/": (2, 15),
        "manage.py": (1, 3),
    }
    assert (told.left_out.files, told.left_out.size_bytes) == (1, 100)


def test_the_line_that_decided_is_named(tmp_path: Path) -> None:
    make_tree(tmp_path, {"logs/a.log": 1, "logs/keep.log": 2, "b.log": 4, "c.txt": 8})
    told = explain_context(str(tmp_path), "# comment\n**/*.log\n\n!logs/keep.log\n*.md\n")
    rules = {(rule.line, rule.text): rule for rule in told.rules}
    assert set(rules) == {(2, "**/*.log"), (4, "!logs/keep.log"), (5, "*.md")}
    assert rules[2, "**/*.log"].left_out.files == 2
    assert rules[2, "**/*.log"].examples == ["b.log", "logs/a.log"]
    assert rules[4, "!logs/keep.log"].kept.size_bytes == 2
    assert rules[5, "*.md"].left_out.files == 0


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    make_tree(tmp_path / "outside", {"large": 1000})
    context = tmp_path / "context"
    context.mkdir()
    os.symlink("../outside", context / "link")
    assert explain_context(str(context), "").sent.files == 1


NAMES = st.sampled_from(["a", "b", "c.log", "dir/a", "dir/b.log", "dir/deep/c", "dir/deep/d.log", "other/a"])
PATTERNS = st.lists(
    st.sampled_from(
        ["*", "a", "dir", "dir/*", "**/*.log", "!dir/deep", "!**/d.log", "other", "!other/a", "# x", ""]
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(st.sets(NAMES, min_size=1), PATTERNS)
def test_the_explanation_counts_what_a_build_would_read(
    tmp_path_factory, names: set[str], patterns: list[str]
) -> None:
    root = tmp_path_factory.mktemp("context")
    make_tree(root, dict.fromkeys(names, 1))
    text = "\n".join(patterns)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        read = sorted(
            entry.path for entry in scan(fd, "", Filters(ignored=parse_dockerignore(text))) if entry.is_file
        )
    finally:
        os.close(fd)
    told = explain_context(str(root), text)
    assert told.sent.files == len(read)
    assert told.sent.files + told.left_out.files == len(names)
