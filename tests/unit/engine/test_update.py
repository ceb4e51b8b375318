# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.engine.update import changed_resources, plan_update
from sampan.errors import Conflict, InvalidArgument
from sampan.schema.container import HostConfig, RestartPolicy

MIB = 1 << 20


def test_what_is_not_named_stays() -> None:
    before = HostConfig(memory=64 * MIB, cpu_shares=200, pids_limit=10)
    after = plan_update(before, HostConfig(memory=32 * MIB))
    assert (after.memory, after.cpu_shares, after.pids_limit) == (32 * MIB, 200, 10)
    assert before.memory == 64 * MIB


def test_only_changed_groups_of_limits_are_written() -> None:
    before = HostConfig(memory=64 * MIB, cpu_shares=200)
    after = plan_update(before, HostConfig(memory=32 * MIB))
    assert changed_resources(before, after) == {"memory": {"limit": 32 * MIB, "swap": 64 * MIB}}


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_processes_can_be_taken_away(limit: int) -> None:
    before = HostConfig(pids_limit=10)
    after = plan_update(before, HostConfig(pids_limit=limit))
    assert changed_resources(before, after) == {"pids": {"limit": -1}}


@pytest.mark.parametrize(
    ("before", "wanted", "words"),
    [
        (HostConfig(nano_cpus=10**9), HostConfig(cpu_quota=5000), "CPU Quota cannot be updated as NanoCPUs"),
        (
            HostConfig(nano_cpus=10**9),
            HostConfig(cpu_period=5000),
            "CPU Period cannot be updated as NanoCPUs",
        ),
        (HostConfig(cpu_quota=5000), HostConfig(nano_cpus=10**9), "Nano CPUs cannot be updated as CPU Quota"),
        (
            HostConfig(memory=8 * MIB, memory_swap=9 * MIB),
            HostConfig(memory=10 * MIB),
            "update the memoryswap",
        ),
        (HostConfig(auto_remove=True), HostConfig(restart_policy=RestartPolicy(name="always")), "AutoRemove"),
    ],
)
def test_contradictions_are_conflicts(before: HostConfig, wanted: HostConfig, words: str) -> None:
    with pytest.raises(Conflict, match=words):
        plan_update(before, wanted)


def test_what_makes_no_sense_is_refused_as_at_creation() -> None:
    with pytest.raises(InvalidArgument, match="Minimum memory limit"):
        plan_update(HostConfig(), HostConfig(memory=MIB))
    with pytest.raises(InvalidArgument, match="invalid restart policy"):
        plan_update(HostConfig(), HostConfig(restart_policy=RestartPolicy(name="sometimes")))
