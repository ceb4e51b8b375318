# SPDX-License-Identifier: Apache-2.0
"""Dockerfile text becomes instructions, or an error that shows the line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.duration import format_duration, parse_duration_ns
from sampan.build.dockerfile.location import DockerfileError, Misuse
from sampan.build.dockerfile.mounts import MountKind, RunMount, Sharing, parse_mount
from sampan.build.dockerfile.nearest import nearest
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.dockerfile.words import split_flags, split_words


def one(text: str) -> ins.Instruction:
    """The instruction after a FROM."""
    return parse_dockerfile("FROM x\n" + text).instructions[1]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("RUN echo hi", ("echo hi",)),
        ("run echo hi", ("echo hi",)),
        ("  RUN   echo  hi  ", ("echo  hi",)),
        ("RUN\techo hi", ("echo hi",)),
        ("RUN a \\\n  b", ("a   b",)),
        ("RUN a \\\n# comment\n\n   # another\n  b", ("a   b",)),
        ("RUN a \\   \nb", ("a b",)),
        ("RUN a\\\nb", ("ab",)),
        ("RUN echo \\\\", ("echo \\\\",)),
        ("RUN a # not a comment", ("a # not a comment",)),
        ("RUN a \\", ("a",)),
        ("\\\nRUN a", ("a",)),
        ("RUN a\r", ("a",)),
        ('RUN ["a", "b c"]', ("a", "b c")),
        ("RUN ['a']", ("['a']",)),
        ('RUN ["a" "b"]', ('["a" "b"]',)),
        ("RUN [ -f x ] && y", ("[ -f x ] && y",)),
        ('RUN ["a",\\\n"b"]', ("a", "b")),
        ("RUN -- --help", ("--help",)),
    ],
)
def test_command_lines(text: str, arguments: tuple[str, ...]) -> None:
    command = one(text)
    assert isinstance(command, ins.Run)
    assert command.arguments == arguments


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV a=1", (("a", "1"),)),
        ("ENV a 1 2  3", (("a", "1 2  3"),)),
        ("ENV a=\"x y\" b='z w'", (("a", '"x y"'), ("b", "'z w'"))),
        ("ENV a=x\\ y b=", (("a", "x\\ y"), ("b", ""))),
        ("ENV a=1 \\\n  b=2", (("a", "1"), ("b", "2"))),
        ("ENV a=b=c", (("a", "b=c"),)),
        ('ENV a=""', (("a", '""'),)),
    ],
)
def test_pairs(text: str, pairs: ins.Pairs) -> None:
    line = one(text)
    assert isinstance(line, ins.Env)
    assert line.pairs == pairs


@pytest.mark.parametrize(
    ("text", "sources", "destination"),
    [
        ("COPY a b", ("a",), "b"),
        ("COPY a b c/", ("a", "b"), "c/"),
        ('COPY ["a b", "c"]', ("a b",), "c"),
        ("COPY --from=x --chown=1:2 a b", ("a",), "b"),
        ("ADD http://x/y /z", ("http://x/y",), "/z"),
    ],
)
def test_transfers(text: str, sources: tuple[str, ...], destination: str) -> None:
    line = one(text)
    assert isinstance(line, ins.Transfer)
    assert (line.sources, line.destination) == (sources, destination)


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("COPY <<a /x\nhi\na\n", [("a", "hi\n", True)]),
        ("COPY <<a <<b /x\n1\na\n2\nb\n", [("a", "1\n", True), ("b", "2\n", True)]),
        ("COPY <<'a' /x\n$h\na", [("a", "$h\n", False)]),
        ('COPY <<"a" /x\n$h\na\n', [("a", "$h\n", False)]),
        ("COPY <<-a /x\n\t\thi\n\ta\n", [("a", "hi\n", True)]),
        ("COPY <<a /x\n# kept\n\n  \\\na\n", [("a", "# kept\n\n  \\\n", True)]),
        ("COPY << a /x\nhi\na\n", [("a", "hi\n", True)]),
        ("COPY <<- a /x\n\thi\na\n", [("a", "hi\n", True)]),
        ("COPY <<a.txt /x\na\r\na.txt\r\n", [("a.txt", "a\r\n", True)]),
    ],
)
def test_inline_documents(text: str, documents: list[tuple[str, str, bool]]) -> None:
    line = one(text)
    assert isinstance(line, ins.Copy)
    assert [(doc.name, doc.text, doc.expand) for doc in line.documents] == documents
    assert line.destination == "/x"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("RUN <<EOF\na\nEOF", 1),
        ("RUN <<EOF cat > /x\na\nEOF", 1),
        ("RUN cat <<A - <<B\n1\nA\n2\nB", 2),
        ("RUN 3<<EOF cat\na\nEOF", 1),
        ("RUN echo '<<EOF'", 0),
        ("RUN cat <<<EOF", 0),
        ("RUN echo a<<EOF", 0),
        ('RUN ["cat", "<<EOF"]', 0),
        ("RUN cat \\<<EOF", 0),
        ("RUN <<-EOF\n\ta\n\tEOF", 1),
    ],
)
def test_documents_of_run(text: str, count: int) -> None:
    line = one(text)
    assert isinstance(line, ins.Run)
    assert len(line.heredocs) == count


def test_an_onbuild_trigger_keeps_its_documents() -> None:
    line = one("ONBUILD RUN <<EOF\necho\nEOF\n")
    assert isinstance(line, ins.Onbuild)
    assert line.trigger == "RUN <<EOF\necho\nEOF"


@pytest.mark.parametrize(
    ("text", "escape", "directives"),
    [
        ("# escape=`\nFROM x", "`", {"escape": "`"}),
        (
            "# syntax=docker/dockerfile:1\n# escape = `\nFROM x",
            "`",
            {"syntax": "docker/dockerfile:1", "escape": "`"},
        ),
        ("# comment\n# escape=`\nFROM x", "\\", {}),
        ("\n# escape=`\nFROM x", "\\", {}),
        ("# check=skip=all\nFROM x", "\\", {"check": "skip=all"}),
        ("# unknown=1\n# escape=`\nFROM x", "\\", {}),
        ("\ufeff#escape=`\nFROM x", "`", {"escape": "`"}),
    ],
)
def test_directives_end_at_the_first_line_that_is_none(
    text: str, escape: str, directives: dict[str, str]
) -> None:
    parsed = parse_dockerfile(text)
    assert (parsed.escape, parsed.directives) == (escape, directives)


def test_the_escape_directive_changes_continuations() -> None:
    parsed = parse_dockerfile("# escape=`\nFROM x\nRUN dir c:\\ `\n  y\n")
    line = parsed.instructions[1]
    assert isinstance(line, ins.Run)
    assert line.arguments == ("dir c:\\   y",)


ERRORS = [
    ("FROM x\nRUNN a", 2, "unknown instruction: RUNN (did you mean RUN?)"),
    ("FORM x", 1, "unknown instruction: FORM (did you mean FROM?)"),
    ("FROM x\nENTRYPONT a", 2, "did you mean ENTRYPOINT?"),
    ("FROM x\nXYZZYX a", 2, "unknown instruction: XYZZYX"),
    ("", 1, "the Dockerfile cannot be empty"),
    ("# only\n\n# comments\n", 3, "file with no instructions"),
    ("FROM", 1, "FROM requires either one or three arguments"),
    ("FROM a b", 1, "FROM requires either one or three arguments"),
    ("FROM a AS 1x", 1, 'invalid name for build stage: "1x"'),
    ("FROM --platfrom=x a", 1, "unknown flag: --platfrom (did you mean platform?)"),
    ("FROM x\nCOPY a", 2, "COPY requires at least two arguments, but only one was provided"),
    ("FROM x\nADD a", 2, "ADD requires at least two arguments"),
    ("FROM x\nCOPY --form=y a b", 2, "unknown flag: --form (did you mean from?)"),
    ("FROM x\nCOPY --from=$V a b", 2, "variable expansion is not supported for --from, define a new stage"),
    ("FROM x\nCOPY --link=maybe a b", 2, "expecting boolean value for flag --link"),
    ("FROM x\nCOPY --chown a b", 2, "missing a value on flag: --chown"),
    ("FROM x\nCOPY --chown=1 --chown=2 a b", 2, "duplicate flag specified: --chown"),
    ("FROM x\nCOPY a <<E\nE\n", 2, "COPY cannot accept a heredoc as a destination"),
    ("FROM x\nRUN <<EOF\na\n", 2, "unterminated heredoc"),
    ('FROM x\nRUN ["a", 1]', 2, "arrays must be comprised of strings only"),
    ("FROM x\nRUN --network=hots a", 2, 'invalid network mode "hots" (did you mean host?)'),
    ("FROM x\nRUN --mount=type=bund,target=/x a", 2, 'unsupported mount type "bund" (did you mean bind?)'),
    ("FROM x\nRUN --mount=tpye=bind a", 2, "unexpected key 'tpye' in 'tpye=bind' (did you mean type?)"),
    ("FROM x\nENV", 2, "ENV requires at least one argument"),
    ("FROM x\nENV a", 2, "ENV must have two arguments"),
    ("FROM x\nENV a=1 b", 2, 'can\'t find = in "b"'),
    ("FROM x\nENV =1", 2, "ENV names can not be blank"),
    ("FROM x\nLABEL a", 2, "LABEL must have two arguments"),
    ("FROM x\nARG", 2, "ARG requires at least one argument"),
    ("FROM x\nARG =x", 2, "ARG names can not be blank"),
    ("FROM x\nWORKDIR", 2, "WORKDIR requires exactly one argument"),
    ("FROM x\nUSER", 2, "USER requires exactly one argument"),
    ("FROM x\nSTOPSIGNAL", 2, "STOPSIGNAL requires exactly one argument"),
    ("FROM x\nEXPOSE", 2, "EXPOSE requires at least one argument"),
    ("FROM x\nVOLUME", 2, "VOLUME requires at least one argument"),
    ('FROM x\nVOLUME [""]', 2, "VOLUME specified can not be an empty string"),
    ("FROM x\nSHELL bash", 2, "SHELL requires the arguments to be in JSON form"),
    ("FROM x\nSHELL []", 2, "SHELL requires at least one argument"),
    ("FROM x\nONBUILD", 2, "ONBUILD requires at least one argument"),
    ("FROM x\nONBUILD ONBUILD RUN a", 2, "chaining ONBUILD"),
    ("FROM x\nONBUILD FROM y", 2, "FROM isn't allowed as an ONBUILD trigger"),
    ("FROM x\nHEALTHCHECK", 2, "HEALTHCHECK requires at least one argument"),
    ("FROM x\nHEALTHCHECK NONE x", 2, "HEALTHCHECK NONE takes no arguments"),
    ("FROM x\nHEALTHCHECK FOO x", 2, 'unknown type "FOO" in HEALTHCHECK (try CMD)'),
    ("FROM x\nHEALTHCHECK CMD", 2, "missing command after HEALTHCHECK CMD"),
    ("FROM x\nHEALTHCHECK --interval=1us CMD a", 2, "cannot be less than 1ms"),
    ("FROM x\nHEALTHCHECK --interval=5 CMD a", 2, "missing unit in duration"),
    ("FROM x\nHEALTHCHECK --retries=-1 CMD a", 2, "--retries cannot be negative"),
    ("# \udcff is fine here\nFROM x\nRUN echo \udcff", 3, "RUN contains bytes that are not valid UTF-8"),
    ("FROM x\nRUN <<E\n\udcff\nE", 2, "RUN contains bytes that are not valid UTF-8"),
    ("# escape=x\nFROM y", 1, "invalid escape token"),
    ("# escape=`\n# escape=`\nFROM y", 2, "only one escape parser directive can be used"),
    ("FROM x\n\n\nRUN a \\\n b \\\n c\nCPOY a b", 7, "did you mean COPY?"),
]


@pytest.mark.parametrize(("text", "line", "reason"), ERRORS)
def test_an_error_names_file_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_dockerfile(text, name="docker/Dockerfile")
    assert str(caught.value).startswith(f"docker/Dockerfile:{line}: ")
    assert reason in str(caught.value)
    assert f"{line:4} | >>>" in caught.value.excerpt


def test_names_of_people_may_be_in_another_encoding() -> None:
    text = b"FROM x\nMAINTAINER Jos\xe9\nLABEL who=Jos\xe9".decode("utf-8", "surrogateescape")
    maintainer, label = parse_dockerfile(text).instructions[1:]
    assert isinstance(maintainer, ins.Maintainer)
    assert maintainer.author == "Jos\ufffd"
    assert isinstance(label, ins.Label)
    assert label.pairs == (("who", "Jos\ufffd"),)


def test_the_excerpt_marks_all_lines_of_an_instruction() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_dockerfile("FROM x\nENV a=1\nRUNN a \\\n  b\nCMD c\n")
    assert caught.value.excerpt == (
        "Dockerfile:3\n--------------------\n   1 |     FROM x\n   2 |     ENV a=1\n   3 | >>> RUNN a \\\n"
        "   4 | >>>   b\n   5 |     CMD c\n--------------------"
    )


def test_an_empty_continuation_line_is_a_warning() -> None:
    parsed = parse_dockerfile("FROM x\nRUN a \\\n\n b")
    assert [(text, place.start) for text, place in parsed.warnings] == [("empty continuation line", 2)]


def test_healthchecks() -> None:
    line = one("HEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --retries=2 CMD curl -f x")
    assert isinstance(line, ins.Healthcheck)
    assert line.test == ("CMD-SHELL", "curl -f x")
    assert (line.interval_ns, line.timeout_ns, line.retries) == (90 * 10**9, 3 * 10**9, 2)
    listed = one('HEALTHCHECK CMD ["a", "b"]')
    assert isinstance(listed, ins.Healthcheck)
    assert listed.test == ("CMD", "a", "b")


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/x", RunMount(target="/x")),
        (
            "type=bind,from=b,source=/s,target=/x,rw",
            RunMount(MountKind.BIND, "b", "/s", "/x", readonly=False),
        ),
        ("type=cache,target=/c", RunMount(MountKind.CACHE, target="/c", readonly=False)),
        (
            "type=cache,id=i,dst=/c,sharing=locked,uid=5,gid=6,mode=0700,ro",
            RunMount(MountKind.CACHE, target="/c", id="i", sharing=Sharing.LOCKED, uid=5, gid=6, mode=0o700),
        ),
        (
            "type=tmpfs,target=/t,size=2m",
            RunMount(MountKind.TMPFS, target="/t", readonly=False, size_bytes=2 << 20),
        ),
        ("type=secret,id=s", RunMount(MountKind.SECRET, id="s")),
        ("type=secret,id=s,env=E,required", RunMount(MountKind.SECRET, id="s", env="E", required=True)),
        ('"target=/a,b"', RunMount(target="/a,b")),
    ],
)
def test_mounts(text: str, mount: RunMount) -> None:
    assert parse_mount(text) == mount


@pytest.mark.parametrize(
    "text",
    [
        "type=bind",
        "type=cache",
        "type=secret",
        "type=secret,from=x,id=y",
        "type=secret,source=a,id=b",
        "type=bind,target=/x,mode=0700",
        "type=bind,target=/x,sharing=locked",
        "type=cache,target=/x,sharing=some",
        "type=cache,target=/x,required",
        "type=bind,target=/x,ro=perhaps",
        "type=bind,target",
        "type=bind,target=/x,from=$y",
        "type=cache,target=/x,mode=9",
    ],
)
def test_contradicting_mounts_are_refused(text: str) -> None:
    with pytest.raises(Misuse):
        parse_mount(text)


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("--a=b c", ["--a=b"], "c"),
        ("--a --b c --d", ["--a", "--b"], "c --d"),
        ('--a="x y" c', ["--a=x y"], "c"),
        ("--a=x\\ y c", ["--a=x y"], "c"),
        ("c --a", [], "c --a"),
        ("-- --a", [], " --a"),
        ("-a b", [], "-a b"),
    ],
)
def test_flags_come_first(text: str, flags: list[str], rest: str) -> None:
    assert split_flags(text) == (flags, rest)


@given(st.lists(st.text(alphabet="abc=$-_/", min_size=1)))
def test_words_without_quotes_are_what_spaces_separate(words: list[str]) -> None:
    assert split_words("  ".join(words), "\\") == words


@given(st.text(alphabet="FROM xRUN\n\\#<E'\"[]{}=-,$ "))
def test_any_text_parses_or_is_refused_with_its_line(text: str) -> None:
    with contextlib.suppress(DockerfileError):
        assert parse_dockerfile(text).instructions


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1s", 10**9),
        ("1h2m3s", 3723 * 10**9),
        ("1.5s", 15 * 10**8),
        ("100ms", 10**8),
        ("0", 0),
        ("-1s", -(10**9)),
    ],
)
def test_durations_are_go_s(text: str, nanoseconds: int) -> None:
    assert parse_duration_ns(text) == nanoseconds


@given(st.integers(min_value=0, max_value=10**15))
def test_a_printed_duration_reads_back(nanoseconds: int) -> None:
    assert parse_duration_ns(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("RUNN", "RUN"), ("CPOY", "COPY"), ("workdri", "WORKDIR"), ("XXXXXX", None), ("EXPSOE", "EXPOSE")],
)
def test_the_nearest_word(wrong: str, right: str | None) -> None:
    assert nearest(wrong, ["RUN", "COPY", "WORKDIR", "EXPOSE", "FROM"]) == right
