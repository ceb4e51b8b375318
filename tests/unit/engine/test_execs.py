# SPDX-License-Identifier: Apache-2.0
"""How long execs are remembered: counted, with containers and programs that are only said to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sampan.engine.execs import Exec, Execs
from sampan.engine.model import Container, Document, State
from sampan.errors import Conflict, NotFound
from sampan.schema.container import ContainerConfig, ExecCreate, HostConfig


class Containers:
    """Somebody to tell."""

    def publish(self, *_: object, **__: object) -> None:
        pass


class Shim:
    """Starts nothing, and remembers whom to tell of the end."""

    def __init__(self) -> None:
        self.on_exit: list[Callable[[int], None]] = []
        self.failure: Exception | None = None

    async def exec(self, _id: str, _process: Any, *, on_exit: Callable[[int], None], **_: object) -> int:
        if self.failure:
            raise self.failure
        self.on_exit.append(on_exit)
        return 1000


class HostCa:
    def is_wanted(self, _annotations: object) -> bool:
        return False


class Host:
    capabilities = ()


def running_container(name: str) -> Container:
    document = Document(
        "sha256:0",
        "busybox",
        "sh",
        [],
        ContainerConfig(),
        HostConfig(),
        State(status="running", started_ns=1),
    )
    container = Container(name, name, 1, document)
    container.shim = Shim()  # type: ignore[assignment]
    return container


def make_execs() -> Execs:
    return Execs(Containers(), Host(), HostCa())  # type: ignore[arg-type]


async def finished(execs: Execs, container: Container) -> Exec:
    process = execs.find(execs.create(container, ExecCreate(cmd=["true"])))
    await execs.start(process, None)
    container.shim.on_exit.pop()(0)  # type: ignore[union-attr]
    return process


def run(work: Callable[[Execs], Any]) -> None:
    async def main() -> None:
        execs = make_execs()
        await work(execs)
        execs.close()

    asyncio.run(main())


def test_with_a_container_all_of_its_execs_are_forgotten() -> None:
    async def work(execs: Execs) -> None:
        doomed, other = running_container("doomed"), running_container("other")
        for _ in range(50):
            await finished(execs, doomed)
        never_started = execs.create(doomed, ExecCreate(cmd=["true"]))
        kept = await finished(execs, other)
        assert len(execs) == 52
        execs.drop(doomed)
        assert len(execs) == 1
        assert execs.find(kept.id) is kept
        with pytest.raises(NotFound, match=f"No such exec instance: {never_started}"):
            execs.find(never_started)

    run(work)


def test_one_that_has_ended_is_kept_for_one_sweep_and_forgotten_by_the_next() -> None:
    async def work(execs: Execs) -> None:
        container = running_container("c")
        old = await finished(execs, container)
        running = execs.find(execs.create(container, ExecCreate(cmd=["sleep"])))
        await execs.start(running, None)
        execs.sweep()
        assert execs.inspect(old)["CanRemove"]
        assert execs.inspect(execs.find(old.id))["ExitCode"] == 0
        young = await finished(execs, container)
        execs.sweep()
        assert {each.id for each in (young, running)} == {
            each.id for each in (old, young, running) if _is_known(execs, each)
        }
        assert not running.can_remove

    run(work)


def _is_known(execs: Execs, process: Exec) -> bool:
    try:
        return execs.find(process.id) is process
    except NotFound:
        return False


def test_one_that_could_not_start_has_ended() -> None:
    async def work(execs: Execs) -> None:
        container = running_container("c")
        container.shim.failure = Conflict("no")  # type: ignore[union-attr]
        process = execs.find(execs.create(container, ExecCreate(cmd=["true"])))
        with pytest.raises(Conflict):
            await execs.start(process, None)
        assert (container.exec_ids, process.running, process.exit_code) == ([], False, 126)
        execs.sweep()
        execs.sweep()
        assert len(execs) == 0

    run(work)
