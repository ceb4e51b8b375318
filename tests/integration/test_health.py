# SPDX-License-Identifier: Apache-2.0
"""Health checks on a real engine: states, log, events, what stops them and what outlives the engine."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from integration.engine_api import call
from integration.engine_process import CommandLine, EngineProcess, wait_until

QUICK = ["--health-interval", "100ms", "--health-retries", "2"]
SWITCHED = "test -e /tmp/well"


def health(engine: EngineProcess, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine.out("inspect", "-f", "{{json .State.Health}}", name))
    return found


def wait_for(engine: EngineProcess, name: str, status: str) -> dict[str, Any]:
    def is_so() -> bool:
        return str(health(engine, name)["Status"]) == status

    wait_until(is_so, lambda: f"{name} is {status}: {health(engine, name)}")
    return health(engine, name)


def events_of(engine: EngineProcess, name: str) -> list[dict[str, Any]]:
    now = f"{time.time():.6f}"
    out = engine.out(
        "events", "--since", "5m", "--until", now, "--filter", f"container={name}", "--format", "{{json .}}"
    )
    return [json.loads(line) for line in out.splitlines()]


def test_from_starting_over_healthy_to_unhealthy_and_back(cli: CommandLine) -> None:
    engine = cli.engine
    cli("run", "-d", "--name", "hc", *QUICK, "--health-cmd", SWITCHED, "busybox", "sleep", "600")
    assert "(health: starting)" in cli.out("ps", "--format", "{{.Status}}")
    cli("exec", "hc", "touch", "/tmp/well")
    wait_for(engine, "hc", "healthy")
    assert cli.out("ps", "--format", "{{.Status}}").endswith("(healthy)")
    cli("exec", "hc", "rm", "/tmp/well")
    assert wait_for(engine, "hc", "unhealthy")["FailingStreak"] >= 2
    assert cli.out("ps", "--format", "{{.Status}}").endswith("(unhealthy)")
    for status, found in (("unhealthy", "hc"), ("healthy", ""), ("starting", ""), ("none", "")):
        assert cli.out("ps", "--filter", f"health={status}", "--format", "{{.Names}}") == found
    cli("exec", "hc", "touch", "/tmp/well")
    assert wait_for(engine, "hc", "healthy")["FailingStreak"] == 0


def test_events_of_a_probe_and_of_a_change(engine: EngineProcess) -> None:
    engine.out("run", "-d", "--name", "hc", *QUICK, "--health-cmd", "exit 0", "busybox", "sleep", "600")
    wait_for(engine, "hc", "healthy")
    events = events_of(engine, "hc")
    actions = [event["Action"] for event in events]
    first = actions.index("exec_create: /bin/sh -c exit 0")
    assert actions[first : first + 4] == [
        "exec_create: /bin/sh -c exit 0",
        "exec_start: /bin/sh -c exit 0",
        "exec_die",
        "health_status: healthy",
    ]
    execs = {event["Actor"]["Attributes"]["execID"] for event in events[first : first + 3]}
    assert len(execs) == 1
    assert events[first + 2]["Actor"]["Attributes"]["exitCode"] == "0"


def test_the_log_has_five_entries_with_output_and_exit_code(engine: EngineProcess) -> None:
    check = "echo out; echo err >&2; exit 3"
    engine.out("run", "-d", "--name", "hc", *QUICK, "--health-cmd", check, "busybox", "sleep", "600")
    wait_until(lambda: health(engine, "hc")["FailingStreak"] >= 6, "six probes have failed")
    log = health(engine, "hc")["Log"]
    assert len(log) == 5
    assert {(entry["ExitCode"], entry["Output"]) for entry in log} == {(3, "out\nerr\n")}
    assert all(entry["Start"] < entry["End"] for entry in log)
    nothing = ("[]", "<no value>", "<nil>")  # between two probes
    wait_until(lambda: engine.out("inspect", "-f", "{{.ExecIDs}}", "hc") in nothing, "none is remembered")


def test_long_output_is_cut(engine: EngineProcess) -> None:
    check = "head -c 200000 /dev/zero | tr '\\0' x"
    engine.out("run", "-d", "--name", "hc", *QUICK, "--health-cmd", check, "busybox", "sleep", "600")
    assert wait_for(engine, "hc", "healthy")["Log"][0]["Output"] == "x" * 4096 + "..."


def test_a_probe_that_takes_too_long_is_killed(engine: EngineProcess) -> None:
    flags = [*QUICK, "--health-timeout", "200ms", "--health-cmd", "echo waiting; exec sleep 4711"]
    engine.out("run", "-d", "--name", "hc", *flags, "busybox", "sleep", "600")
    entry = wait_for(engine, "hc", "unhealthy")["Log"][0]
    assert entry["ExitCode"] == -1
    assert entry["Output"] == "Health check exceeded timeout (200ms): waiting\n"
    sleepers = [line for line in engine.out("exec", "hc", "ps").splitlines() if "sleep 4711" in line]
    assert len(sleepers) <= 1


def test_a_probe_that_cannot_run_is_a_failure(engine: EngineProcess) -> None:
    body = {"Image": "busybox", "Cmd": ["sleep", "600"]}
    check = {"Test": ["CMD", "no-such-program"], "Interval": 100_000_000, "Retries": 1}
    created = call(engine, "POST", "/containers/create?name=hc", body | {"Healthcheck": check})
    engine.out("start", created["Id"])
    entry = wait_for(engine, "hc", "unhealthy")["Log"][0]
    assert entry["ExitCode"] == -1
    assert 'exec: "no-such-program": executable file not found in $PATH' in entry["Output"]


def test_the_start_period_forgives(engine: EngineProcess) -> None:
    flags = [*QUICK, "--health-start-period", "10m", "--health-start-interval", "50ms"]
    engine.out("run", "-d", "--name", "hc", *flags, "--health-cmd", SWITCHED, "busybox", "sleep", "600")
    wait_until(lambda: len(health(engine, "hc")["Log"]) == 5, "five probes ran")
    found = health(engine, "hc")
    assert (found["Status"], found["FailingStreak"]) == ("starting", 0)
    engine.out("exec", "hc", "touch", "/tmp/well")
    wait_for(engine, "hc", "healthy")


def test_none_switches_the_images_check_off(engine: EngineProcess) -> None:
    engine.sampan(
        "build", "-t", "checked", "-", input="FROM busybox\nHEALTHCHECK --interval=100ms CMD true\n"
    )
    engine.out("run", "-d", "--name", "on", "checked", "sleep", "600")
    wait_for(engine, "on", "healthy")
    engine.out("run", "-d", "--name", "off", "--no-healthcheck", "checked", "sleep", "600")
    assert health(engine, "off") is None
    assert engine.out("ps", "--filter", "health=none", "--format", "{{.Names}}") == "off"


def test_the_images_shell_runs_the_check(engine: EngineProcess) -> None:
    recipe = 'FROM busybox\nSHELL ["/bin/sh", "-ec"]\nHEALTHCHECK --interval=100ms CMD false; true\n'
    engine.sampan("build", "-t", "strict", "-", input=recipe)
    engine.out("run", "-d", "--name", "hc", "--health-retries", "1", "strict", "sleep", "600")
    wait_for(engine, "hc", "unhealthy")


def test_no_probes_while_paused_or_stopped(engine: EngineProcess) -> None:
    check = "date +%s%N >> /tmp/probes"
    engine.out("run", "-d", "--name", "hc", *QUICK, "--health-cmd", check, "busybox", "sleep", "600")
    wait_for(engine, "hc", "healthy")
    engine.out("pause", "hc")
    before = health(engine, "hc")["Log"]
    assert health(engine, "hc")["Status"] == "unhealthy"
    engine.out("unpause", "hc")
    wait_for(engine, "hc", "healthy")
    assert health(engine, "hc")["Log"] != before
    engine.out("stop", "-t", "0", "hc")
    stopped = health(engine, "hc")
    assert stopped["Status"] == "unhealthy"
    engine.out("start", "hc")
    again = wait_for(engine, "hc", "healthy")
    assert again["Log"][-1]["Start"] > stopped["Log"][-1]["Start"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_probes_go_on_with_the_next_engine(own_engine: EngineProcess, end: str) -> None:
    own_engine.out("run", "-d", "--name", "hc", *QUICK, "--health-cmd", SWITCHED, "busybox", "sleep", "600")
    wait_for(own_engine, "hc", "unhealthy")
    getattr(own_engine, end)()
    own_engine.start()
    resumed = health(own_engine, "hc")
    assert (resumed["Status"], len(resumed["Log"]) >= 2) == ("unhealthy", True)
    own_engine.out("exec", "hc", "touch", "/tmp/well")
    wait_for(own_engine, "hc", "healthy")


def test_an_unhealthy_container_is_restarted_when_asked(engine: EngineProcess) -> None:
    flags = [*QUICK, "--on-unhealthy", "restart", "--stop-signal", "KILL"]
    engine.out("run", "-d", "--name", "hc", *flags, "--health-cmd", SWITCHED, "busybox", "sleep", "600")
    started = engine.out("inspect", "-f", "{{.State.StartedAt}}", "hc")
    wait_until(
        lambda: engine.out("inspect", "-f", "{{.State.StartedAt}}", "hc") != started,
        "it was restarted",
    )
    wait_until(lambda: "restart" in [e["Action"] for e in events_of(engine, "hc")], "the event is there")


def test_an_unhealthy_container_is_stopped_when_its_label_asks(engine: EngineProcess) -> None:
    flags = [*QUICK, "--label", "io.sampan.on-unhealthy=stop", "--restart", "always", "--stop-signal", "KILL"]
    engine.docker("run", "-d", "--name", "hc", *flags, "--health-cmd", SWITCHED, "busybox", "sleep", "600")
    wait_until(lambda: engine.out("inspect", "-f", "{{.State.Status}}", "hc") == "exited", "it is stopped")


def test_by_default_an_unhealthy_container_is_left_alone(engine: EngineProcess) -> None:
    engine.out("run", "-d", "--name", "hc", *QUICK, "--health-cmd", "false", "busybox", "sleep", "600")
    wait_until(lambda: health(engine, "hc")["FailingStreak"] >= 4, "it stays unhealthy")
    assert engine.out("inspect", "-f", "{{.State.Status}}", "hc") == "running"


def test_wrong_values_are_refused(cli: CommandLine) -> None:
    error = cli.fails(125, "run", "--rm", "--health-cmd", "x", "--health-interval", "1us", "busybox", "true")
    assert "Interval in Healthcheck cannot be less than 1ms" in error
    error = cli.engine.sampan("run", "--on-unhealthy", "explode", "busybox", check=False).stderr
    assert "use none, restart or stop" in error
