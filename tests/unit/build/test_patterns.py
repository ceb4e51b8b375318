# SPDX-License-Identifier: Apache-2.0
"""Ignore patterns match as moby's patternmatcher does (its tables, and the seed's file)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sampan.build.dockerfile.location import Misuse
from sampan.build.dockerignore import ignore_file_names, iter_patterns, parse_dockerignore
from sampan.build.patterns import PatternSet, clean_path, compile_glob

SINGLE = [
    ("**", "file", True),
    ("**/", "file", True),
    ("**", "dir/file", True),
    ("**/", "dir/file", True),
    ("**/**", "dir/file", True),
    ("dir/**", "dir/file", True),
    ("dir/**", "dir/dir2/file", True),
    ("dir/**", "dir", False),
    ("**/dir", "dir", True),
    ("**/dir", "dir/file", True),
    ("**/dir2/*", "dir/dir2/file", True),
    ("**/dir2/**", "dir/dir2/dir3/file", True),
    ("**file", "file", True),
    ("**file", "dir/file", True),
    ("**file", "dir/xfile", True),
    ("**/file", "dir/file", True),
    ("**/file", "dir/xfile", False),
    ("**file", "dir/dir/file", True),
    ("**/file*", "dir/dir/file.txt", True),
    ("**/file*txt", "dir/dir/file.txt", True),
    ("**/file*.txt*", "dir/dir/file.txt", True),
    ("**/**/*.txt", "dir/dir/file.txt", True),
    ("**/**/*.txt2", "dir/dir/file.txt", False),
    ("**/*.txt", "file.txt", True),
    ("**/**/*.txt", "file.txt", True),
    ("a**/*.txt", "a/file.txt", True),
    ("a**/*.txt", "a/dir/dir/file.txt", True),
    ("a/*.txt", "a/dir/file.txt", False),
    ("a/*.txt", "a/file.txt", True),
    ("a/*.txt**", "a/file.txt", True),
    ("a[b-d]e", "ae", False),
    ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False),
    ("a[^b-d]e", "aze", True),
    (".*", ".foo", True),
    (".*", "foo", False),
    ("abc.def", "abcdef", False),
    ("abc.def", "abc.def", True),
    ("abc?def", "abcZdef", True),
    ("abc?def", "abcdef", False),
    ("a\\\\", "a\\", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "axb", False),
    ("**/foo/bar", "foo/bar", True),
    ("**/foo/bar", "dir/dir2/foo/bar", True),
    ("abc/**", "abc", False),
    ("abc/**", "abc/def/ghi", True),
    ("**/.foo", ".foo", True),
    ("**/.foo", "bar.foo", False),
    ("a(b)c/def", "a(b)c/def", True),
    ("a(b)c/def", "a(b)c/xyz", False),
    ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
    ("dist/*.whl", "dist/a-1+g0.whl", True),
    ("*", "a", True),
    ("*", "a/b", True),
    ("*/b", "a/b", True),
    ("*/b", "a/c/b", False),
    ("a?b", "a/b", False),
    ("a?b", "a☺b", True),
    ("docs/", "docs", True),
    ("docs/", "docs/x", True),
    ("./docs", "docs/x", True),
    ("a/../b", "b", True),
    ("docs", "mydocs", False),
    ("docs", "a/docs", False),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), SINGLE)
def test_one_pattern(pattern: str, path: str, expected: bool) -> None:
    assert PatternSet([pattern]).matches(path) is expected


SEVERAL = [
    (["*.go", "!f.go"], "f.go", False),
    (["!f.go", "*.go"], "f.go", True),
    (["docs", "!docs/README.md"], "docs/README.md", False),
    (["docs", "!docs/README.md"], "docs/other.md", True),
    (["docs/", "!docs/README.md"], "docs/README.md", False),
    (["docs/*", "!docs/README.md"], "docs/README.md", False),
    (["**", "!util/docker/web"], "util/docker/web/foo", False),
    (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
    (["**", "!dist/*.whl"], "dist/x.whl", False),
    (["*", "!src", "src/*.pyc"], "src/a.py", False),
    (["*", "!src", "src/*.pyc"], "src/a.pyc", True),
    (["*", "!src", "src/*.pyc"], "other", True),
    (["a", "!a/b", "a/b/c"], "a/b/c/d", True),
    (["a", "!a/b", "a/b/c"], "a/b/d", False),
    ([], "anything", False),
]


@pytest.mark.parametrize(("patterns", "path", "expected"), SEVERAL)
def test_the_last_pattern_that_matches_wins(patterns: list[str], path: str, expected: bool) -> None:
    assert PatternSet(patterns).matches(path) is expected


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "[-]", "[x-]", "[-x]", "[a-b-c]", "[]a]", "[^", "[^bc", "!", "\\"]
)
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Misuse):
        PatternSet([pattern])


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("abc", "abc", True),
        ("*c", "abc", True),
        ("a*b*c*d*e*", "axbxcxdxexxx", True),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("[\\]a]", "]", True),
        ("[\\-]", "-", True),
        ("[x\\-]", "-", True),
        ("[x\\-]", "z", False),
        ("[a-ζ]*", "\u03b1", True),
        ("*[a-ζ]", "A", False),
        ("**", "abc", True),
    ],
)
def test_globs_are_go_s(pattern: str, name: str, expected: bool) -> None:
    assert (compile_glob(pattern).fullmatch(name) is not None) is expected


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("", "."),
        ("a//b/", "a/b"),
        ("./a", "a"),
        ("a/./b/../c", "a/c"),
        ("//a", "/a"),
        ("../a", "../a"),
        ("/", "/"),
    ],
)
def test_paths_are_cleaned_as_go_does(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned


def test_a_file_s_comments_blanks_and_slashes() -> None:
    text = "\ufeff# comment\n\n /abs/path/ \n  # no comment\n! spaced \n!/neg\n./rel\n/\r\n"
    assert list(iter_patterns(text)) == ["abs/path", "# no comment", "!spaced", "!neg", "rel", "/"]


def test_the_dockerfile_s_own_ignore_file_comes_first() -> None:
    assert ignore_file_names("docker/Dev.Dockerfile")[0] == "docker/Dev.Dockerfile.dockerignore"


SEED = """*.pyc
*.pyo
*.mo
*.db
*.css.map
*.egg-info
*.sql.gz
.cache
.project
.idea
.pydevproject
.idea/workspace.xml
.DS_Store
.git/
.sass-cache
.vagrant/
__pycache__
dist
docs
env
logs
src/{{ project_name }}/settings/local.py
src/node_modules
web/media
web/static/CACHE
stats
Dockerfile
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("manage.py", False),
        ("a.pyc", True),
        ("app/a.pyc", False),
        ("__pycache__/x.pyc", True),
        ("app/__pycache__", False),
        ("Dockerfile", True),
        ("app/Dockerfile", False),
        (".git/config", True),
        (".gitignore", False),
        ("src/{{ project_name }}/settings/local.py", True),
        ("src/{{ project_name }}/settings/base.py", False),
        ("src/mysite/settings/local.py", False),
        ("db.sqlite3", False),
        ("x.db", True),
        ("web/media/a/b.png", True),
        ("web/static/app.css", False),
        ("dump.sql.gz", True),
        ("environment", False),
        ("requirements.txt", False),
    ],
)
def test_the_seed_s_file(path: str, expected: bool) -> None:
    assert parse_dockerignore(SEED).matches(path) is expected


