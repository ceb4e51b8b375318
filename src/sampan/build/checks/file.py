# SPDX-License-Identifier: Apache-2.0
"""Checks of the file as text: casing, comments, formats that are kept for old files' sake."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sampan.build.checks import rules
from sampan.build.checks.rules import Finding
from sampan.build.dockerfile import instructions as ins
from sampan.build.dockerfile.location import Location
from sampan.build.dockerfile.words import split_instruction, split_spaces, split_words

_EMPTY_CONTINUATION = "empty continuation line"
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(r"(?:_|^)public(?:_|$)", re.IGNORECASE)
_MAPPING = re.compile(r"[^$]*:[^/]*")


def check_file(file: ins.Dockerfile) -> Iterator[Finding]:
    """Everything that one line, or the file's lines together, show."""
    yield from _empty_continuations(file)
    yield from _casing(file.instructions)
    for line in file.instructions:
        yield from _line(line, file.escape)
        yield from _description(line, file.source.text)


def _empty_continuations(file: ins.Dockerfile) -> Iterator[Finding]:
    for text, location in file.warnings:
        if text == _EMPTY_CONTINUATION:
            yield rules.NO_EMPTY_CONTINUATION.finding(location)


def _casing(lines: tuple[ins.Instruction, ...]) -> Iterator[Finding]:
    """Every word against the majority of those that are written in one case."""
    words = [(split_instruction(line.original)[0], line.location) for line in lines]
    lower = sum(word.islower() for word, _ in words)
    upper = sum(word.isupper() for word, _ in words)
    wanted = "lowercase" if lower > upper else "uppercase"
    for word, location in words:
        if word != (word.lower() if lower > upper else word.upper()):
            yield rules.CONSISTENT_INSTRUCTION_CASING.finding(location, word, wanted)


def _line(line: ins.Instruction, escape: str) -> Iterator[Finding]:
    match line:
        case ins.Maintainer():
            yield rules.MAINTAINER_DEPRECATED.finding(line.location)
        case ins.From():
            yield from _from_words(line)
        case ins.Expose():
            yield from _exposed(line)
        case ins.Arg():
            yield from _secrets("ARG", [name for name, _ in line.pairs], line.location)
        case ins.Env() | ins.Label():
            if isinstance(line, ins.Env):
                yield from _secrets("ENV", [name for name, _ in line.pairs], line.location)
            if "=" not in split_words(split_instruction(line.original)[2], escape)[0]:
                yield rules.LEGACY_KEY_VALUE_FORMAT.finding(line.location, line.name)
        case _:
            pass


def _from_words(line: ins.From) -> Iterator[Finding]:
    word, _, rest = split_instruction(line.original)
    words = split_spaces(rest)
    if len(words) != 3:
        return
    _, keyword, name = words
    if word.isupper() != keyword.isupper() or word.islower() != keyword.islower():
        yield rules.FROM_AS_CASING.finding(line.location, keyword, word)
    if name != name.lower():
        yield rules.STAGE_NAME_CASING.finding(line.location, name)


def _exposed(line: ins.Expose) -> Iterator[Finding]:
    for port in line.ports:
        number, _, protocol = port.partition("/")
        if protocol != protocol.lower() and "$" not in protocol:
            yield rules.EXPOSE_PROTO_CASING.finding(line.location, port)
        if _MAPPING.fullmatch(number):
            yield rules.EXPOSE_INVALID_FORMAT.finding(line.location, port)


def _secrets(instruction: str, names: list[str], location: Location) -> Iterator[Finding]:
    for name in names:
        if _SECRET.search(name) and not _NOT_SECRET.search(name):
            yield rules.SECRETS_USED_IN_ARG_OR_ENV.finding(location, instruction, name)


def _description(line: ins.Instruction, text: str) -> Iterator[Finding]:
    """The comment right above a named stage or an argument is its description, and begins with its name."""
    match line:
        case ins.From() if line.stage_name:
            names = [split_spaces(split_instruction(line.original)[2])[2]]
        case ins.Arg():
            names = [name for name, _ in line.pairs]
        case _:
            return
    comment = _comment_above(text, line.location.start)
    if comment and comment.split(" ", 1)[0] not in names:
        example = names[0] if len(names) == 1 else "<arg_key>"
        yield rules.INVALID_DEFINITION_DESCRIPTION.finding(line.location, line.name, example)


def _comment_above(text: str, line: int) -> str:
    lines = text.split("\n")[: line - 1]
    above = lines[-1].strip() if lines else ""
    if not above.startswith("#") or re.match(r"#\s*(?:syntax|escape|check)\s*=", above, re.IGNORECASE):
        return ""
    return above[1:].strip()
