# SPDX-License-Identifier: Apache-2.0
"""The `sampan` command: global flags, finding the command, and what an error becomes.

Exit statuses are docker's: 125 for flags that cannot be read (and for what `run` could not do), 1 for other
failures, 130 after Ctrl-C, and whatever a command itself gives. Start-up time counts: this module and those
it imports stay clear of everything that `tests/arch/test_startup_imports.py` lists.
"""

from __future__ import annotations

import os
import sys
from _signal import (  # type: ignore[import-not-found] # `signal` itself loads enum
    SIG_DFL,
    SIGPIPE,
    signal,
)

from sampan.cli.command import Exit, UsageError
from sampan.cli.context import Context
from sampan.cli.flags import FlagError, parse_flags, several, switch, text
from sampan.cli.output import Output
from sampan.errors import SampanError
from sampan.paths import Roots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from sampan.cli.command import Command
    from sampan.cli.options import Options

PROGRAM = "sampan"
FLAG_ERROR = 125
INTERRUPTED = 130

GLOBAL_FLAGS = (
    text("config", "Location of client config files"),
    text("context", "Name of the context to use; accepted for docker's sake", short="c"),
    text("data-root", "Directory of images, containers and volumes (overrides SAMPAN_DATA_ROOT)"),
    switch("debug", "Enable debug mode", short="D"),
    several("host", "Engine socket to connect to", short="H"),
    text(
        "log-level",
        'Set the logging level ("debug", "info", "warn", "error", "fatal")',
        short="l",
        default="info",
    ),
    text("run-root", "Directory of the engine's socket and running state (overrides SAMPAN_RUN_ROOT)"),
    switch("version", "Print version information and quit", short="v"),
)


def console() -> NoReturn:
    """The program `sampan`: as `main`, and ends at once.

    Python's own end frees every object one by one, milliseconds for nothing: output has been written by then.
    """
    os._exit(main())


def main(argv: list[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    signal(SIGPIPE, SIG_DFL)  # `sampan logs x | head` ends as any other program of a pipe does
    out = Output(PROGRAM)
    try:
        status = run(sys.argv[1:] if argv is None else argv, out)
        out.flush()
    except KeyboardInterrupt:
        out.flush()
        return INTERRUPTED
    return status


def run(words: list[str], out: Output) -> int:
    """As `main`, without process-wide settings; errors are said on `out`."""
    try:
        options, rest = parse_flags(GLOBAL_FLAGS, words, interspersed=False)
    except FlagError as error:
        return _refuse_flags(out, error, "Usage:  sampan [OPTIONS] COMMAND [ARG...]", "")
    if options.switch("version"):
        return _say_version(out)
    if not rest or options.switch("help") or rest == ["help"]:
        return _say_help(out)
    if rest[0] == "help":
        rest = [*rest[1:], "--help"]
    return _dispatch(_context(options, out), rest)


def _context(options: Options, out: Output) -> Context:
    roots = Roots.from_environment(
        os.environ,
        data_root=options.text("data-root") or None,
        run_root=options.text("run-root") or None,
    )
    hosts = options.several("host")
    return Context(
        environ=os.environ,
        out=out,
        roots=roots,
        host=hosts[-1] if hosts else "",
        debug=options.switch("debug"),
    )


def _say_version(out: Output) -> int:
    from sampan import __version__

    out.line(f"Sampan version {__version__}")
    return 0


def _say_help(out: Output) -> int:
    from sampan.cli.usage import format_help

    out.line(format_help(GLOBAL_FLAGS, program=PROGRAM, width=out.width))
    return 0


def _dispatch(context: Context, words: list[str]) -> int:
    from sampan.cli.catalogue import COMMANDS, GROUPS

    name, rest = words[0], words[1:]
    if name == "compose":
        from sampan.cli.compose import take_project_flags

        try:
            rest = take_project_flags(context, rest)
        except FlagError as error:
            return _refuse_flags(context.out, error, f"Usage:  {PROGRAM} compose [OPTIONS] COMMAND", name)
    while name in GROUPS:
        if not rest or rest[0] in ("--help", "-h"):
            return _say_group_help(context.out, name)
        name, rest = f"{name} {rest[0]}", rest[1:]
    entry = COMMANDS.get(name)
    if entry is None:
        return _refuse_command(context.out, name)
    context.invoked = name
    try:
        return run_command(entry.load(), context, rest)
    finally:
        context.close()


def _say_group_help(out: Output, group: str) -> int:
    from sampan.cli.compose_flags import PROJECT_FLAGS
    from sampan.cli.usage import format_group_help

    flags = PROJECT_FLAGS if group == "compose" else ()
    out.line(format_group_help(group, program=PROGRAM, flags=flags, width=out.width))
    return 0


def _refuse_command(out: Output, name: str) -> int:
    from sampan.cli.catalogue import nearest_command

    group, _, word = name.rpartition(" ")
    near = nearest_command(word, group)
    out.complain(f"unknown command: {PROGRAM} {name}", f"did you mean '{near}'?" if near else None)
    out.note(f"\nRun '{PROGRAM} {group + ' ' if group else ''}--help' for more information")
    return 1


def run_command(command: Command, context: Context, words: list[str]) -> int:
    """Parse the command's own words and run it; expected errors become a complaint and a status."""
    out, name = context.out, context.invoked
    try:
        options, arguments = parse_flags(command.flags, words, interspersed=command.interspersed)
        if options.switch("help"):
            return _say_command_help(command, out, name)
        command.check_arguments(f"{PROGRAM} {name}", len(arguments))
        return command.run(context, options, arguments)
    except FlagError as error:
        return _refuse_flags(out, error, _usage_line(command, name), name)
    except UsageError as error:
        out.complain(error.message)
        out.note(f"\n{_usage_line(command, name)}\n\nSee '{PROGRAM} {name} --help' for more information")
        return 1
    except Exit as end:
        if end.message:
            out.complain(end.message, end.hint)
        return end.status
    except SampanError as error:
        return _fail(context, error, command.failure)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(context, SampanError(where + (error.strerror or str(error)).lower()), command.failure)


def _fail(context: Context, error: SampanError, status: int) -> int:
    context.out.complain(error.message, error.hint)
    if context.debug:
        from traceback import format_exc

        context.out.note(format_exc())
    return status


def _say_command_help(command: Command, out: Output, name: str) -> int:
    from sampan.cli.usage import format_command_help

    out.line(format_command_help(command, name, program=PROGRAM, width=out.width))
    return 0


def _usage_line(command: Command, name: str) -> str:
    from sampan.cli.usage import format_usage_line

    return format_usage_line(command, name, program=PROGRAM)


def _refuse_flags(out: Output, error: FlagError, usage: str, name: str) -> int:
    out.complain(error.message)
    words = f"{PROGRAM} {name} --help" if name else f"{PROGRAM} --help"
    out.note(f"\n{usage}\n\nRun '{words}' for more information")
    return FLAG_ERROR


if __name__ == "__main__":
    console()
