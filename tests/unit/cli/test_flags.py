# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.cli.flags import FlagError, number, parse_flags, several, switch, text

FLAGS = (
    switch("detach", "", short="d"),
    switch("interactive", "", short="i"),
    switch("sig-proxy", "", default=True),
    switch("tty", "", short="t"),
    text("name", "", default="none"),
    text("user", "", short="u", also=("as",)),
    number("timeout", "", short="T", default=10),
    several("publish", "", short="p"),
    several("dns", "", commas=True),
)


def _parse(*words: str, interspersed: bool = True):  # type: ignore[no-untyped-def]
    return parse_flags(FLAGS, words, interspersed=interspersed)


def test_defaults_hold_when_nothing_is_given() -> None:
    options, arguments = _parse("a", "b")
    assert arguments == ["a", "b"]
    assert not options.switch("detach")
    assert options.switch("sig-proxy")
    assert options.text("name") == "none"
    assert options.number("timeout") == 10
    assert options.several("publish") == []
    assert not options.given("name")


@pytest.mark.parametrize(
    "words",
    [("-p8000:80",), ("-p", "8000:80"), ("-p=8000:80",), ("--publish", "8000:80"), ("--publish=8000:80",)],
)
def test_every_way_to_give_a_value(words: tuple[str, ...]) -> None:
    options, arguments = _parse(*words, "image")
    assert options.several("publish") == ["8000:80"]
    assert options.given("publish")
    assert arguments == ["image"]


def test_clusters_of_switches() -> None:
    options, _ = _parse("-itd")
    assert all(options.switch(name) for name in ("interactive", "tty", "detach"))


def test_a_value_may_end_a_cluster() -> None:
    options, _ = _parse("-itu1000", "-dT=3")
    assert options.text("user") == "1000"
    assert options.number("timeout") == 3


def test_switches_can_be_turned_off() -> None:
    options, _ = _parse("--sig-proxy=false", "-d=0", "-t=T")
    assert not options.switch("sig-proxy")
    assert not options.switch("detach")
    assert options.switch("tty")


def test_a_switch_does_not_take_the_next_word() -> None:
    assert _parse("--detach", "false")[1] == ["false"]


def test_repeated_values_add_up_and_commas_split_where_declared() -> None:
    options, _ = _parse("-p", "1", "--publish=2,3", "--dns", "a,b", "--dns=c", "--name=x", "--name=y")
    assert options.several("publish") == ["1", "2,3"]
    assert options.several("dns") == ["a", "b", "c"]
    assert options.text("name") == "y"


def test_flags_may_follow_arguments_unless_words_are_handed_on() -> None:
    assert _parse("image", "-d")[0].switch("detach")
    options, arguments = _parse("-i", "image", "sh", "-d", "--bad", interspersed=False)
    assert arguments == ["image", "sh", "-d", "--bad"]
    assert not options.switch("detach")


def test_two_dashes_end_the_flags() -> None:
    assert _parse("-d", "--", "-i", "--name")[1] == ["-i", "--name"]


def test_one_dash_is_an_argument() -> None:
    assert _parse("-")[1] == ["-"]


def test_empty_values_are_values() -> None:
    options, _ = _parse("--name=", "-u", "")
    assert options.text("name") == ""
    assert options.given("user")


def test_older_names_are_accepted() -> None:
    assert _parse("--as", "me")[0].text("user") == "me"


def test_help_is_always_there() -> None:
    assert _parse("--help")[0].switch("help")
    assert _parse("-h")[0].switch("help")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--foo",), "unknown flag: --foo"),
        (("--foo=1",), "unknown flag: --foo"),
        (("-iZ",), "unknown shorthand flag: 'Z' in -Z"),
        (("--name",), "flag needs an argument: --name"),
        (("-iu",), "flag needs an argument: 'u' in -u"),
        (("--=x",), "bad flag syntax: --=x"),
        (("---x",), "bad flag syntax: ---x"),
        (
            ("-T", "x"),
            'invalid argument "x" for "-T, --timeout" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            ("--detach=foo",),
            'invalid argument "foo" for "-d, --detach" flag: strconv.ParseBool: parsing "foo": invalid syntax',
        ),
    ],
)
def test_errors_are_worded_as_pflags(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(FlagError) as raised:
        _parse(*words)
    assert raised.value.message == message


def test_parsing_never_changes_the_defaults() -> None:
    _parse("-p", "1")
    assert _parse()[0].several("publish") == []


def test_reading_a_flag_as_something_else_is_a_mistake_of_the_program() -> None:
    options, _ = _parse()
    with pytest.raises(TypeError):
        options.text("detach")
    with pytest.raises(TypeError):
        options.number("detach")
    with pytest.raises(KeyError):
        options.switch("nonsense")


def test_a_value_may_be_implied_by_the_flag_alone() -> None:
    flags = [text("again", "…", implied="yes")]
    assert parse_flags(flags, ["--again", "word"])[0].text("again") == "yes"
    assert parse_flags(flags, ["--again", "word"])[1] == ["word"]
    assert parse_flags(flags, ["--again=no"])[0].text("again") == "no"
    assert parse_flags(flags, [])[0].text("again") == ""
