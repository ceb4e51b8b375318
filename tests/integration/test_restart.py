# SPDX-License-Identifier: Apache-2.0
"""Restart policies: what is started again, when, how often, and who may say no."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from integration.engine_api import ApiError, call
from integration.engine_process import CommandLine, EngineProcess, wait_until

pytestmark = pytest.mark.long


def inspect(engine: EngineProcess, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.out("inspect", name))[0]
    return found


def status_of(engine: EngineProcess, name: str) -> str:
    return str(inspect(engine, name)["State"]["Status"])


def wait_for(engine: EngineProcess, name: str, status: str) -> None:
    wait_until(lambda: status_of(engine, name) == status, f"{name} is {status}")


def was_restarted(engine: EngineProcess, name: str, count: int) -> bool:
    return bool(inspect(engine, name)["RestartCount"] >= count)


NOTE_AND_FAIL = ["sh", "-c", "date +%s; exit 1"]


@pytest.mark.parametrize(
    ("policy", "code", "count"),
    [("no", 1, 0), ("on-failure", 0, 0), ("on-failure:2", 3, 2), ("on-failure:1", 0, 0)],
)
def test_restarts_until_the_policy_has_had_enough(
    cli: CommandLine, policy: str, code: int, count: int
) -> None:
    cli("run", "-d", "--name", "rr", "--restart", policy, "busybox", "sh", "-c", f"echo started; exit {code}")
    wait_for(cli.engine, "rr", "exited")
    found = inspect(cli.engine, "rr")
    assert (found["RestartCount"], found["State"]["ExitCode"]) == (count, code)
    assert cli.out("logs", "rr").split() == ["started"] * (count + 1)


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_program_that_ends_well_is_started_again(engine: EngineProcess, policy: str) -> None:
    engine.out("run", "-d", "--name", "rr", "--restart", policy, "busybox", "true")
    wait_until(lambda: inspect(engine, "rr")["RestartCount"] >= 3, "it was started three more times")


def test_the_delays_double(engine: EngineProcess) -> None:
    container = engine.out("run", "-d", "--name", "rr", "--restart", "on-failure:4", "busybox", "false")
    wait_for(engine, "rr", "exited")
    events = engine.out(
        "events", "--since", "5m", "--until", f"{datetime.now().timestamp():.6f}", "--filter", f"container={container}",
        "--format", "{{json .}}",
    )  # fmt: skip
    times: dict[str, list[int]] = {"start": [], "die": []}
    for event in map(json.loads, events.splitlines()):
        times.setdefault(event["Action"], []).append(event["timeNano"])
    waits = [(start - die) / 1e9 for die, start in zip(times["die"], times["start"][1:], strict=False)]
    assert len(waits) == 4
    for wait, planned in zip(waits, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert planned <= wait < planned + 1


def test_while_it_waits_it_is_restarting(cli: CommandLine) -> None:
    engine = cli.engine
    cli("run", "-d", "--name", "rr", "--restart", "always", "busybox", *NOTE_AND_FAIL)
    wait_until(lambda: inspect(engine, "rr")["RestartCount"] >= 3, "the delays have grown")
    wait_for(engine, "rr", "restarting")
    state = inspect(engine, "rr")["State"]
    assert (state["Running"], state["Restarting"], state["Pid"]) == (True, True, 0)
    wait_until(
        lambda: cli.out("ps", "--filter", "status=restarting", "--format", "{{.Status}}").startswith(
            "Restarting (1) "
        ),
        "ps says so",
    )
    assert "is not running" in cli.fails(1, "exec", "rr", "true") or "is restarting" in cli.fails(
        1, "exec", "rr", "true"
    )
    cli("stop", "rr")
    assert status_of(engine, "rr") == "exited"
    cli("start", "rr")
    assert inspect(engine, "rr")["RestartCount"] < 3


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
@pytest.mark.parametrize("how", [["stop", "-t", "0"], ["kill"], ["kill", "-s", "TERM"]])
def test_who_stops_it_by_hand_has_the_last_word(engine: EngineProcess, policy: str, how: list[str]) -> None:
    script = "trap 'exit 5' TERM; while :; do sleep 0.05; done"
    engine.out("run", "-d", "--name", "rr", "--restart", policy, "busybox", "sh", "-c", script)
    engine.out(*how, "rr")
    wait_for(engine, "rr", "exited")
    assert inspect(engine, "rr")["RestartCount"] == 0
    engine.out("start", "rr")
    # From now on the policy holds again.
    os.kill(inspect(engine, "rr")["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: inspect(engine, "rr")["RestartCount"] == 1, "the policy started it")


def test_a_stop_that_meets_the_restart_wins(engine: EngineProcess) -> None:
    for count in (1, 2) * 4:
        engine.out("run", "-d", "--name", "rr", "--restart", "always", "busybox", "false")
        wait_until(partial(was_restarted, engine, "rr", count), "it is in the middle of it")
        engine.sampan("stop", "-t", "0", "rr", check=False)
        assert status_of(engine, "rr") == "exited"
        engine.out("rm", "rr")


def test_removing_by_force_ends_the_restarts(engine: EngineProcess) -> None:
    engine.out("run", "-d", "--name", "rr", "--restart", "always", "busybox", "false")
    wait_for(engine, "rr", "restarting")
    engine.out("rm", "-f", "rr")
    assert engine.out("ps", "-aq") == ""


def test_wait_gives_each_exit(cli: CommandLine) -> None:
    cli("run", "-d", "--name", "rr", "--restart", "on-failure:2", "busybox", "sh", "-c", "sleep 0.3; exit 4")
    assert cli.out("wait", "rr") == "4"
    wait_for(cli.engine, "rr", "exited")
    assert cli.out("wait", "rr") == "4"


def test_another_policy_for_a_container_that_is_there(cli: CommandLine) -> None:
    engine = cli.engine
    container = cli.out("run", "-d", "--restart", "always", "busybox", "false")
    wait_until(partial(was_restarted, engine, container, 2), "the first policy holds")
    cli("update", "--restart", "no", container)
    wait_for(engine, container, "exited")
    cli("update", "--restart", "on-failure:2", container)
    cli("start", container)
    wait_until(partial(was_restarted, engine, container, 2), "the other policy holds")
    wait_for(engine, container, "exited")


def test_rm_and_a_policy_exclude_each_other(cli: CommandLine) -> None:
    error = cli.fails(125, "run", "--rm", "--restart", "always", "busybox", "true")
    assert "conflicting options: cannot specify both --restart and --rm" in error
    body = {"Image": "busybox", "HostConfig": {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}}
    with pytest.raises(ApiError, match="can't create 'AutoRemove' container with restart policy"):
        call(cli.engine, "POST", "/containers/create", body)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"Name": "sometimes"}, "invalid restart policy: unknown policy 'sometimes'"),
        ({"Name": "always", "MaximumRetryCount": 3}, "can only be used with 'on-failure'"),
        ({"Name": "on-failure", "MaximumRetryCount": -1}, "maximum retry count cannot be negative"),
    ],
)
def test_wrong_policies_are_refused(engine: EngineProcess, policy: dict[str, object], message: str) -> None:
    body = {"Image": "busybox", "HostConfig": {"RestartPolicy": policy}}
    with pytest.raises(ApiError, match=message):
        call(engine, "POST", "/containers/create", body)


def stop_engine(engine: EngineProcess) -> None:
    engine.stop()


def kill_engine(engine: EngineProcess) -> None:
    engine.kill()


def reboot(engine: EngineProcess) -> None:
    """What a machine's restart leaves: no process, no run root."""
    pids = [
        int(pid)
        for pid in engine.out("inspect", "-f", "{{.State.Pid}}", *names(engine)).split()
        if pid != "0"
    ]
    shims = [parent_of(pid) for pid in pids]
    engine.kill()
    for pid in [*shims, *pids]:
        with_pid_gone(pid)
    shutil.rmtree(engine.run)


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def names(engine: EngineProcess) -> list[str]:
    return engine.out("ps", "-a", "--format", "{{.Names}}").split()


