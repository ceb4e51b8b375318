# SPDX-License-Identifier: Apache-2.0
"""Our registry beside docker-registry, each asked by 16 clients at once.

    bench/serving.py [--only PATTERN]... [--rounds FACTOR] [--root FOLDER]

Both keep their data below one folder and take turns within one run; the table shows medians of the time until the last
client is done, and ours as a share of docker-registry's. Clients are processes that speak plain HTTP and do as little
as they can, as they run on the same processors. Nothing is asserted: times are for reading.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from engines import SAMPAN, Engine
from registry_load import LOADS, run_load
from scenarios import Goal, Scenario
from table import Figures, format_table

CLIENTS = 16
PEER = "docker-registry"
START_S = 20.0
ROUNDS = 5


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "bench/serving.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="loads to run, by key")
    parser.add_argument("--rounds", type=float, default=1.0, metavar="FACTOR", help="times as many as usual")
    parser.add_argument("--root", default="/var/tmp", metavar="FOLDER", help="where their data is kept")
    options = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if shutil.which(PEER) is None:
        say(f"left out: there is no {PEER} on this machine")
        return 0
    try:
        with contextlib.ExitStack() as stack:
            bench(options, stack)
    except KeyboardInterrupt:
        say("interrupted; everything was removed")
        return 130
    return 0


def bench(options: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    """Measure everything and print the table; `stack` undoes it."""
    folder = tempfile.TemporaryDirectory(prefix="sampan-serving-", dir=options.root)
    root = Path(stack.enter_context(folder))
    hosts = {"sampan": start_ours(root / "ours", stack), PEER: start_peer(root / "peer", stack)}
    rows: list[tuple[Scenario, Figures]] = []
    engines = [Engine(name, ()) for name in hosts]
    stack.callback(lambda: print(format_table(engines, rows)))
    for load in LOADS:
        if options.only and not any(fnmatch.fnmatch(load.key, pattern) for pattern in options.only):
            continue
        say(f"{load.key} …")
        figures: Figures = {name: [] for name in hosts}
        for number in range(1 + max(1, round(ROUNDS * options.rounds))):
            for name, host in hosts.items():
                taken = run_load(load, host, CLIENTS, number) * 1e3
                if number:  # the first round does not count
                    figures[name].append(taken)
        rows.append((Scenario(load.key, load.title, ROUNDS, Goal(1.0)), figures))


def start_ours(root: Path, stack: contextlib.ExitStack) -> str:
    """As people start it, with its access log in a file as the peer's is."""
    host = f"127.0.0.1:{free_port()}"
    root.mkdir()
    (root / "registry.toml").write_text('access-log = "access.log"\n')
    words = ["--listen", host, "--root", str(root / "data"), "--config", str(root / "registry.toml")]
    start([SAMPAN, "registry", "serve", *words], host, root / "log", stack)
    return host


def start_peer(root: Path, stack: contextlib.ExitStack) -> str:
    """With Debian's defaults but for the place."""
    host = f"127.0.0.1:{free_port()}"
    root.mkdir()
    config = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(root / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host, "secret": "bench"},
    }
    (root / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    start([PEER, "serve", str(root / "config.yml")], host, root / "log", stack)
    return host


def start(words: list[str], host: str, log: Path, stack: contextlib.ExitStack) -> None:
    """A process that ends with the bench, once it listens."""
    with open(log, "wb") as out:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    stack.callback(stop, process)
    name, port = host.split(":")
    end = time.monotonic() + START_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((name, int(port))) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"{words[0]} does not listen: {log.read_text()}")
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
