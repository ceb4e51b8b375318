# SPDX-License-Identifier: Apache-2.0
"""Logical lines to instructions.

Implements: the Dockerfile reference's instruction formats, with BuildKit's checks.
Holds: what comes out is well-formed, but nothing in it is expanded; nothing outside the text was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.duration import parse_duration_ns
from sampan.build.dockerfile.flags import Flags
from sampan.build.dockerfile.heredoc import Heredoc, heredoc_at
from sampan.build.dockerfile.lexer import LogicalLine, lex_dockerfile
from sampan.build.dockerfile.location import DockerfileError, Location, Misuse, Source
from sampan.build.dockerfile.mounts import parse_mount
from sampan.build.dockerfile.nearest import suggest
from sampan.build.dockerfile.words import (
    parse_json_list,
    split_instruction,
    split_pairs,
    split_spaces,
    split_words,
)

_NO_TEXT = re.compile("[\ud800-\udfff]")
_WORDS_FOR_PEOPLE = ("LABEL", "MAINTAINER")  # what is no text in them becomes U+FFFD, as in Docker
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*\Z")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)
_MINIMUM_INTERVAL_NS = 1_000_000


def parse_dockerfile(text: str, *, name: str = "Dockerfile") -> ins.Dockerfile:
    """The instructions of a Dockerfile; DockerfileError names the first line that is wrong."""
    source = Source(name, text)
    lexed = lex_dockerfile(source)
    parsed = []
    for line in lexed.lines:
        try:
            parsed.append(_parse_line(line, lexed.escape))
        except Misuse as error:
            raise DockerfileError(error.reason, source=source, location=line.location) from None
    return ins.Dockerfile(source, tuple(parsed), lexed.escape, lexed.directives, lexed.warnings)


def parse_trigger(text: str, *, escape: str = "\\") -> ins.Instruction:
    """One ONBUILD trigger of a base image, which has no file that one could point at."""
    prefix = "# escape=`\n" if escape == "`" else ""
    parsed = parse_dockerfile(prefix + text, name="ONBUILD").instructions
    if len(parsed) != 1:
        raise Misuse("onbuild trigger should be a single expression")
    return parsed[0]


@dataclass(frozen=True, slots=True)
class _Request:
    """One line, cut into name, flags and the rest."""

    name: str
    rest: str
    flags: Flags
    line: LogicalLine
    escape: str

    @property
    def place(self) -> tuple[str, Location]:
        return self.line.text, self.line.location

    def one_argument(self) -> str:
        if not self.rest:
            raise Misuse(f"{self.name} requires exactly one argument")
        return self.rest

    def json_or_spaces(self) -> list[str]:
        listed = parse_json_list(self.rest)
        return split_spaces(self.rest) if listed is None else listed

    def at_least_one(self, words: list[str]) -> tuple[str, ...]:
        if not words:
            raise Misuse(f"{self.name} requires at least one argument")
        return tuple(words)


def _parse_line(line: LogicalLine, escape: str) -> ins.Instruction:
    word, flags, rest = split_instruction(line.text)
    name = word.upper()
    parse = _PARSERS.get(name)
    if parse is None:
        raise Misuse(f"unknown instruction: {word}{suggest(word, _PARSERS)}")
    if name in _WORDS_FOR_PEOPLE and _NO_TEXT.search(line.text):
        return _parse_line(replace(line, text=_NO_TEXT.sub("\ufffd", line.text)), escape)
    documents = () if name in ("COPY", "ADD") else line.heredocs  # what becomes a file may be anything
    if any(_NO_TEXT.search(text) for text in (line.text, *(document.content for document in documents))):
        raise Misuse(f"{name} contains bytes that are not valid UTF-8")
    return parse(_Request(name, rest, Flags(name, flags), line, escape))


def _parse_from(request: _Request) -> ins.From:
    words = split_spaces(request.rest)
    stage_name = ""
    if len(words) == 3 and words[1].lower() == "as":
        stage_name = words[2].lower()
        if not _STAGE_NAME.match(stage_name):
            raise Misuse(
                f'invalid name for build stage: "{words[2]}", '
                "name can't start with a number or contain symbols"
            )
    elif len(words) != 1:
        raise Misuse("FROM requires either one or three arguments")
    return ins.From(*request.place, words[0], stage_name, request.flags.text("platform"))


def _parse_arg(request: _Request) -> ins.Arg:
    pairs: list[tuple[str, str | None]] = []
    for word in request.at_least_one(split_words(request.rest, request.escape)):
        name, found, value = word.partition("=")
        if not name:
            raise Misuse("ARG names can not be blank")
        pairs.append((name, value if found else None))
    return ins.Arg(*request.place, tuple(pairs))


def _pairs(request: _Request) -> ins.Pairs:
    pairs = split_pairs(request.rest, request.escape, request.name)
    if not pairs:
        raise Misuse(f"{request.name} requires at least one argument")
    if any(not name for name, _ in pairs):
        raise Misuse(f"{request.name} names can not be blank")
    return tuple(pairs)


def _transfer_words(request: _Request) -> tuple[tuple[str, ...], tuple[Heredoc, ...], str]:
    """Sources, inline documents and the destination."""
    words = request.json_or_spaces()
    opened = {heredoc.name: heredoc for heredoc in request.line.heredocs}
    sources: list[str] = []
    documents: list[Heredoc] = []
    count = position = 0
    last_is_document = False
    while position < len(words):
        heredoc, used = heredoc_at(words, position)
        last_is_document = heredoc is not None and heredoc.name in opened
        if heredoc is not None and heredoc.name in opened:
            documents.append(opened[heredoc.name])
        else:
            sources.extend(words[position : position + used])
        position += used
        count += 1
    if count < 2:
        raise Misuse(
            f"{request.name} requires at least two arguments, but only {'one' if count else 'none'} "
            "was provided. Destination could not be determined"
        )
    if last_is_document:
        raise Misuse(f"{request.name} cannot accept a heredoc as a destination")
    *rest, destination = sources
    return tuple(rest), tuple(documents), destination


def _parse_copy(request: _Request) -> ins.Copy:
    sources, documents, destination = _transfer_words(request)
    flags = request.flags
    stage = flags.text("from")
    if "$" in stage:
        raise Misuse(
            "variable expansion is not supported for --from, "
            "define a new stage with FROM using ARG from global scope as a workaround"
        )
    return ins.Copy(
        *request.place,
        sources=sources,
        documents=documents,
        destination=destination,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.truth("link")),
        exclude=flags.many("exclude"),
        source_stage=stage,
        parents=bool(flags.truth("parents")),
    )


def _parse_add(request: _Request) -> ins.Add:
    sources, documents, destination = _transfer_words(request)
    flags = request.flags
    return ins.Add(
        *request.place,
        sources=sources,
        documents=documents,
        destination=destination,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.truth("link")),
        exclude=flags.many("exclude"),
        checksum=flags.text("checksum"),
        keep_git_dir=bool(flags.truth("keep-git-dir")),
        unpack=flags.truth("unpack"),
    )


def _command_line(rest: str) -> tuple[tuple[str, ...], bool]:
    listed = parse_json_list(rest)
    if listed is not None:
        return tuple(listed), False
    return ((rest,) if rest else ()), True


def _parse_run(request: _Request) -> ins.Run:
    arguments, is_shell = _command_line(request.rest)
    flags = request.flags
    if flags.many("device"):
        raise Misuse("RUN --device is not supported")
    for mount in flags.many("mount"):
        if "$" not in mount:
            parse_mount(mount)
    network = flags.text("network", "default")
    if network not in ("default", "none", "host"):
        raise Misuse(f'invalid network mode "{network}"{suggest(network, ("default", "none", "host"))}')
    security = flags.text("security", "sandbox")
    if security not in ("sandbox", "insecure"):
        raise Misuse(f"unsupported security mode: {security}{suggest(security, ('sandbox', 'insecure'))}")
    return ins.Run(
        *request.place, arguments, is_shell, request.line.heredocs, flags.many("mount"), network, security
    )


def _parse_shell(request: _Request) -> ins.Shell:
    listed = parse_json_list(request.rest)
    if listed is None and request.rest:
        raise Misuse("SHELL requires the arguments to be in JSON form")
    return ins.Shell(*request.place, request.at_least_one(listed or []))


def _parse_volume(request: _Request) -> ins.Volume:
    paths = request.at_least_one([word.strip() for word in request.json_or_spaces()])
    if not all(paths):
        raise Misuse("VOLUME specified can not be an empty string")
    return ins.Volume(*request.place, paths)


def _parse_healthcheck(request: _Request) -> ins.Healthcheck:
    words = request.rest.split(None, 1)
    kind = request.at_least_one(words)[0].upper()
    rest = words[1] if len(words) > 1 else ""
    if kind == "NONE":
        if rest:
            raise Misuse("HEALTHCHECK NONE takes no arguments")
        return ins.Healthcheck(*request.place, ("NONE",))
    if kind != "CMD":
        raise Misuse(f'unknown type "{words[0]}" in HEALTHCHECK (try CMD)')
    arguments, is_shell = _command_line(rest)
    if not arguments:
        raise Misuse("missing command after HEALTHCHECK CMD")
    return ins.Healthcheck(
        *request.place,
        test=("CMD-SHELL" if is_shell else "CMD", *arguments),
        interval_ns=_interval(request.flags, "interval"),
        timeout_ns=_interval(request.flags, "timeout"),
        start_period_ns=_interval(request.flags, "start-period"),
        start_interval_ns=_interval(request.flags, "start-interval"),
        retries=_retries(request.flags.text("retries")),
    )


def _interval(flags: Flags, name: str) -> int:
    text = flags.text(name)
    value = parse_duration_ns(text) if text else 0
    if value and value < _MINIMUM_INTERVAL_NS:
        raise Misuse(f'interval "{name}" cannot be less than 1ms')
    return value


def _retries(text: str) -> int:
    if not text:
        return 0
    try:
        retries = int(text)
    except ValueError:
        raise Misuse(f"invalid value for --retries: {text}") from None
    if retries < 0:
        raise Misuse(f"--retries cannot be negative ({retries})")
    return retries


def _parse_onbuild(request: _Request) -> ins.Onbuild:
    request.at_least_one(split_spaces(request.rest))
    inner = split_instruction(request.rest)[0].upper()
    if inner == "ONBUILD":
        raise Misuse("chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if inner in ("FROM", "MAINTAINER"):
        raise Misuse(f"{inner} isn't allowed as an ONBUILD trigger")
    # What is wrong with the trigger is said, as by Docker, where it is a line: in the child's stage.
    documents = "".join(f"\n{doc.content}{doc.name}" for doc in request.line.heredocs)
    trigger = _ONBUILD.sub(
        "", request.line.text, count=1
    )  # with the spaces at its end: children inherit what was written
    return ins.Onbuild(*request.place, trigger + documents)


_PARSERS: Mapping[str, Callable[[_Request], ins.Instruction]] = {
    "ADD": _parse_add,
    "ARG": _parse_arg,
    "CMD": lambda request: ins.Cmd(*request.place, *_command_line(request.rest)),
    "COPY": _parse_copy,
    "ENTRYPOINT": lambda request: ins.Entrypoint(*request.place, *_command_line(request.rest)),
    "ENV": lambda request: ins.Env(*request.place, _pairs(request)),
    "EXPOSE": lambda request: ins.Expose(*request.place, request.at_least_one(split_spaces(request.rest))),
    "FROM": _parse_from,
    "HEALTHCHECK": _parse_healthcheck,
    "LABEL": lambda request: ins.Label(*request.place, _pairs(request)),
    "MAINTAINER": lambda request: ins.Maintainer(*request.place, request.one_argument()),
    "ONBUILD": _parse_onbuild,
    "RUN": _parse_run,
    "SHELL": _parse_shell,
    "STOPSIGNAL": lambda request: ins.Stopsignal(*request.place, request.one_argument()),
    "USER": lambda request: ins.User(*request.place, request.one_argument()),
    "VOLUME": _parse_volume,
    "WORKDIR": lambda request: ins.Workdir(*request.place, request.one_argument()),
}
