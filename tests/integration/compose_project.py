# SPDX-License-Identifier: Apache-2.0
"""A folder with a compose.yaml, the commands that are run in it, and what the engine has of it."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from compose_cases import CASES, case_flags, copy_case, load_case
from integration.engine_process import COMMAND_LIMIT_S, SAMPAN, EngineProcess
from sampan.client.address import resolve_address
from sampan.client.api import Engine
from sampan.client.frames import iter_frames

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"

Json = dict[str, Any]


def open_client(engine: EngineProcess) -> Engine:
    """The API without a command, for looking at what commands have done."""
    return Engine(resolve_address({}, flag=f"unix://{engine.socket}", socket=str(engine.socket)))


class ComposeProject:
    """One project; commands are ours, `engine_api` looks at what they did."""

    def __init__(self, engine: EngineProcess, place: Path, name: str, text: str = "") -> None:
        self.engine = engine
        self.place = place
        self.name = name
        self.flags = ["-p", name]
        self.environment = dict(engine.environment)
        self.engine_api = open_client(engine)
        place.mkdir(parents=True, exist_ok=True)
        if text:
            self.write(text)

    def write(self, text: str, file: str = "compose.yaml") -> Path:
        """A file of the project."""
        path = self.place / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def argv(self, *words: str) -> list[str]:
        """A compose command of this project."""
        return [*SAMPAN, "compose", *self.flags, *words]

    def compose(self, *words: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run one to its end."""
        return self.run(self.argv(*words), check=check, **options)

    def run(self, argv: list[str], *, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run any command in the folder to its end."""
        settings: dict[str, Any] = {} if "input" in options else {"stdin": subprocess.DEVNULL}
        settings |= {"capture_output": True, "text": True, "timeout": COMMAND_LIMIT_S}
        settings |= {"cwd": self.place, "env": self.environment} | options
        done = subprocess.run(argv, **settings)
        if check and done.returncode:
            raise AssertionError(f"{argv} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def up(self, *words: str, **options: Any) -> str:
        """`up -d` with plain progress; what it told."""
        return self.compose("--progress", "plain", "up", "-d", *words, **options).stderr

    def down(self, *words: str) -> str:
        """`down` with volumes, and no patience for programs that do not hear signals."""
        return self.compose("--progress", "plain", "down", "-v", "-t", "0", *words).stderr

    def containers(self, service: str = "") -> list[Json]:
        """The API's list, in the order of names."""
        wanted = [f"{PROJECT}={self.name}", *([f"{SERVICE}={service}"] if service else [])]
        found = self.engine_api.containers.list(every=True, filters={"label": wanted})
        return sorted(found, key=lambda item: str(item["Names"]))

    def ids(self, service: str = "") -> dict[str, str]:
        """Ids by names."""
        return {item["Names"][0][1:]: item["Id"] for item in self.containers(service)}

    def states(self) -> dict[str, str]:
        """States by names without the project's."""
        return {
            item["Names"][0][1:].removeprefix(f"{self.name}-"): item["State"] for item in self.containers()
        }

    def inspect(self, service: str) -> Json:
        """The first container of a service."""
        return self.engine_api.containers.inspect(self.containers(service)[0]["Id"])

    def prints(self, service: str, command: str, *, user: str = "", number: int = 1) -> str:
        """What a shell in a container of a service prints, without the last newline."""
        body = {"Cmd": ["sh", "-c", command], "AttachStdout": True, "AttachStderr": True, "User": user}
        exec_id = self.engine_api.containers.exec(self.containers(service)[number - 1]["Id"], body)
        connection = self.engine_api.execs.start(exec_id, tty=False)
        try:
            received = b"".join([connection.initial, *iter(lambda: connection.socket.recv(1 << 16), b"")])
        finally:
            connection.socket.close()
        return b"".join(data for _, data in iter_frames([received])).decode().rstrip("\n")

    def logs(self, service: str) -> str:
        """What the first container of a service has said."""
        query = {"stdout": True, "stderr": True}
        answer = self.engine_api.containers.logs(self.containers(service)[0]["Id"], query)
        return b"".join(data for _, data in iter_frames(answer)).decode()

    def left(self) -> list[str]:
        """What the engine still has of it."""
        labelled = {"label": [f"{PROJECT}={self.name}"]}
        left = list(self.ids())
        left += [item["Name"] for item in self.engine_api.networks.list(filters=labelled)]
        left += [item["Name"] for item in self.engine_api.volumes.list(filters=labelled)]
        return left

    def close(self) -> None:
        """Take away what is left of it, whatever happened."""
        for container in self.ids().values():
            self.engine_api.containers.remove(container, force=True, volumes=True)
        labelled = {"label": [f"{PROJECT}={self.name}"]}
        for network in self.engine_api.networks.list(filters=labelled):
            self.engine_api.networks.remove(network["Id"])
        for volume in self.engine_api.volumes.list(filters=labelled):
            self.engine_api.volumes.remove(volume["Name"], force=True)
        self.engine_api.close()


def open_case(engine: EngineProcess, name: str, directory: Path) -> ComposeProject:
    """A case of tests/cases/compose in a place of its own."""
    place = copy_case(name, directory)
    project = ComposeProject(engine, place, load_case(place).name)
    project.flags = case_flags(place)
    return project


def read_expectations(name: str) -> Json:
    """What must be true of a case when it is up (see test_compose_projects.py)."""
    path = CASES / name / "expect.toml"
    return tomllib.loads(path.read_text()) if path.exists() else {}


def pick(value: Any, path: str) -> Any:
    """``HostConfig.Memory`` of a document; a number picks from a list, and a key may hold dots after ``:``."""
    for part in path.split(":") if ":" in path else path.split("."):
        value = value[int(part)] if isinstance(value, list) else (value or {}).get(part)
    return value


def format_json(value: Any) -> str:
    """For messages."""
    return json.dumps(value, indent=1, sort_keys=True)
