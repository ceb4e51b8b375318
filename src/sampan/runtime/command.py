# SPDX-License-Identifier: Apache-2.0
"""`sampan-runtime`: runc's command line, so that whatever drives runc can drive this runtime.

Options may stand where runc takes them: the global ones before the command, the command's own after it.
Errors go to standard error, and to `--log` in the form that containerd reads there. What runc has and this
has not (checkpoint, restore, events, update, systemd's cgroup driver) is an unknown command or option.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from sampan.errors import SampanError
from sampan.linux import process
from sampan.runtime import actions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_ROOT = "/run/sampan-runtime"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"create", "run", "exec"} & set(arguments):
        environment = dict(os.environ)
        process.reexec_from_sealed_memfd(["-m", "sampan.runtime.command", *arguments], environment)
    options = parser().parse_args(arguments)
    try:
        code: int = options.action(options) or 0
    except (SampanError, OSError, KeyError, ValueError) as error:
        report(options, error)
        return getattr(error, "exit_code", 1) if options.command in ("run", "exec") else 1
    return code


def report(options: argparse.Namespace, error: Exception) -> None:
    """Say what went wrong where the caller looks for it."""
    message = f"config.json: missing {error}" if isinstance(error, KeyError) else str(error)
    hint = getattr(error, "hint", None)
    sys.stderr.write(f"sampan-runtime: {message}\n" + (f"hint: {hint}\n" if hint else ""))
    if not options.log:
        return
    with open(options.log, "a", encoding="utf-8") as log:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if options.log_format == "json":
            log.write(json.dumps({"level": "error", "msg": message, "time": moment}) + "\n")
        else:
            log.write(f"time={moment} level=error msg={json.dumps(message)}\n")


def parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    top = argparse.ArgumentParser(prog="sampan-runtime", description="run OCI bundles", allow_abbrev=False)
    top.add_argument("--root", default=DEFAULT_ROOT, help="where the state of containers is kept")
    top.add_argument("--log", help="file for errors")
    top.add_argument("--log-format", choices=("text", "json"), default="text")
    top.add_argument("--debug", action="store_true", help="print the plan of each container")
    top.add_argument("-v", "--version", action="version", version=actions.version())
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_makers(commands)
    _add_exec(commands)
    _add_signals(commands)
    _add_queries(commands)
    return top


def _add_makers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, action, text in (
        ("create", actions.create, "make a container, ready to be started"),
        ("run", actions.run, "create and start a container, and wait for it"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(action=action)
        command.add_argument("-b", "--bundle", default=".")
        command.add_argument("--console-socket")
        command.add_argument("--pid-file")
        command.add_argument("--preserve-fds", type=int, default=0)
        if name == "run":
            command.add_argument("-d", "--detach", action="store_true")
            command.add_argument("--keep", action="store_true")
        command.add_argument("id")


def _add_exec(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("exec", help="run a further process in a container")
    command.set_defaults(action=actions.execute)
    command.add_argument("-p", "--process", help="process.json; otherwise COMMAND")
    command.add_argument("-t", "--tty", action="store_true")
    command.add_argument("-d", "--detach", action="store_true")
    command.add_argument("-e", "--env", action="append", default=[])
    command.add_argument("-u", "--user")
    command.add_argument("-g", "--additional-gids", action="append", type=int, default=[])
    command.add_argument("-c", "--cap", action="append", default=[])
    command.add_argument("--cwd")
    command.add_argument("--no-new-privs", action="store_true")
    command.add_argument("--console-socket")
    command.add_argument("--pid-file")
    command.add_argument("--preserve-fds", type=int, default=0)
    command.add_argument("id")
    command.add_argument("args", nargs=argparse.REMAINDER)


def _add_signals(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, action, text in (
        ("start", actions.start, "let a created container's program run"),
        ("pause", actions.pause, "stop all processes of a container"),
        ("resume", actions.resume, "let a paused container go on"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(action=action)
        command.add_argument("id")
    command = commands.add_parser("kill", help="send a signal (SIGTERM) to a container")
    command.set_defaults(action=actions.kill)
    command.add_argument("-a", "--all", action="store_true", help="to all its processes")
    command.add_argument("id")
    command.add_argument("signal", nargs="?", default="SIGTERM")
    command = commands.add_parser("delete", help="remove what a stopped container leaves")
    command.set_defaults(action=actions.delete)
    command.add_argument("-f", "--force", action="store_true", help="kill it first")
    command.add_argument("id")


def _add_queries(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("state", help="print a container's state as JSON")
    command.set_defaults(action=actions.state)
    command.add_argument("id")
    command = commands.add_parser("list", help="list containers")
    command.set_defaults(action=actions.list_all)
    command.add_argument("-f", "--format", choices=("table", "json"), default="table")
    command.add_argument("-q", "--quiet", action="store_true")
    command = commands.add_parser("ps", help="list a container's processes")
    command.set_defaults(action=actions.ps)
    command.add_argument("-f", "--format", choices=("table", "json"), default="table")
    command.add_argument("id")
    command = commands.add_parser("features", help="print what this runtime can do")
    command.set_defaults(action=actions.features)
    command = commands.add_parser("spec", help="write an example config.json")
    command.set_defaults(action=actions.spec)
    command.add_argument("-b", "--bundle", default=".")


if __name__ == "__main__":
    sys.exit(main())
