# SPDX-License-Identifier: Apache-2.0
"""Who is started again: after an exit, when the engine starts, and by which timer."""

from __future__ import annotations

import asyncio

import pytest

from sampan.engine.create_checks import check_host_config
from sampan.engine.model import Container, Document, State
from sampan.engine.namespaces import in_start_order
from sampan.engine.restart import RestartSchedule, RestartTimers, wants_restart, wants_restart_after_boot
from sampan.errors import InvalidArgument, NotFound
from sampan.schema.container import ContainerConfig, HostConfig, RestartPolicy

S = 1_000_000_000


def container(policy: str, *, retries: int = 0, **state: object) -> Container:
    host = HostConfig(restart_policy=RestartPolicy(name=policy, maximum_retry_count=retries))
    document = Document("i", "image", "sh", [], ContainerConfig(), host, State(status="exited", **state))
    return Container("c" * 64, "name", 0, document)


@pytest.mark.parametrize(
    ("policy", "state", "after_exit", "after_boot"),
    [
        ("no", {"exit_code": 1}, False, False),
        ("always", {"exit_code": 0}, True, True),
        ("always", {"stopped_by_user": True}, False, True),
        ("unless-stopped", {"exit_code": 0}, True, True),
        ("unless-stopped", {"stopped_by_user": True}, False, False),
        ("on-failure", {"exit_code": 1}, True, False),
        ("on-failure", {"exit_code": 0}, False, False),
        ("on-failure", {"exit_code": 1, "stopped_by_user": True}, False, False),
    ],
)
def test_policies(policy, state, after_exit, after_boot):
    ended = container(policy, started_ns=S, finished_ns=2 * S, **state)
    assert (wants_restart(ended), wants_restart_after_boot(ended)) == (after_exit, after_boot)


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_what_never_ran_is_not_started_with_the_engine(policy):
    assert not wants_restart_after_boot(container(policy))


def test_the_count_of_failures_is_bounded():
    failing = container("on-failure", retries=2, exit_code=1, started_ns=S, finished_ns=2 * S)
    schedule, delays = RestartSchedule(), []
    while (delay := schedule.delay_s(failing)) is not None:
        delays.append(delay)
        failing.state.restart_count += 1
    assert delays == [0.1, 0.2]


def test_a_container_under_removal_is_left_alone():
    doomed = container("always", started_ns=S, finished_ns=2 * S)
    doomed.is_removing = True
    assert RestartSchedule().delay_s(doomed) is None


async def _play(*commands: str) -> list[str]:
    timers, fired = RestartTimers(), []
    for command in commands:
        if command == "cancel":
            timers.cancel("c")
        elif command == "close":
            timers.close()
        else:
            timers.set("c", 0.0, lambda command=command: fired.append(command))
    for _ in range(3):
        await asyncio.sleep(0)
    return fired


@pytest.mark.parametrize(
    ("commands", "fired"),
    [(["a"], ["a"]), (["a", "b"], ["b"]), (["a", "cancel"], []), (["a", "close"], []), (["cancel"], [])],
)
def test_one_timer_a_container(commands, fired):
    assert asyncio.run(_play(*commands)) == fired


@pytest.mark.parametrize(
    "policy",
    [
        RestartPolicy(name="always", maximum_retry_count=1),
        RestartPolicy(name="no", maximum_retry_count=1),
        RestartPolicy(name="on-failure", maximum_retry_count=-1),
        RestartPolicy(name="perhaps"),
    ],
)
def test_wrong_policies(policy):
    with pytest.raises(InvalidArgument, match="invalid restart policy"):
        check_host_config(HostConfig(restart_policy=policy))


def test_containers_start_behind_those_whose_namespaces_they_join() -> None:
    def joining(name: str, network: str = "bridge", **modes: str) -> Container:
        host = HostConfig(network_mode=network, **modes)
        document = Document("i", "image", "sh", [], ContainerConfig(), host, State())
        return Container(name, name, 0, document)

    made = [
        joining("guest", "container:owner"),
        joining("far", pid_mode="container:guest", ipc_mode="container:gone"),
        joining("one", "container:other"),
        joining("other", "container:one"),
        joining("owner"),
    ]
    known = {each.name: each for each in made}

    def find(name: str) -> Container:
        if name not in known:
            raise NotFound(f"No such container: {name}")
        return known[name]

    order = [each.name for each in in_start_order(reversed(made), find)]
    assert sorted(order) == sorted(known)
    assert order.index("owner") < order.index("guest") < order.index("far")
