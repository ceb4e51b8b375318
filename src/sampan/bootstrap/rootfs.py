# SPDX-License-Identifier: Apache-2.0
"""Run a plan: mmdebstrap in a directory of its own, its tar to a file, its words to a progress reader."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from sampan.bootstrap.plan import PROBE_MARK, BootstrapPlan
from sampan.bootstrap.progress import Event, ProgressReader
from sampan.bootstrap.recipe import File
from sampan.errors import Internal


class BootstrapFailed(Internal):
    """mmdebstrap ended with an error; `tail` holds the last lines that it printed."""

    def __init__(self, name: str, code: int, tail: tuple[str, ...]) -> None:
        reasons = [line for line in tail if line.startswith(("E: ", "error:", "W: Failed"))] or list(
            tail[-3:]
        )
        super().__init__(f"bootstrap {name}: mmdebstrap exited with code {code}\n" + "\n".join(reasons))
        self.tail = tail


def write_rootfs(
    plan: BootstrapPlan,
    out: IO[bytes],
    *,
    name: str,
    work: str,
    environ: Mapping[str, str],
    report: Callable[[Event], None],
) -> dict[str, str]:
    """Write the root filesystem's tar to `out`; answers what the recipe's probes said."""
    for file in plan.files:
        _write_file(work, file)
    reader = ProgressReader()
    environment = {**environ, **plan.environment}
    with _running(plan.argv, out, environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            event = reader.feed(line.rstrip("\n"), probe_mark=PROBE_MARK)
            if event is not None:
                report(event)
    if process.returncode != 0:
        raise BootstrapFailed(name, process.returncode, tuple(reader.tail))
    return reader.probes


@contextmanager
def _running(
    argv: tuple[str, ...], out: IO[bytes], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        env=dict(environment),
        encoding="utf-8",
        errors="replace",
        cwd="/",
    )
    try:
        yield process
        process.wait()
    except BaseException:
        # mmdebstrap unmounts and removes its directory when it is asked to end, and needs a moment for it.
        process.terminate()
        killer = threading.Timer(20, process.kill)
        killer.start()
        process.wait()
        killer.cancel()
        raise
    finally:
        if process.stderr is not None:
            process.stderr.close()


def _write_file(work: str, file: File) -> None:
    path = os.path.join(work, file.path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if file.link is not None:
        os.symlink(file.link, path)
        return
    with open(path, "wb") as out:
        out.write(file.content)
    os.chmod(path, file.mode)
