# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sampan.engine.stats import parse_networks
from sampan.engine.stats_shape import Sample, describe_blkio, describe_cpu, describe_memory
from sampan.linux.cgroup_stats import CgroupStats

DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    2000      20    1    2    0     0          0         0     3000      30    3    4    0     0       0          0
"""  # noqa: E501


def sample(*, unified: bool) -> Sample:
    stats = CgroupStats()
    stats.memory_bytes, stats.memory_limit_bytes, stats.memory_peak_bytes = 10, 100, 50
    stats.cpu_total_ns, stats.per_cpu_ns = 7, [] if unified else [3, 4]
    stats.blkio = [(8, 0, "bytes", "Read", 4096), (8, 0, "ios", "Write", 2)]
    return Sample(1, stats, unified, 1000, 2, {})


def test_counters_of_interfaces_without_the_loopback() -> None:
    (eth0,) = parse_networks(DEV.splitlines()).values()
    assert eth0 == {
        "rx_bytes": 2000, "rx_packets": 20, "rx_errors": 1, "rx_dropped": 2,
        "tx_bytes": 3000, "tx_packets": 30, "tx_errors": 3, "tx_dropped": 4,
    }  # fmt: skip


def test_v1_has_what_v2_has_not() -> None:
    one, two = sample(unified=False), sample(unified=True)
    assert describe_memory(one)["max_usage"] == 50
    assert "max_usage" not in describe_memory(two)
    assert describe_cpu(one)["cpu_usage"]["percpu_usage"] == [3, 4]
    assert "percpu_usage" not in describe_cpu(two)["cpu_usage"]


def test_operations_are_spelled_as_docker_does_for_each_version() -> None:
    (one,) = describe_blkio(sample(unified=False))["io_service_bytes_recursive"]
    (two,) = describe_blkio(sample(unified=True))["io_service_bytes_recursive"]
    assert one == {"major": 8, "minor": 0, "op": "Read", "value": 4096}
    assert two["op"] == "read"


def test_no_sample_is_zeros() -> None:
    assert describe_cpu(None)["cpu_usage"]["total_usage"] == 0
    assert describe_blkio(None)["io_service_bytes_recursive"] is None
    assert "online_cpus" not in describe_cpu(None)


def test_without_a_limit_the_machines_memory_is_it() -> None:
    free = sample(unified=True)
    free.cgroup.memory_limit_bytes = 0
    assert describe_memory(free)["limit"] > 64 << 20
