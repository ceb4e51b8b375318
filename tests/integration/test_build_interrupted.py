# SPDX-License-Identifier: Apache-2.0
"""A build that is stopped, by Ctrl-C or with its engine: nothing is left of it but what it had done."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import SAMPAN, EngineProcess, wait_until
from integration.kernel_state import KernelWatch, disk_state
from sampan.build.history.events import read_events
from sampan.build.progress import LogEvent

DOCKERFILE = """\
FROM busybox AS one
RUN echo finished >/one
RUN echo step one has begun && sleep 1000
FROM busybox
COPY context /context
RUN --mount=type=cache,target=/cache echo kept >/cache/file && echo finished >/two
RUN echo step two has begun && sleep 1000
COPY --from=one /one /
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "context").write_text("content")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


@contextlib.contextmanager
def building(engine: EngineProcess, project: Path) -> Iterator[subprocess.Popen[str]]:
    """A build whose two stages are both in their last steps."""
    with subprocess.Popen(
        [*SAMPAN, "build", "--progress", "plain", str(project)],
        env=engine.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            begun = 0
            for line in process.stderr:
                begun += line.endswith(" has begun\n") and line.startswith("#") and "RUN" not in line
                if begun == 2:
                    break
            yield process
        finally:
            process.kill()


def said_on_disk(engine: EngineProcess) -> bytes:
    """The output of all builds, as it would be found after a crash."""
    events = [event for path in (engine.data / "build/history").iterdir() for event in read_events(str(path))]
    return b"".join(event.data for _, event in events if isinstance(event, LogEvent))


def built_again(engine: EngineProcess, project: Path) -> list[str]:
    """What comes from the cache when the steps that did not end are left out."""
    lines = [line for line in DOCKERFILE.splitlines() if "sleep" not in line]
    (project / "Dockerfile").write_text(
        "\n".join(lines) + "\nRUN --mount=type=cache,target=/cache cat /cache/file\n"
    )
    said = engine.sampan("build", "--progress", "plain", str(project)).stderr.splitlines()
    assert any(line.endswith(" kept") for line in said)
    return [
        name.partition("] ")[2][:4] for name, line in itertools.pairwise(said) if line.endswith(" CACHED")
    ]


def test_ctrl_c_stops_it_and_leaves_a_usable_cache(own_engine: EngineProcess, project: Path) -> None:
    watch = KernelWatch(own_engine)
    with building(own_engine, project) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
    watch.wait_for_before()
    wait_until(
        lambda: own_engine.out("builder", "history", "ls", "--format", "{{.Status}}") == "Canceled",
        "the history says that it was canceled",
    )
    assert not [name for name in disk_state(own_engine)["snapshots"] if "active" in name]
    assert built_again(own_engine, project) == ["RUN ", "COPY", "RUN "]


def test_an_engine_killed_in_the_middle_leaves_nothing_and_a_usable_cache(
    own_engine: EngineProcess, project: Path
) -> None:
    watch = KernelWatch(own_engine)
    before = disk_state(own_engine)
    with building(own_engine, project) as process:
        wait_until(lambda: b"step two has begun\n" in said_on_disk(own_engine), "the log is on the disk")
        own_engine.kill()
        process.communicate(timeout=30)
        assert process.returncode != 0
    own_engine.start()
    watch.wait_for_before()
    after = disk_state(own_engine)
    assert after["run/containers"] == after["data/containers"] == set()
    assert len(after["snapshots"] - before["snapshots"]) == 3  # what the finished steps made
    assert own_engine.out("builder", "history", "ls", "--format", "{{.Status}}") == "Error"
    assert "step two has begun" in own_engine.sampan("builder", "history", "logs").stderr
    assert built_again(own_engine, project) == ["RUN ", "COPY", "RUN "]
