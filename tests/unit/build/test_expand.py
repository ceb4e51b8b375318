# SPDX-License-Identifier: Apache-2.0
"""Words expand as BuildKit's shell lexer expands them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.build.dockerfile.location import Misuse
from sampan.build.expand import Expander

ENV = {
    "PWD": "/home",
    "SHELL": "bash",
    "KOREAN": "한국어",
    "NULL": "",
    "V": "foo_bar_baz",
    "P": "/a/b/c.tar.gz",
    "STAR": "a*b*c",
    "X": "x y",
}

WORDS = [
    ("hello", "hello"),
    ("he'll'o", "hello"),
    ("he'llo x'", "hello x"),
    ("he\\'llo", "he'llo"),
    ("abc\\tdef", "abctdef"),
    ("'abc\\tdef'", "abc\\tdef"),
    ('"abc\\tdef"', "abc\\tdef"),
    ('"abc\\"def"', 'abc"def'),
    ('"abc\\\\def"', "abc\\def"),
    ('"abc\\$def"', "abc$def"),
    ("'$PWD'", "$PWD"),
    ('"$PWD"', "/home"),
    ("he\\$PWD", "he$PWD"),
    ("he$PWD", "he/home"),
    ("he$PWD123", "he"),
    ("he${PWD}123", "he/home123"),
    ("he$", "he$"),
    ("he$.", "he$."),
    ("$UNSET", ""),
    ("x$NULL-y", "x-y"),
    ("${KOREAN}!", "한국어!"),
    ("안녕$PWD", "안녕/home"),
    ("$1", ""),
    ("a$1b", "ab"),
    ("a$12b", "ab"),
    ("$@x", "x"),
    ("$$x", "x"),
    ("${V:-w}", "foo_bar_baz"),
    ("${UNSET:-w}", "w"),
    ("${NULL:-w}", "w"),
    ("${NULL-w}", ""),
    ("${UNSET-w}", "w"),
    ("${UNSET:-}", ""),
    ("${UNSET:-$PWD}", "/home"),
    ("${UNSET:-${NULL:-deep}}", "deep"),
    ("${UNSET:-'a}b'}", "a}b"),
    ('${UNSET:-"a b"}', "a b"),
    ("${V:+w}", "w"),
    ("${UNSET:+w}", ""),
    ("${NULL:+w}", ""),
    ("${NULL+w}", "w"),
    ("${UNSET+w}", ""),
    ("${V:?no}", "foo_bar_baz"),
    ("${NULL?no}", ""),
    ("${V#*_}", "bar_baz"),
    ("${V##*_}", "baz"),
    ("${V%_*}", "foo_bar"),
    ("${V%%_*}", "foo"),
    ("${V#zzz}", "foo_bar_baz"),
    ("${V%zzz}", "foo_bar_baz"),
    ("${V#foo}", "_bar_baz"),
    ("${V%baz}", "foo_bar_"),
    ("${V#?oo}", "_bar_baz"),
    ("${P##*/}", "c.tar.gz"),
    ("${P%.*}", "/a/b/c.tar"),
    ("${P%%.*}", "/a/b/c"),
    ("${P#/}", "a/b/c.tar.gz"),
    ("${STAR#a\\*}", "b*c"),
    ("${STAR%\\*c}", "a*b"),
    ("${V/bar/X}", "foo_X_baz"),
    ("${V/b/X}", "foo_Xar_baz"),
    ("${V//b/X}", "foo_Xar_Xaz"),
    ("${V//_/}", "foobarbaz"),
    ("${V/_*/}", "foo"),
    ("${V/zzz/X}", "foo_bar_baz"),
    ("${P/\\/a/}", "/b/c.tar.gz"),
    ("${UNSET/a/b}", ""),
    ("${V/foo/$PWD}", "/home_bar_baz"),
    ("${UNSET#a}", ""),
    ("a\\", "a"),
]


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_a_word_expands(text: str, expected: str) -> None:
    assert Expander().word(text, ENV) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${", "missing '}'"),
        ("${V", "missing '}'|unsupported modifier"),
        ("${}", "bad substitution"),
        ("${{V}}", "bad substitution"),
        ("${:V}", "bad substitution"),
        ("${V:-w", "missing '}'"),
        ("${V/a", "missing '/'"),
        ("${V/a/b", "missing '}'"),
        ("${V^}", "unsupported modifier"),
        ("${V:^x}", "unsupported modifier"),
        ("${V:#x}", "unsupported modifier"),
        ("${UNSET?}", "UNSET: is not allowed to be unset"),
        ("${UNSET:?say why}", "UNSET: say why"),
        ("${NULL:?}", "NULL: is not allowed to be empty"),
        ("${V#a\\b}", "invalid escape"),
        ("'open", "single-quote"),
        ('"open', "double-quote"),
    ],
)
def test_a_bad_word_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(Misuse, match=reason):
        Expander().word(text, ENV)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("  a   b  ", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        ('"$X" d', ["x y", "d"]),
        ("$X d", ["x", "y", "d"]),
        ("a\\ b", ["a b"]),
        ("$NULL", []),
        ("80 $UNSET 81", ["80", "81"]),
    ],
)
def test_words_split_after_expansion(text: str, expected: list[str]) -> None:
    assert Expander().words(text, ENV) == expected


@pytest.mark.parametrize(
    ("rules", "text", "expected"),
    [
        (Expander(escape="`"), "C:\\$PWD`$x", "C:\\/home$x"),
        (Expander(raw_quotes=True), "'a' \"b\"", "'a' \"b\""),
        (Expander(raw_escapes=True), "a\\b", "a\\b"),
        (Expander(keep_unset=True), "$A ${B} ${C:-d} $PWD", "$A ${B} ${C:-d} /home"),
        (Expander(keep_unset=True), "${A#x} ${A/x/y}", "${A#x} ${A/x/y}"),
        (Expander(plain_quotes=True), 'it\'s "$SHELL" \\$x', 'it\'s "bash" $x'),
    ],
)
def test_rules_leave_things_for_the_next_reader(rules: Expander, text: str, expected: str) -> None:
    assert rules.word(text, ENV) == expected


@given(st.text(alphabet=st.characters(exclude_characters="$'\"\\")))
def test_text_without_special_characters_is_itself(text: str) -> None:
    assert Expander().word(text, ENV) == text


@given(st.text())
def test_single_quotes_protect_everything_but_themselves(text: str) -> None:
    plain = text.replace("'", "")
    assert Expander().word(f"'{plain}'", ENV) == plain


@given(st.text(alphabet="ab$V{}:-+?#%/'\"\\ *"))
def test_any_text_expands_or_is_refused(text: str) -> None:
    with contextlib.suppress(Misuse):
        assert isinstance(Expander().word(text, ENV), str)
