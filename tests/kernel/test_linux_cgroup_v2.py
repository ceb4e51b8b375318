# SPDX-License-Identifier: Apache-2.0
"""The v2 side of control groups, on the unified hierarchy that hybrid machines have as well."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sampan.linux import namespace
from sampan.linux.cgroup import Cgroup, discover_hierarchies
from sampan.linux.device_filter import attach_filter, compile_filter, reduce_rules


@pytest.fixture
def group() -> Iterator[Cgroup]:
    unified = tuple(h for h in discover_hierarchies() if h.version == 2)
    assert unified, "no cgroup2 is mounted"
    group = Cgroup(f"/sampan-test-v2-{os.getpid()}", unified)
    group.create()
    yield group
    group.remove()
    assert not os.path.exists(group.directories()[0])


def born_in(group: Cgroup, code: object = None) -> tuple[int, int]:
    """Clone a child into the group that waits for its end."""
    tasks, directory = group.open_entrances()
    assert tasks == []
    assert directory is not None
    pid, pidfd = namespace.clone(0, cgroup_fd=directory)
    if pid == 0:
        if callable(code):
            os._exit(code())
        signal.pause()
        os._exit(0)
    os.close(directory)
    return pid, pidfd


def test_a_process_is_born_in_its_group(group: Cgroup) -> None:
    pid, pidfd = born_in(group)
    try:
        assert group.pids() == [pid]
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as lines:
            assert f"0::{group.path}\n" in lines.readlines()
    finally:
        group.kill()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        os.close(pidfd)


def test_a_group_stands_still_and_goes_on(group: Cgroup) -> None:
    pid, pidfd = born_in(group)
    try:
        group.freeze()
        assert group.is_frozen()
        group.thaw()
        assert not group.is_frozen()
    finally:
        group.kill()
        os.waitpid(pid, 0)
        os.close(pidfd)


def test_removal_ends_what_is_left(group: Cgroup) -> None:
    pid, pidfd = born_in(group)
    os.mkdir(f"{group.directories()[0]}/below")
    signal.pidfd_send_signal(pidfd, 0)
    group.kill()
    os.waitpid(pid, 0)
    os.close(pidfd)
    group.remove()
    assert group.pids() == []


def test_the_filter_program_rules_over_devices(group: Cgroup) -> None:
    attach_filter(group.directories()[0], compile_filter(*reduce_rules([{"allow": False, "access": "rwm"}])))

    def use_devices() -> int:
        os.close(os.open("/dev/null", os.O_RDWR))
        try:
            os.close(os.open("/dev/kmsg", os.O_RDONLY))
        except PermissionError:
            return 0
        return 1

    with open("/dev/kmsg", "rb"):
        pid, pidfd = born_in(group, use_devices)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(pidfd)