def with_pid_gone(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    wait_until(lambda: not alive(pid), f"process {pid} is gone")


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("end", [stop_engine, kill_engine])
def test_the_next_engine_goes_on(own_engine: EngineProcess, end: Callable[[EngineProcess], None]) -> None:
    engine = own_engine
    engine.out("run", "-d", "--name", "runs", "--restart", "always", "busybox", "sleep", "600")
    engine.out("run", "-d", "--name", "fails", "--restart", "always", "busybox", "false")
    for policy in ("always", "unless-stopped", "on-failure", "no"):
        engine.out("run", "-d", "--name", f"stopped-{policy}", "--restart", policy, "busybox", "sleep", "600")
        engine.out("kill", f"stopped-{policy}")
    engine.out("create", "--name", "created", "--restart", "always", "busybox", "sleep", "600")
    engine.out("run", "-d", "--name", "meanwhile", "--restart", "on-failure", "busybox", "sleep", "600")
    pid = inspect(engine, "runs")["State"]["Pid"]
    meanwhile = inspect(engine, "meanwhile")["State"]["Pid"]
    count = inspect(engine, "fails")["RestartCount"]
    end(engine)
    with_pid_gone(meanwhile)
    engine.start()
    assert inspect(engine, "runs")["State"]["Pid"] == pid
    wait_until(lambda: inspect(engine, "fails")["RestartCount"] > count, "the failing one is restarted")
    wait_for(engine, "stopped-always", "running")
    wait_until(
        lambda: inspect(engine, "meanwhile")["RestartCount"] == 1, "what failed meanwhile is restarted"
    )
    for name in ("stopped-unless-stopped", "stopped-on-failure", "stopped-no"):
        assert status_of(engine, name) == "exited"
    assert status_of(engine, "created") == "created"


def test_after_a_reboot_a_container_waits_for_the_one_whose_network_it_shares(
    own_engine: EngineProcess,
) -> None:
    engine, always = own_engine, ["--restart", "always"]
    engine.out("run", "-d", "--name", "zz-owner", *always, "busybox", "sleep", "600")
    for number in range(3):
        shared = ["--network", "container:zz-owner", "--name", f"guest{number}"]
        engine.out("run", "-d", *always, *shared, "busybox", "sleep", "600")
    reboot(engine)
    engine.start()
    for name in ("zz-owner", "guest0", "guest1", "guest2"):
        wait_for(engine, name, "running")
    owner, *guests = (
        os.readlink(f"/proc/{inspect(engine, name)['State']['Pid']}/ns/net") for name in names(engine)[::-1]
    )
    assert set(guests) == {owner}


def test_after_a_reboot(own_engine: EngineProcess) -> None:
    engine = own_engine
    for policy in ("always", "unless-stopped", "on-failure", "no"):
        engine.out("run", "-d", "--name", policy, "--restart", policy, "busybox", "sleep", "600")
    engine.out("run", "-d", "--name", "by-hand", "--restart", "unless-stopped", "busybox", "sleep", "600")
    engine.out("kill", "by-hand")
    engine.out("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "600")
    reboot(engine)
    engine.start()
    for name in ("always", "unless-stopped", "on-failure"):
        wait_for(engine, name, "running")
    lost = inspect(engine, "no")["State"]
    assert (lost["Status"], lost["ExitCode"]) == ("exited", 255)
    assert status_of(engine, "by-hand") == "exited"
    wait_until(lambda: "gone" not in names(engine), "the --rm container is removed")
    assert engine.out("exec", "always", "echo", "alive") == "alive"
