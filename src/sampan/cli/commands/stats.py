# SPDX-License-Identifier: Apache-2.0
"""``sampan stats``: what containers use of processor, memory, network and disks."""

from __future__ import annotations

from sampan.cli.command import ANY, Command
from sampan.cli.flags import switch
from sampan.cli.listing import FORMAT_FLAG, Listing
from sampan.cli.units import format_binary_size, format_size
from sampan.cli.wording import short_id
from sampan.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sampan.cli.context import Context
    from sampan.cli.options import Options
    from sampan.client.api import Engine
    from sampan.client.jsontext import Json

_COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
_CLEAR = "\x1b[H\x1b[J"


class Sample:
    """What one container used between two looks of the engine."""

    __slots__ = ("cpu", "identifier", "limit", "memory", "name", "network", "pids", "storage")

    def __init__(self, stats: Json) -> None:
        memory = stats.get("memory_stats") or {}
        self.identifier: str = stats.get("id", "")
        self.name: str = stats.get("name", "").removeprefix("/")
        self.cpu = cpu_percent(stats)
        self.memory = memory_used(memory)
        self.limit: int = memory.get("limit", 0)
        self.network = _sum_network(stats.get("networks") or {})
        self.storage = _sum_storage(stats.get("blkio_stats") or {})
        self.pids: int = (stats.get("pids_stats") or {}).get("current", 0)


def cpu_percent(stats: Json) -> float:
    """Share of one processor, as docker reckons: 200% is two busy processors."""
    now, before = stats.get("cpu_stats") or {}, stats.get("precpu_stats") or {}
    used = _cpu_total(now) - _cpu_total(before)
    elapsed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    processors = now.get("online_cpus") or len((now.get("cpu_usage") or {}).get("percpu_usage") or ())
    return used / elapsed * processors * 100 if used > 0 and elapsed > 0 else 0.0


def _cpu_total(cpu: Json) -> int:
    total: int = (cpu.get("cpu_usage") or {}).get("total_usage", 0)
    return total


def memory_used(memory: Json) -> int:
    """Use without the page cache that the kernel would give back (cgroup v1 and v2 name it differently)."""
    usage: int = memory.get("usage", 0)
    details = memory.get("stats") or {}
    cache: int = details.get("total_inactive_file", details.get("inactive_file", 0))
    return usage - cache if cache < usage else usage


def _sum_network(networks: Json) -> tuple[int, int]:
    received = sum(one.get("rx_bytes", 0) for one in networks.values())
    return received, sum(one.get("tx_bytes", 0) for one in networks.values())


def _sum_storage(storage: Json) -> tuple[int, int]:
    entries = storage.get("io_service_bytes_recursive") or ()
    read = sum(entry["value"] for entry in entries if entry["op"].lower() == "read")
    return read, sum(entry["value"] for entry in entries if entry["op"].lower() == "write")


def listing_of(*, full: bool) -> Listing:
    """The columns; `full` shows ids uncut."""
    return Listing(
        "*container.statsContext",
        {
            "Container": ("CONTAINER", lambda sample: short_id(sample.identifier)),
            "ID": (
                "CONTAINER ID",
                lambda sample: sample.identifier if full else short_id(sample.identifier),
            ),
            "Name": ("NAME", lambda sample: sample.name or "--"),
            "CPUPerc": ("CPU %", lambda sample: f"{sample.cpu:.2f}%"),
            "MemUsage": ("MEM USAGE / LIMIT", _memory),
            "MemPerc": ("MEM %", lambda sample: f"{_share(sample.memory, sample.limit):.2f}%"),
            "NetIO": ("NET I/O", lambda sample: _pair(sample.network)),
            "BlockIO": ("BLOCK I/O", lambda sample: _pair(sample.storage)),
            "PIDs": ("PIDS", lambda sample: str(sample.pids)),
        },
    )


def _memory(sample: Sample) -> str:
    return f"{format_binary_size(sample.memory)} / {format_binary_size(sample.limit)}"


def _share(part: int, whole: int) -> float:
    return part / whole * 100 if whole else 0.0


def _pair(counts: tuple[int, int]) -> str:
    return " / ".join(format_size(count, 3) for count in counts)


def run(context: Context, options: Options, arguments: list[str]) -> int:
    """Once, or again and again until Ctrl-C; on a terminal in place."""
    listing = listing_of(full=options.switch("no-trunc"))
    once = options.switch("no-stream")
    while True:
        names = arguments or _running(context.engine, every=options.switch("all"))
        samples = sample_all(context.engine, names, strict=bool(arguments))
        if not once and context.out.is_terminal:
            context.out.text(_CLEAR)
        listing.show(context.out, samples, template=options.text("format"), default=_COLUMNS)
        context.out.flush()
        if once:
            return 0


def _running(engine: Engine, *, every: bool) -> list[str]:
    return [container["Id"] for container in engine.containers.list(every=every)]


def sample_all(engine: Engine, names: Sequence[str], *, strict: bool) -> Iterable[Sample]:
    """One look at each, at the same time: the engine takes a second for each to measure the processor."""
    if not names:
        from time import sleep

        sleep(1)  # nothing to look at: the engine is asked again for what runs
        return []
    from concurrent.futures import ThreadPoolExecutor

    from sampan.client.api import Engine as Connection

    def sample(name: str) -> Sample | None:
        connection = Connection(engine.http.address)
        try:
            return Sample(connection.containers.stats(name, stream=False).json())
        except NotFound:
            if strict:
                raise
            return None  # it ended between the list and the look
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        return [found for found in pool.map(sample, names) if found is not None]


COMMAND = Command(
    "container stats",
    "stats",
    run=run,
    summary="Display a live stream of container(s) resource usage statistics",
    usage="[OPTIONS] [CONTAINER...]",
    arity=ANY,
    flags=(
        switch("all", "Show all containers (default shows just running)", short="a"),
        FORMAT_FLAG,
        switch("no-stream", "Disable streaming stats and only pull the first result"),
        switch("no-trunc", "Do not truncate output"),
    ),
)
