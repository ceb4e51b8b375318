# SPDX-License-Identifier: Apache-2.0
"""How long things take, beside docker and podman where they are.

    bench/run.py [--engine NAME=COMMAND PREFIX]... [--limit NAME=PATTERN]... [--ns NAME=PID or PID FILE]...
                 [--only PATTERN]... [--rounds FACTOR] [--root FOLDER]

Without --engine, `docker` and `podman` are measured where they have an engine that works. Engines take turns within
one run, so that what else the machine does hits all of them alike; the table shows medians. Nothing is asserted: times
are for reading. Everything that was made is removed again, also after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import images
from building import plan_builds
from composing import plan_compose
from engines import Engine, EngineError, find_peers, start_sampan, stop_sampan
from registries import plan_transfers, write_python_archives
from scenarios import Scenario, plan_scenarios
from table import Figures, format_table

Result = TypeVar("Result")

FAILURES = (EngineError, subprocess.TimeoutExpired, TimeoutError, OSError)


def main(words: Sequence[str]) -> int:
    options = parse_options(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as stack:
            bench(options, stack)
    except KeyboardInterrupt:
        say("interrupted; everything was removed")
        return 130
    except EngineError as error:
        say(f"error: {error}")
        return 1
    return 0


def parse_options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "bench/run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", action="append", default=[], metavar="NAME=PREFIX", help="a peer")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME=PATTERN", help="what it takes part in"
    )
    parser.add_argument("--ns", action="append", default=[], metavar="NAME=PID", help="where its ports are")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="scenarios to run, by key"
    )
    parser.add_argument("--rounds", type=float, default=1.0, metavar="FACTOR", help="times as many as usual")
    parser.add_argument(
        "--root", default="/var/tmp", metavar="FOLDER", help="where Sampan's own roots are made"
    )
    return parser.parse_args(words)


def bench(options: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    """Measure everything and print the table; `stack` undoes it."""
    root = make_folder(options.root, stack)
    # Where an engine's run root belongs: in memory, as the peers have theirs.
    sampan = start_sampan(f"{root}/data", make_folder("/run" if os.access("/run", os.W_OK) else root, stack))
    stack.callback(stop_sampan, sampan)
    engines = [sampan, *find_peers(options.engine, pairs(options.limit), pairs(options.ns))]
    engines = list(ready_engines(engines, root, stack))
    for engine in engines:
        say(f"{engine.name} is {engine.version}")
    scenarios = [s for s in write_scenarios(root) if is_chosen(s, options.only)]
    rows: list[tuple[Scenario, Figures]] = []
    # Ctrl-C in the middle still shows what has been measured.
    stack.callback(lambda: print(format_table(engines, rows)))
    say(f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release().partition('-')[0]}")
    rows.extend((scenario, measure(scenario, engines, options.rounds)) for scenario in scenarios)


def make_folder(parent: str, stack: contextlib.ExitStack) -> str:
    """A folder that goes with the bench."""
    folder = tempfile.TemporaryDirectory(prefix="sampan-bench-", dir=parent, ignore_cleanup_errors=True)
    return stack.enter_context(folder)


def ready_engines(engines: Sequence[Engine], root: str, stack: contextlib.ExitStack) -> Iterator[Engine]:
    """Those that took the image and could run it; a peer that cannot is left out."""
    archive = f"{root}/busybox.tar"
    images.write_busybox_tar(archive)
    for engine in engines:
        stack.callback(engine.clean)
        try:
            images.import_busybox(engine, archive)
        except FAILURES as error:
            if engine.is_sampan:
                raise
            say(f"left out: {error}")
        else:
            yield engine


def write_scenarios(root: str) -> list[Scenario]:
    first, second = write_python_archives(f"{root}/python")
    return [
        *plan_scenarios(),
        *plan_builds(root),
        *plan_transfers((first, second)),
        *plan_compose(f"{root}/compose"),
    ]


def measure(scenario: Scenario, engines: Sequence[Engine], factor: float) -> Figures:
    """Every engine in turn, round after round, after one round that does not count."""
    figures: Figures = {engine.name: [] for engine in engines if scenario.takes(engine)}
    taking = [engine for engine in engines if engine.name in figures]
    say(f"{scenario.key} …")
    for engine in list(taking):
        attempt(scenario.prepare, engine, taking)
    warm_up = 1 if scenario.rounds > 2 else 0
    for number in range(warm_up + max(1, round(scenario.rounds * factor))):
        for engine in list(taking):
            taken = attempt(scenario.measure, engine, taking)
            if taken is not None and number >= warm_up:
                figures[engine.name].append(taken)
            if taken is not None:
                attempt(scenario.settle, engine, taking)
    for engine in taking:
        attempt(scenario.finish, engine, [])
    return figures


def attempt(action: Callable[[Engine], Result], engine: Engine, taking: list[Engine]) -> Result | None:
    """Do one thing; an engine that fails takes no further part in this scenario."""
    try:
        return action(engine)
    except FAILURES as error:
        say(f"  {error}")
        if engine in taking:
            taking.remove(engine)
        return None


def pairs(texts: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def is_chosen(scenario: Scenario, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatch(scenario.key, pattern) for pattern in patterns)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
