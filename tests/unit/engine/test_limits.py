# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.engine.block_io import plan_block_io
from sampan.engine.cpu_lists import parse_cpu_list
from sampan.engine.create_checks import check_host_config
from sampan.engine.limit_checks import Bounds, check_limits, plan_limit_warnings
from sampan.errors import InvalidArgument
from sampan.linux.cgroup_limits import plan_v1, plan_v2
from sampan.schema.container import HostConfig, Ulimit

BOUNDS = Bounds(cpus="0-1", mems="0", hard_limits={"nofile": 20_000, "nproc": -1}, oom_score=0)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (HostConfig(oom_score_adj=-1001), "Invalid value -1001, range for oom score adj is"),
        (HostConfig(cpuset_cpus="0,4"), "Requested CPUs are not available - requested 0,4, available: 0-1"),
        (HostConfig(cpuset_cpus="zero"), "Invalid value zero for cpuset cpus"),
        (HostConfig(cpuset_cpus="1-0"), "Invalid value 1-0 for cpuset cpus"),
        (HostConfig(cpuset_mems="1"), "Requested memory nodes are not available"),
        (HostConfig(ulimits=[Ulimit(name="files", soft=1, hard=1)]), "invalid ulimit type: files"),
        (
            HostConfig(ulimits=[Ulimit(name="nofile", soft=2, hard=1)]),
            "less than or equal to hard limit: 2 > 1",
        ),
        (HostConfig(sysctls={"kernel.panic": "1"}), '"kernel.panic" is not in a separate kernel namespace'),
        (HostConfig(sysctls={"vm/swappiness": "1"}), "is not in a separate kernel namespace"),
        (HostConfig(sysctls={"net.core.somaxconn": "1"}, network_mode="host"), "host network namespace"),
        (HostConfig(sysctls={"kernel.shmmax": "1"}, ipc_mode="host"), "hosts ipc namespace"),
        (HostConfig(sysctls={"kernel.domainname": "x"}, uts_mode="host"), "hosts uts namespace"),
    ],
)
def test_what_cannot_hold_is_refused(host, message):
    with pytest.raises(InvalidArgument) as caught:
        check_limits(host, BOUNDS)
    assert message in caught.value.message


def test_what_may_be_set_passes():
    host = HostConfig(
        cpuset_cpus="0-1",
        cpuset_mems="0",
        oom_score_adj=500,
        ulimits=[Ulimit(name="nofile", soft=10, hard=-1), Ulimit(name="core", soft=-1, hard=-1)],
        sysctls={
            "net.ipv4.ip_forward": "1",
            "net/ipv4/conf/eth0.1/forwarding": "1",
            "fs.mqueue.msg_max": "5",
        },
    )
    check_limits(host, BOUNDS)


def test_limits_beyond_the_engines_own_are_warned_of():
    ulimits = [
        Ulimit(name="nofile", soft=5, hard=30_000),
        Ulimit(name="nproc", soft=5, hard=-1),
        Ulimit(name="core", soft=-1, hard=-1),
    ]
    assert plan_limit_warnings(HostConfig(ulimits=ulimits, oom_score_adj=-5), BOUNDS) == [
        "ulimit nofile: 30000 is above what this engine may set: 20000 is used instead",
        "oom score adjustment -5 is below what this engine may set: 0 is used instead",
    ]
    within = HostConfig(ulimits=[Ulimit(name="nofile", soft=5, hard=20_000)], oom_score_adj=5)
    assert plan_limit_warnings(within, BOUNDS) == []


@given(st.sets(st.integers(0, 300), max_size=20))
def test_cpu_lists_name_what_they_say(numbers):
    assert parse_cpu_list(",".join(map(str, numbers))) == numbers


def test_cpu_lists_have_ranges():
    assert parse_cpu_list("0-3,7, 9-9") == {0, 1, 2, 3, 7, 9}


@pytest.mark.parametrize("text", ["-1", "a", "1-", "0-99999999", ",", "²", "3-1"])
def test_what_is_no_cpu_list(text):
    with pytest.raises(ValueError, match="not a list of numbers"):
        parse_cpu_list(text)


def test_block_devices_by_number_on_both_versions_of_cgroups():
    host = HostConfig(
        blkio_weight=300,
        blkio_weight_device=[{"Path": "/dev/a", "Weight": 200}],
        blkio_device_read_bps=[{"Path": "/dev/a", "Rate": 1024}],
        blkio_device_write_iops=[{"Path": "/dev/b", "Rate": 7}, {"Path": "/dev/a", "Rate": 0}],
    )
    planned = plan_block_io(host, {"/dev/a": (8, 0), "/dev/b": (8, 16)}.__getitem__)
    assert list(plan_v1({"blockIO": planned})) == [
        ("blkio", "blkio.bfq.weight", "300"),
        ("blkio", "blkio.bfq.weight_device", "8:0 200"),
        ("blkio", "blkio.throttle.read_bps_device", "8:0 1024"),
        ("blkio", "blkio.throttle.write_iops_device", "8:16 7"),
    ]
    assert list(plan_v2({"blockIO": planned})) == [
        ("io", "io.bfq.weight", "300"),
        ("io", "io.bfq.weight", "8:0 200"),
        ("io", "io.max", "8:0 rbps=1024"),
        ("io", "io.max", "8:16 wiops=7"),
    ]


@pytest.mark.parametrize(
    "host",
    [
        HostConfig(blkio_weight=5),
        HostConfig(blkio_weight_device=[{"Path": "/dev/null", "Weight": 100}]),
        HostConfig(blkio_weight_device=[{"Path": "/nowhere", "Weight": 100}]),
        HostConfig(blkio_device_read_bps=[{"Path": "/dev/null", "Rate": "fast"}]),
    ],
)
def test_block_limits_that_make_no_sense(host):
    with pytest.raises(InvalidArgument):
        plan_block_io(host)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"Driver": "", "Count": -1, "Capabilities": [["gpu"]]},
            'device driver "" with capabilities: [[gpu]]',
        ),
        ({"Driver": "cdi", "DeviceIDs": ["vendor.com/gpu=0"]}, "unresolvable CDI devices vendor.com/gpu=0"),
    ],
)
def test_gpus_are_refused_in_dockers_words(request_, message):
    with pytest.raises(InvalidArgument) as caught:
        check_host_config(HostConfig(device_requests=[request_]))
    assert message in caught.value.message
