# SPDX-License-Identifier: Apache-2.0
"""The bundle is a standard: another OCI runtime runs the same container."""

from __future__ import annotations

from integration.engine_process import EngineProcess

PROBE = "id -u; hostname; grep -E 'CapEff|Seccomp:' /proc/self/status; cat /proc/1/comm"


def test_runc_runs_the_same_container_as_our_own_runtime(engine: EngineProcess):
    command = ("run", "--rm", "--hostname", "same", "-u", "user", "busybox", "sh", "-c", PROBE)
    ours = engine.out(*command)
    theirs = engine.out(command[0], "--runtime", "runc", *command[1:])
    assert "1000\nsame\n" in ours
    assert theirs == ours


def test_exec_exit_code_and_removal_go_through_the_other_runtime_too(engine: EngineProcess):
    engine.sampan("run", "-d", "--name", "other", "--runtime", "/usr/sbin/runc", "busybox", "sleep", "1000")
    assert engine.out("exec", "other", "cat", "/proc/1/comm") == "sleep"
    assert engine.sampan("exec", "other", "sh", "-c", "exit 5", check=False).returncode == 5
    engine.sampan("kill", "other")
    assert engine.out("inspect", "-f", "{{.State.ExitCode}}", "other") == "137"


def test_a_runtime_that_does_not_exist_is_named(engine: EngineProcess):
    failed = engine.sampan("run", "--rm", "--runtime", "nosuch", "busybox", "true", check=False)
    assert failed.returncode == 125
    assert "unknown or invalid runtime name: nosuch" in failed.stderr
