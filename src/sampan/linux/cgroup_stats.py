# SPDX-License-Identifier: Apache-2.0
"""What a group uses: memory, processor time, processes, block I/O; one shape for v1 and v2."""

from __future__ import annotations

from sampan.linux.cgroup import read_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.linux.cgroup import Cgroup

UNLIMITED = 0
"""A limit that is not set."""

_V1_NO_LIMIT = 1 << 62  # v1 has "page counter's maximum" for none


class CgroupStats:
    """One reading. Times are nanoseconds, sizes bytes; a limit of 0 is none."""

    __slots__ = (
        "blkio",
        "cpu_system_ns",
        "cpu_total_ns",
        "cpu_user_ns",
        "memory_bytes",
        "memory_limit_bytes",
        "memory_peak_bytes",
        "memory_stat",
        "oom_kills",
        "per_cpu_ns",
        "pids",
        "pids_limit",
        "throttled_ns",
        "throttled_periods",
        "throttling_periods",
    )

    def __init__(self) -> None:
        self.memory_bytes = self.memory_peak_bytes = self.memory_limit_bytes = 0
        self.memory_stat: dict[str, int] = {}
        self.cpu_total_ns = self.cpu_user_ns = self.cpu_system_ns = 0
        self.per_cpu_ns: list[int] = []
        self.throttling_periods = self.throttled_periods = self.throttled_ns = 0
        self.pids = self.pids_limit = self.oom_kills = 0
        self.blkio: list[
            tuple[int, int, str, str, int]
        ] = []  # major, minor, "bytes" or "ios", operation, value


def read_stats(cgroup: Cgroup) -> CgroupStats:
    """Read all figures; what a machine does not account for stays 0."""
    stats = CgroupStats()
    if cgroup.unified:
        _read_v2(stats, cgroup.directories()[0])
    else:
        _read_v1(stats, cgroup)
    _read_pids(stats, cgroup.find("pids"))
    stats.oom_kills = cgroup.oom_kills()
    return stats


def _read_v1(stats: CgroupStats, cgroup: Cgroup) -> None:
    if memory := cgroup.find("memory"):
        stats.memory_bytes = _number(f"{memory}/memory.usage_in_bytes")
        stats.memory_peak_bytes = _number(f"{memory}/memory.max_usage_in_bytes")
        limit = _number(f"{memory}/memory.limit_in_bytes")
        stats.memory_limit_bytes = UNLIMITED if limit >= _V1_NO_LIMIT else limit
        stats.memory_stat = _table(f"{memory}/memory.stat")
    if account := cgroup.find("cpuacct"):
        stats.cpu_total_ns = _number(f"{account}/cpuacct.usage")
        stats.cpu_user_ns = _number(f"{account}/cpuacct.usage_user")
        stats.cpu_system_ns = _number(f"{account}/cpuacct.usage_sys")
        stats.per_cpu_ns = [
            int(n) for line in read_lines(f"{account}/cpuacct.usage_percpu") for n in line.split()
        ]
    if cpu := cgroup.find("cpu"):
        table = _table(f"{cpu}/cpu.stat")
        stats.throttling_periods = table.get("nr_periods", 0)
        stats.throttled_periods = table.get("nr_throttled", 0)
        stats.throttled_ns = table.get("throttled_time", 0)
    if blkio := cgroup.find("blkio"):
        for name, unit in (("io_service_bytes", "bytes"), ("io_serviced", "ios")):
            stats.blkio += _read_v1_blkio(f"{blkio}/blkio.throttle.{name}", unit)


def _read_v1_blkio(path: str, unit: str) -> list[tuple[int, int, str, str, int]]:
    """Read lines such as `8:0 Read 4096`; the last, `Total N`, has no device."""
    figures = []
    for line in read_lines(path):
        fields = line.split()
        if len(fields) == 3:
            major, _, minor = fields[0].partition(":")
            figures.append((int(major), int(minor), unit, fields[1], int(fields[2])))
    return figures


def _read_v2(stats: CgroupStats, directory: str) -> None:
    stats.memory_bytes = _number(f"{directory}/memory.current")
    stats.memory_peak_bytes = _number(f"{directory}/memory.peak")
    stats.memory_limit_bytes = _number(f"{directory}/memory.max")
    stats.memory_stat = _table(f"{directory}/memory.stat")
    table = _table(f"{directory}/cpu.stat")
    stats.cpu_total_ns = table.get("usage_usec", 0) * 1000
    stats.cpu_user_ns = table.get("user_usec", 0) * 1000
    stats.cpu_system_ns = table.get("system_usec", 0) * 1000
    stats.throttling_periods = table.get("nr_periods", 0)
    stats.throttled_periods = table.get("nr_throttled", 0)
    stats.throttled_ns = table.get("throttled_usec", 0) * 1000
    stats.blkio = parse_io_stat(read_lines(f"{directory}/io.stat"))


_IO_KEYS = {
    "rbytes": ("bytes", "Read"),
    "wbytes": ("bytes", "Write"),
    "rios": ("ios", "Read"),
    "wios": ("ios", "Write"),
}


def parse_io_stat(lines: list[str]) -> list[tuple[int, int, str, str, int]]:
    """Read v2's io.stat: `8:0 rbytes=1 wbytes=2 rios=3 …`."""
    figures = []
    for line in lines:
        device, *fields = line.split()
        major, _, minor = device.partition(":")
        for field in fields:
            key, _, value = field.partition("=")
            if key in _IO_KEYS:
                figures.append((int(major), int(minor), *_IO_KEYS[key], int(value)))
    return figures


def _read_pids(stats: CgroupStats, directory: str | None) -> None:
    if directory:
        stats.pids = _number(f"{directory}/pids.current")
        stats.pids_limit = _number(f"{directory}/pids.max")


def _number(path: str) -> int:
    """Return a file's one number; 0 for "max" and for a file that is not there."""
    text = "".join(read_lines(path)[:1])
    return int(text) if text.isdecimal() else 0


def _table(path: str) -> dict[str, int]:
    """Return a file of `key value` lines."""
    pairs = (line.partition(" ") for line in read_lines(path))
    return {key: int(value) for key, _, value in pairs if value.isdecimal()}
