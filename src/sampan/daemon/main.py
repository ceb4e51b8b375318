# SPDX-License-Identifier: Apache-2.0
"""Starting an engine: read the command line, lock the roots, then load everything and serve."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sampan.errors import InvalidArgument, SampanError
from sampan.paths import Roots

if TYPE_CHECKING:
    from sampan.daemon.configuration import Configuration


class Options:
    """What the command line said."""

    __slots__ = ("data_root", "debug", "hosts", "ready_fd", "run_root")

    def __init__(self) -> None:
        self.data_root: str | None = None
        self.run_root: str | None = None
        self.hosts: list[str] = []
        self.ready_fd: int | None = None
        self.debug = False


def parse_options(args: list[str]) -> Options:
    """`--data-root D --run-root R --host unix://… --ready-fd N --debug`."""
    options = Options()
    rest = iter(args)
    for arg in rest:
        name, given, value = arg.partition("=")
        if name == "--debug":
            options.debug = True
            continue
        if name not in ("--data-root", "--run-root", "--host", "-H", "--ready-fd"):
            raise InvalidArgument(f"unknown flag: {arg}")
        value = value if given else next(rest, "")
        if name == "--data-root":
            options.data_root = value
        elif name == "--run-root":
            options.run_root = value
        elif name == "--ready-fd":
            options.ready_fd = int(value)
        else:
            options.hosts.append(value)
    return options


def main(args: list[str] | None = None) -> int:
    """Run an engine until SIGTERM or SIGINT; 0 after a clean stop."""
    options = Options()
    try:
        options = parse_options(sys.argv[1:] if args is None else args)
        return _run(options)
    except SampanError as error:
        _report(options, error)
        return 1


def _run(options: Options) -> int:
    from sampan.daemon.lock import EngineLock

    roots = Roots.from_environment(os.environ, data_root=options.data_root, run_root=options.run_root)
    os.umask(0o022)
    lock = EngineLock(roots)
    from sampan.daemon.serve import serve

    try:
        serve(roots, options, _configuration())
    finally:
        lock.release()
    return 0


def _configuration() -> Configuration:
    from sampan.daemon.configuration import configuration_path, read_configuration

    return read_configuration(configuration_path(os.environ, os.geteuid()))


def _report(options: Options, error: SampanError) -> None:
    """Tell who waits for the start, and whoever reads the log."""
    text = f"{error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
    sys.stderr.write(f"sampan: {text}")
    if options.ready_fd is not None:
        os.write(options.ready_fd, text.encode())


if __name__ == "__main__":
    sys.exit(main())
