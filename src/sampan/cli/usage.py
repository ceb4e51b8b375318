# SPDX-License-Identifier: Apache-2.0
"""Help texts, laid out as docker's: usage, summary, aliases, and flags wrapped as pflag wraps them."""

from __future__ import annotations

from sampan.cli.catalogue import COMMANDS, GROUPS, SECTIONS, names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sampan.cli.command import Command
    from sampan.cli.flags import Flag

_NAME_WIDTH = 11
_LEAST_WRAP = 24
_BLOCK_INDENT = 16
_SLOP = 5  # a last word may stand over a little rather than alone on a line


def format_command_help(command: Command, name: str, *, program: str, width: int) -> str:
    """The answer to ``sampan NAME --help``."""
    parts = [format_usage_line(command, name, program=program), "", command.summary]
    if command.description:
        parts += ["", command.description]
    if len(command.names) > 1:
        parts += ["", "Aliases:", "  " + ", ".join(f"{program} {other}" for other in command.names)]
    shown = format_flags(command.flags, width=width)
    if shown:
        parts += ["", "Options:", shown]
    return "\n".join(parts)


def format_usage_line(command: Command, name: str, *, program: str) -> str:
    """``Usage:  sampan rm [OPTIONS] CONTAINER [CONTAINER...]``; a second form comes on a line of its own."""
    forms = command.usage.split("\n")
    first, *others = (f"{program} {name} {form}".rstrip() for form in forms)
    return "\n".join(["Usage:  " + first, *("\t" + other for other in others)])


def format_group_help(group: str, *, program: str, flags: Sequence[Flag] = (), width: int = 80) -> str:
    """The answer to ``sampan container`` and the like; `flags` are those that stand before the command."""
    inside = ((name, f"{group} {name}") for name in names_in(group))
    rows = [(name, _summary(full)) for name, full in inside if full in GROUPS or not COMMANDS[full].alias]
    return "\n".join(
        [
            f"Usage:  {program} {group} {'[OPTIONS] ' if flags else ''}COMMAND",
            "",
            GROUPS[group],
            "",
            *(["Options:", format_flags(flags, width=width), ""] if flags else []),
            "Commands:",
            *_rows(rows),
            "",
            f"Run '{program} {group} COMMAND --help' for more information on a command.",
        ]
    )


def format_help(flags: Sequence[Flag], *, program: str, width: int) -> str:
    """The answer to ``sampan --help``."""
    parts = [
        f"Usage:  {program} [OPTIONS] COMMAND",
        "",
        "Build, share and run containers: Docker's commands as one Python package",
    ]
    for title, names in SECTIONS.items():
        parts += ["", title + ":", *_rows((name, _summary(name)) for name in names)]
    parts += ["", "Global Options:", format_flags(flags, width=width), ""]
    parts.append(f"Run '{program} COMMAND --help' for more information on a command.")
    return "\n".join(parts)


def _summary(name: str) -> str:
    return GROUPS[name] if name in GROUPS else COMMANDS[name].summary


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"  {name:<{_NAME_WIDTH}} {summary}" for name, summary in rows]


def format_flags(flags: Iterable[Flag], *, width: int) -> str:
    """The table of flags; help texts begin in one column and wrap at `width`."""
    shown = sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name)
    if not shown:
        return ""
    heads = [_head(flag) for flag in shown]
    column = max(map(len, heads)) + 3
    lines = (
        head.ljust(column) + wrap_text(_help_text(flag), indent=column, width=width - 1)
        for head, flag in zip(heads, shown, strict=True)
    )
    return "\n".join(lines)


def _head(flag: Flag) -> str:
    start = f"  -{flag.short}, --" if flag.short else "      --"
    return f"{start}{flag.name} {flag.shows}".rstrip()


def _help_text(flag: Flag) -> str:
    return flag.about + _default_text(flag)


def _default_text(flag: Flag) -> str:
    if flag.shows_default:
        return f" (default {flag.shows_default})"
    if flag.repeats or not flag.default:
        return ""
    shown = f'"{flag.default}"' if flag.kind == "string" else str(flag.default).lower()
    return f" (default {shown})"


def wrap_text(text: str, *, indent: int, width: int) -> str:
    """`text` broken at spaces to fit between `indent` and `width`; line breaks in it stay."""
    start = ""
    if width - indent < _LEAST_WRAP:
        indent = _BLOCK_INDENT
        start = "\n" + " " * indent
    if width - indent < _LEAST_WRAP:
        return text
    margin = "\n" + " " * indent
    lines = []
    while True:
        line, text = _split_line(width - indent - _SLOP, text)
        lines.append(line.replace("\n", margin))
        if not text:
            return start + margin.join(lines)


def _split_line(limit: int, text: str) -> tuple[str, str]:
    if limit + _SLOP > len(text):
        return text, ""
    window = text[:limit]
    space = max(window.rfind(character) for character in " \t\n")
    if space <= 0:
        return text, ""
    newline = window.rfind("\n")
    cut = newline if 0 < newline < space else space
    return text[:cut], text[cut + 1 :]