def test_what_may_lie_below_an_excluded_folder() -> None:
    patterns = PatternSet(["a", "b", "!a/keep/me"])
    assert patterns.may_except_below("a")
    assert patterns.may_except_below("a/keep")
    assert not patterns.may_except_below("b")
    assert PatternSet(["a", "!**/keep"]).may_except_below("a")
    assert not PatternSet(["a"]).may_except_below("a")


_PIECES = st.sampled_from(["a", "b", "*", "?", "**", "a*", "[ab]", "x.y"])
_PATTERNS = st.lists(
    st.tuples(st.sampled_from(["", "!"]), st.lists(_PIECES, min_size=1, max_size=3)).map(
        lambda pair: pair[0] + "/".join(pair[1])
    ),
    max_size=5,
)
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "x.y", "c"]), min_size=1, max_size=4)


@given(_PATTERNS, _PATHS)
@example(["x.y/a", "!x.y"], ["x.y", "a"])
def test_walking_down_agrees_with_moby_s_matcher(patterns: list[str], parts: list[str]) -> None:
    """moby does not try an exception on a folder that nothing has matched, and so does not remember it below."""
    found = PatternSet(patterns)
    inherited = [False] * len(found.patterns)
    matched = False
    for count in range(len(parts)):
        path = "/".join(parts[: count + 1])
        matched = False
        for index, pattern in enumerate(found.patterns):
            if not inherited[index] and pattern.is_exception == matched:
                inherited[index] = pattern.regex.fullmatch(path) is not None
            if inherited[index]:
                matched = not pattern.is_exception
    assert found.matches("/".join(parts)) is matched
