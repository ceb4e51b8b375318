# SPDX-License-Identifier: Apache-2.0
"""Expansion agrees with a shell where both mean the same, and quick matching with the plain regular expression."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.build.dockerfile.location import Misuse
from sampan.build.expand import Expander
from sampan.build.patterns import PatternSet, _simulate, compile_glob

ENV = {"a": "xyx/y.tar.gz", "b": "", "c": "x*y", "d": "two words"}
SHELLS = [name for name in ("dash", "busybox") if shutil.which(name)]

_NAMES = st.sampled_from(["a", "b", "c", "d", "unset"])
_PLAIN = st.sampled_from(["x", "y", "/", ".", "-", "é", ":", "=", "@", "{"])
_QUOTED = st.sampled_from(
    ["'x $a'", '"x y"', '"\\$a"', "\\$", "\\'", '\\"', "\\\\", '"$a"', '"${b}"', "''", '""']
)
_PATTERN = st.lists(st.sampled_from(["x", "y", "*", "?", ".", "\\*", "\\?"]), max_size=4).map("".join)
_TRIM = st.tuples(_NAMES, st.sampled_from(["#", "##", "%", "%%"]), _PATTERN).map(
    lambda parts: f"${{{parts[0]}{parts[1]}{parts[2]}}}"
)


def _defaulted(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from([":-", "-", ":+", "+"])
    return st.tuples(_NAMES, operators, words).map(lambda parts: f"${{{parts[0]}{parts[1]}{parts[2]}}}")


_SIMPLE = st.one_of(
    _PLAIN, _NAMES.map("${{{}}}".format), _NAMES.map("$".__add__).map("{}.".format), _QUOTED, _TRIM
)
_WORD = st.lists(
    st.one_of(
        _SIMPLE,
        _defaulted(st.lists(st.sampled_from(["x", "y", "$a", "${b}", "'q'"]), max_size=3).map("".join)),
    ),
    max_size=6,
).map("".join)


def ask_shell(shell: str, words: list[str]) -> list[str]:
    """Each word as an assignment sees it: expanded, neither split nor matched with files."""
    script = "".join(f"v={word}\nprintf '%s\\0' \"$v\"\n" for word in words)
    argv = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*argv, "-c", script],
        env={**ENV, "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
        timeout=20,
    )
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(_WORD, min_size=1, max_size=12))
def test_a_word_expands_as_in_a_shell(shell: str, words: list[str]) -> None:
    assert [Expander().word(word, ENV) for word in words] == ask_shell(shell, words)


def _naive(pieces: list[str], *, greedy: bool) -> str:
    return "".join((".*" if greedy else ".*?") if piece == "*" else re.escape(piece) for piece in pieces)


def _replaced(regex: re.Pattern[str], value: str, *, count: int) -> str:
    """Go, unlike Python, sees no empty match at the end of another."""
    ends: set[int] = set()

    def put(match: re.Match[str]) -> str:
        is_empty = match.start() == match.end() and match.end() in ends
        ends.add(match.end())
        return "" if is_empty else "-"

    return regex.sub(put, value, count=count)


@given(
    st.text(alphabet="aab", max_size=12),
    st.sampled_from(["#", "##", "%", "%%", "/", "//"]),
    st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=6),
)
def test_stars_cut_and_replace_as_if_all_ways_had_been_tried(
    value: str, operator: str, pieces: list[str]
) -> None:
    greedy = operator in ("##", "%%", "/", "//")
    regex = re.compile(_naive(pieces, greedy=greedy), re.DOTALL)
    if operator.startswith("/"):
        expected = _replaced(regex, value, count=0 if operator == "//" else 1)
        text = f"${{V{operator}{''.join(pieces)}/-}}"
    elif operator.startswith("#"):
        found = regex.match(value)
        expected = value[found.end() :] if found else value
        text = f"${{V{operator}{''.join(pieces)}}}"
    else:
        starts = range(len(value) + 1) if greedy else range(len(value), -1, -1)
        whole = next((start for start in starts if regex.fullmatch(value, start)), None)
        expected = value if whole is None else value[:whole]
        text = f"${{V{operator}{''.join(pieces)}}}"
    assert Expander().word(text, {"V": value}) == expected


_PIECES = st.sampled_from(["a", "b", "*", "?", "**", "/", "[ab]", "."])


@given(st.lists(_PIECES, min_size=1, max_size=8).map("".join), st.text(alphabet="ab/.", max_size=14))
def test_all_ways_at_once_are_all_ways(text: str, path: str) -> None:
    for pattern in PatternSet([text]).patterns:
        assert _simulate(pattern.pieces, path) == (pattern.regex.fullmatch(path) is not None)


@given(
    st.lists(st.sampled_from(["a", "b", "*", "?"]), min_size=1, max_size=9).map("".join),
    st.text(alphabet="ab", max_size=12),
)
def test_a_glob_matches_as_if_all_ways_had_been_tried(text: str, name: str) -> None:
    naive = "".join({"*": ".*", "?": "."}.get(char, char) for char in text)
    assert (compile_glob(text).fullmatch(name) is None) == (re.fullmatch(naive, name, re.DOTALL) is None)


@pytest.mark.parametrize(
    "pattern", ["**/a/" * 30 + "x", "*a" * 30 + "x", "a**" * 30 + "x", "**/*a" * 20 + "x"]
)
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    assert not PatternSet([pattern]).matches("a/" * 20 + "a" * 250 + "b")
    assert Expander().word(f"${{V##{pattern}}}", {"V": "a/" * 2000}) == "a/" * 2000
    if "/" not in pattern:
        assert compile_glob(pattern).fullmatch("a" * 255) is None


@given(st.text(alphabet="ab*?[]^-!\\/.# \t\n", max_size=30), st.text(alphabet="ab/.", max_size=10))
def test_any_ignore_file_is_read_or_refused(text: str, path: str) -> None:
    with contextlib.suppress(Misuse):
        PatternSet(text.split("\n")).matches(path)
