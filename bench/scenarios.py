# SPDX-License-Identifier: Apache-2.0
"""What is measured: each scenario a class with the same four words.

`prepare` makes what the measured command needs, `measure` runs it once and gives one figure, `settle` undoes that one
run, `finish` undoes `prepare`. Only `measure` counts. Whatever they leave when interrupted goes by its name.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

from engines import IMAGE, Engine, fresh_name
from memory import engine_memory
from probing import free_port, wait_for_page

from sampan.client.address import Address
from sampan.client.api import Engine as Api

SLEEPERS = 50
SLEEP = ("sleep", "100000")
WEB_PORT = 8000
WEB_SERVER = ("httpd", "-f", "-p", str(WEB_PORT), "-h", "/www")
WRITE_LOG = (
    'yes "a line of a log, about as long as many of them are, with a number or two: 12345" | head -n 1000000'
)
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Goal:
    """What the figure should be at most: a share of the fastest peer's, or a figure of its own."""

    share: float = 0.0
    limit: float = 0.0


@dataclass(slots=True)
class Scenario:
    """The common part: `key` for choosing, `title` for reading, how often, the goal, and in what unit."""

    key: str
    title: str
    rounds: int
    goal: Goal
    unit: str = "ms"
    containers: dict[str, list[str]] = field(default_factory=dict)
    """What it has started in the background, by the name of the engine."""

    def takes(self, engine: Engine) -> bool:
        """Whether this can be asked of that engine."""
        return engine.takes(self.key)

    def prepare(self, engine: Engine) -> None:
        """Nothing to make."""

    def measure(self, engine: Engine) -> float:
        """One figure, in `unit`."""
        raise NotImplementedError

    def settle(self, engine: Engine) -> None:
        """Nothing to undo."""

    def finish(self, engine: Engine) -> None:
        """Nothing to remove."""

    def start(self, engine: Engine, *words: str, options: tuple[str, ...] = ()) -> float:
        """`run -d` of a program; gives its milliseconds."""
        name = fresh_name()
        self.containers.setdefault(engine.name, []).append(name)
        # A first process without a handler ignores SIGTERM; podman's `rm -f` would wait for it.
        options = ("--stop-signal", "KILL", *options)
        return engine.run("run", "-d", "--name", name, *options, IMAGE, *words).wall_s * 1e3

    def started(self, engine: Engine) -> str:
        """The container that was started last."""
        return self.containers[engine.name][-1]

    def remove(self, engine: Engine) -> None:
        """Remove what was started."""
        engine.run("rm", "-f", *self.containers.pop(engine.name))


@dataclass(slots=True)
class RunOnce(Scenario):
    """`run --rm IMAGE true`, with more options or not."""

    options: tuple[str, ...] = ()

    def measure(self, engine: Engine) -> float:
        return engine.run("run", "--rm", "--name", fresh_name(), *self.options, IMAGE, "true").wall_s * 1e3


class RunPublished(Scenario):
    """`run -d -p` of a web server, until its page is there."""

    def measure(self, engine: Engine) -> float:
        port = free_port(engine.namespace)
        taken = self.start(engine, *WEB_SERVER, options=("-p", f"127.0.0.1:{port}:{WEB_PORT}"))
        return taken + wait_for_page(port, engine.namespace) * 1e3

    def settle(self, engine: Engine) -> None:
        self.remove(engine)


class StartThroughApi(Scenario):
    """Create and start on a connection that is already there: the engine's own time, no client's."""

    def takes(self, engine: Engine) -> bool:
        return bool(engine.api_socket) and super().takes(engine)

    def measure(self, engine: Engine) -> float:
        name = fresh_name()
        self.containers.setdefault(engine.name, []).append(name)
        with contextlib.closing(Api(Address(path=engine.api_socket))) as api:
            api.connect()
            started = time.monotonic()
            created = api.post("/containers/create", {"name": name}, json={"Image": IMAGE, "Cmd": SLEEP})
            api.post(f"/containers/{created['Id']}/start")
            return (time.monotonic() - started) * 1e3

    def settle(self, engine: Engine) -> None:
        self.remove(engine)


class BesideSleeper(Scenario):
    """A command while one container sleeps."""

    def prepare(self, engine: Engine) -> None:
        self.start(engine, *SLEEP)

    def finish(self, engine: Engine) -> None:
        self.remove(engine)


class Exec(BesideSleeper):
    """`exec C true`."""

    def measure(self, engine: Engine) -> float:
        return engine.run("exec", self.started(engine), "true").wall_s * 1e3


class Ps(BesideSleeper):
    """`ps`, in time of processors: what a prompt or a script pays for asking."""

    def measure(self, engine: Engine) -> float:
        return engine.run("ps").cpu_s * 1e3


class Version(Scenario):
    """`--version`, in time of processors."""

    def measure(self, engine: Engine) -> float:
        return engine.run("--version").cpu_s * 1e3


class Sleepers(Scenario):
    """What one container more takes of the memory: the growth of all that is not the containers' own."""

    def measure(self, engine: Engine) -> float:
        before = engine_memory(engine)
        for _ in range(SLEEPERS):
            self.start(engine, *SLEEP)
        return (engine_memory(engine) - before) / SLEEPERS / MIB

    def settle(self, engine: Engine) -> None:
        self.remove(engine)


class WriteLog(Scenario):
    """A program that nobody listens to writes a million lines and ends."""

    def measure(self, engine: Engine) -> float:
        taken = self.start(engine, "sh", "-c", WRITE_LOG)
        return taken + engine.run("wait", self.started(engine)).wall_s * 1e3

    def settle(self, engine: Engine) -> None:
        self.remove(engine)


class ReadLog(Scenario):
    """`logs` of those lines."""

    def prepare(self, engine: Engine) -> None:
        self.start(engine, "sh", "-c", WRITE_LOG)
        engine.run("wait", self.started(engine))

    def measure(self, engine: Engine) -> float:
        return engine.run("logs", self.started(engine)).wall_s * 1e3

    def finish(self, engine: Engine) -> None:
        self.remove(engine)


def plan_scenarios() -> list[Scenario]:
    """Those of containers; the goals are those of ARCHITECTURE.md, "What things may cost"."""
    return [
        RunOnce("run", "run --rm IMAGE true", 15, Goal(1 / 3)),
        RunOnce("run-alone", "the same with --network none", 15, Goal(1 / 2), options=("--network", "none")),
        RunPublished("publish", "run -d -p until the page is there", 10, Goal(1 / 3)),
        StartThroughApi("api-start", "create and start through the API", 15, Goal(limit=40)),
        Exec("exec", "exec C true", 15, Goal(1 / 3)),
        Ps("ps", "ps, CPU", 10, Goal(1)),
        Version("version", "--version, CPU", 10, Goal(1)),
        WriteLog("log-write", "1,000,000 log lines written", 2, Goal(1)),
        ReadLog("log-read", "logs of 1,000,000 lines", 3, Goal(1)),
        Sleepers("memory", "memory a container adds, 50 asleep", 1, Goal(limit=1.5), unit="MiB"),
    ]
