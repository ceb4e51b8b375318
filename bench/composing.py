# SPDX-License-Identifier: Apache-2.0
"""`compose up -d --wait` and `down` of projects of several sizes.

A project is groups of five services: one with a health check, as a database has, two that wait until it is healthy,
and two that wait for nobody. The programs sleep, and end at once when told to: what is measured is the engine's work
and that of its client.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field

from engines import IMAGE, Engine, EngineError, fresh_name
from scenarios import SLEEP, Goal, Scenario

SIZES = (5, 20)
GROUP = 5


def write_project(path: str, services: int) -> None:
    """A compose file (JSON is YAML) of so many services."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"services": {f"s{number}": _service(number) for number in range(services)}}, file)


def _service(number: int) -> dict[str, object]:
    service: dict[str, object] = {
        "image": IMAGE,
        "pull_policy": "never",
        "command": list(SLEEP),
        "stop_signal": "SIGKILL",
    }
    place = number % GROUP
    if place == 0:
        check = {"test": ["CMD", "true"], "interval": "5s", "start_period": "10s", "start_interval": "100ms"}
        service["healthcheck"] = check
    elif place < 3:
        service["depends_on"] = {f"s{number - place}": {"condition": "service_healthy"}}
    return service


@dataclass(slots=True)
class Compose(Scenario):
    """Something done to a project, from the file to the command's end."""

    file: str = ""
    projects: dict[str, str] = field(default_factory=dict)
    """The project that is up, by the name of the engine."""

    def takes(self, engine: Engine) -> bool:
        """Podman has no compose of its own."""
        if not Scenario.takes(self, engine) or "podman" in engine.command:
            return False
        try:
            engine.ask("compose", "version")
        except (EngineError, OSError, subprocess.TimeoutExpired):
            return False
        return True

    def up(self, engine: Engine) -> float:
        """Bring up a project that there has not been; its milliseconds."""
        project = self.projects[engine.name] = fresh_name()
        words = ("compose", "-p", project, "-f", self.file, "up", "-d", "--wait")
        return engine.run(*words).wall_s * 1e3

    def down(self, engine: Engine) -> float:
        """Take it down again."""
        project = self.projects.pop(engine.name)
        return engine.run("compose", "-p", project, "-f", self.file, "down").wall_s * 1e3

    def finish(self, engine: Engine) -> None:
        """What a failure has left up."""
        if engine.name in self.projects:
            self.down(engine)


class ComposeUp(Compose):
    """`compose up -d --wait`."""

    def measure(self, engine: Engine) -> float:
        return self.up(engine)

    def settle(self, engine: Engine) -> None:
        self.down(engine)


class ComposeDown(Compose):
    """`compose down`."""

    def measure(self, engine: Engine) -> float:
        self.up(engine)
        return self.down(engine)


def plan_compose(folder: str) -> list[Scenario]:
    """Up and down of each size; the files are written."""
    os.makedirs(folder, exist_ok=True)
    scenarios: list[Scenario] = []
    for size in SIZES:
        path = os.path.join(folder, f"{size}.json")
        write_project(path, size)
        title = f"of {size} services"
        scenarios += [
            ComposeUp(f"compose-up-{size}", f"compose up -d --wait {title}", 5, Goal(1 / 3), file=path),
            ComposeDown(f"compose-down-{size}", f"compose down {title}", 5, Goal(1 / 3), file=path),
        ]
    return scenarios
