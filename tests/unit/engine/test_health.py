# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.engine.health import format_go_duration
from sampan.engine.healthstate import (
    Health,
    Probe,
    ProbeResult,
    begin_anew,
    check_health_config,
    describe_health,
    inspect_health,
    next_delay_ns,
    plan_probe,
    read_on_unhealthy,
    record_result,
)
from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerConfig, HealthConfig

S = 1_000_000_000
STARTED = 1000 * S


def probe(
    *, retries: int = 3, start_period_s: int = 0, interval_s: int = 30, start_interval_s: int = 5
) -> Probe:
    return Probe(("true",), interval_s * S, 30 * S, start_period_s * S, start_interval_s * S, retries)


def play(plan: Probe, results: str, *, every_s: int = 1) -> list[str]:
    """Probes by their outcome (`+` or `-`), one every so many seconds; after each `status streak changed`."""
    health, said = Health(), []
    for number, outcome in enumerate(results, 1):
        start = STARTED + number * every_s * S
        result = ProbeResult(start, start + 1, 0 if outcome == "+" else 1, "")
        changed = record_result(health, plan, result, started_ns=STARTED)
        said.append(f"{health.status} {health.failing_streak}{' !' if changed else ''}")
    return said


@pytest.mark.parametrize(
    ("plan", "results", "said"),
    [
        (probe(), "+", ["healthy 0 !"]),
        (probe(), "---", ["starting 1", "starting 2", "unhealthy 3 !"]),
        (probe(), "--+", ["starting 1", "starting 2", "healthy 0 !"]),
        (probe(retries=1), "-+-", ["unhealthy 1 !", "healthy 0 !", "unhealthy 1 !"]),
        (probe(retries=2), "+---", ["healthy 0 !", "healthy 1", "unhealthy 2 !", "unhealthy 3"]),
        (probe(retries=2), "+-+-", ["healthy 0 !", "healthy 1", "healthy 0", "healthy 1"]),
        # In the start period a failure of a container that never was healthy does not count …
        (probe(retries=1, start_period_s=3), "---", ["starting 0", "starting 0", "unhealthy 1 !"]),
        # … but once it was healthy, it does.
        (probe(retries=1, start_period_s=9), "+-", ["healthy 0 !", "unhealthy 1 !"]),
    ],
)
def test_the_state_machine(plan, results, said):
    assert play(plan, results) == said


@given(st.text("+-", min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 10))
def test_what_always_holds(results, retries, start_period_s):
    said = play(probe(retries=retries, start_period_s=start_period_s), results)
    status, streak = said[-1].split()[:2]
    trailing = len(results) - len(results.rstrip("-"))
    assert int(streak) <= trailing
    assert (status == "healthy") <= ("+" in results)
    assert (status == "unhealthy") == (int(streak) >= retries)


def test_the_log_keeps_the_last_five_and_outlives_a_restart():
    health = Health()
    for number in range(7):
        result = ProbeResult(STARTED + number, STARTED + number, 0, str(number))
        record_result(health, probe(), result, started_ns=STARTED)
    assert [result.output for result in health.log] == list("23456")
    again = begin_anew(health)
    assert (again.status, again.failing_streak, len(again.log)) == ("starting", 0, 5)


@pytest.mark.parametrize(
    ("status", "after_s", "delay_s"),
    [("starting", 1, 5), ("starting", 10, 30), ("healthy", 1, 30), ("unhealthy", 1, 30)],
)
def test_the_start_interval_counts_while_starting_in_the_start_period(status, after_s, delay_s):
    delay = next_delay_ns(
        Health(status), probe(start_period_s=10), started_ns=STARTED, now_ns=STARTED + after_s * S
    )
    assert delay == delay_s * S


@pytest.mark.parametrize(
    ("test", "shell", "command"),
    [
        (["CMD", "curl", "-f", "x"], None, ("curl", "-f", "x")),
        (["CMD-SHELL", "curl x || exit 1"], None, ("/bin/sh", "-c", "curl x || exit 1")),
        (["CMD-SHELL", "exit"], ["/bin/bash", "-ec"], ("/bin/bash", "-ec", "exit")),
    ],
)
def test_commands_and_defaults(test, shell, command):
    planned = plan_probe(ContainerConfig(healthcheck=HealthConfig(test=test), shell=shell))
    assert planned == Probe(command, 30 * S, 30 * S, 0, 5 * S, 3)


@pytest.mark.parametrize("test", [None, [], ["NONE"], ["WHATEVER", "x"], ["CMD"]])
def test_nothing_to_probe(test):
    assert plan_probe(ContainerConfig(healthcheck=HealthConfig(test=test))) is None
    assert plan_probe(ContainerConfig()) is None


def test_words_of_ps_and_inspect():
    assert [describe_health(Health(status)) for status in ("starting", "healthy", "unhealthy")] == [
        "health: starting",
        "healthy",
        "unhealthy",
    ]
    health = Health("unhealthy", 2, [ProbeResult(S, 2 * S + 5, -1, "no")])
    assert inspect_health(health) == {
        "Status": "unhealthy",
        "FailingStreak": 2,
        "Log": [
            {
                "Start": "1970-01-01T00:00:01Z",
                "End": "1970-01-01T00:00:02.000000005Z",
                "ExitCode": -1,
                "Output": "no",
            }
        ],
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (HealthConfig(interval=5), "Interval in Healthcheck cannot be less than 1ms"),
        (HealthConfig(timeout=-1), "Timeout in Healthcheck cannot be less than 1ms"),
        (HealthConfig(start_period=999_999), "StartPeriod in Healthcheck cannot be less than 1ms"),
        (HealthConfig(start_interval=1), "StartInterval in Healthcheck cannot be less than 1ms"),
        (HealthConfig(retries=-1), "Retries in Healthcheck cannot be negative"),
    ],
)
def test_refusals(config, message):
    with pytest.raises(InvalidArgument, match=message):
        check_health_config(config)
    check_health_config(HealthConfig(interval=1_000_000))


def test_what_to_do_when_unhealthy():
    label = ContainerConfig(labels={"io.sampan.on-unhealthy": "stop"})
    assert read_on_unhealthy(label, None) == "stop"
    assert read_on_unhealthy(label, {"io.sampan.on-unhealthy": "restart"}) == "restart"
    assert read_on_unhealthy(ContainerConfig(), None) == "none"
    with pytest.raises(InvalidArgument, match="use none, restart or stop"):
        read_on_unhealthy(ContainerConfig(labels={"io.sampan.on-unhealthy": "explode"}), None)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (200_000_000, "200ms"),
        (1_500_000, "1.5ms"),
        (S, "1s"),
        (1_500_000_000, "1.5s"),
        (90 * S, "1m30s"),
        (7200 * S, "2h0m0s"),
    ],
)
def test_durations_are_said_as_go_says_them(ns, text):
    assert format_go_duration(ns) == text
