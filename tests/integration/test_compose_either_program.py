# SPDX-License-Identifier: Apache-2.0
"""A project that one of `sampan compose` and Docker Compose brings up is seen, kept, stopped and removed by the other.

On our engine always; on Docker's where SAMPAN_TEST_DOCKERD names a folder with Debian's docker.io and containerd
unpacked (`apt-get download docker.io containerd && for deb in *.deb; do dpkg -x $deb FOLDER; done`).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.docker_clients import client_path
from integration.engine_process import SAMPAN, EngineProcess, busybox_tar, wait_until

TEXT = """\
services:
  db:
    image: busybox
    command: sleep 300
    stop_signal: SIGKILL
    healthcheck: {test: ["CMD", "true"], interval: 1s}
    volumes: [data:/data]
    networks: {back: {aliases: [base]}}
  web:
    build: {context: ., labels: {kind: page}}
    command: [sleep, "300"]
    stop_signal: SIGKILL
    environment: {LEVEL: info, EMPTY: ""}
    depends_on: {db: {condition: service_healthy, restart: true}}
    configs: [{source: site, target: /site, mode: 0440}]
    secrets: [key]
    networks: [back, default]
    ports: ["127.0.0.1::80"]
    deploy: {replicas: 2, resources: {limits: {memory: 64M}}}
  again:
    image: busybox
    command: "true"
volumes: {data: {labels: {kept: "no"}}}
networks: {back: {internal: true}}
configs: {site: {content: "level ${LEVEL:-info}"}}
secrets: {key: {file: ./page}}
"""
DOCKERD = os.environ.get("SAMPAN_TEST_DOCKERD", "")


@dataclass
class Programs:
    """Both programs on one engine, in one folder."""

    folder: Path
    environment: dict[str, str]

    def run(self, program: str, *words: str) -> str:
        argv = [*SAMPAN, "compose"] if program == "sampan" else [client_path("compose")]
        settings = {"cwd": self.folder, "env": self.environment, "timeout": 60}
        done = subprocess.run(
            [*argv, "--progress", "plain", "-p", "both", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **settings,  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done
        return str(done.stdout + done.stderr)

    def states(self, program: str) -> dict[str, str]:
        """Of all containers, by name."""
        said = self.run(program, "ps", "-a", "--format", "json")
        found = [json.loads(line) for line in said.splitlines()]
        return {item["Name"]: item["State"] for item in found}


@contextlib.contextmanager
def running_dockerd(base: Path) -> Iterator[str]:
    """Docker's engine of DOCKERD, in a network of its own; where it listens."""
    path = f"{DOCKERD}/usr/sbin:{DOCKERD}/usr/bin:{os.environ['PATH']}"
    words = f"--data-root {base}/data --exec-root {base}/run --pidfile {base}/pid -H unix://{base}/sock"
    script = f"ip link set lo up; exec dockerd {words} --iptables=false --ip6tables=false"
    argv = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script]
    with open(base / "log", "wb") as log:
        process = subprocess.Popen(argv, env={**os.environ, "PATH": path}, stdout=log, stderr=log)
        try:
            wait_until((base / "sock").exists, "dockerd listens", limit_s=60)
            yield f"unix://{base}/sock"
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(params=["ours", "docker"] if DOCKERD else ["ours"])
def host(request: pytest.FixtureRequest, shared_engine: EngineProcess, tmp_path: Path) -> Iterator[str]:
    if request.param == "ours":
        yield shared_engine.environment["DOCKER_HOST"]
        return
    with running_dockerd(tmp_path) as address:
        environment = {**os.environ, "DOCKER_HOST": address}
        argv = ["docker", "import", "-", "busybox:latest"]
        subprocess.run(argv, input=busybox_tar(), env=environment, check=True, capture_output=True)
        yield address


@pytest.fixture
def programs(host: str, shared_engine: EngineProcess, tmp_path: Path) -> Iterator[Programs]:
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "compose.yaml").write_text(TEXT)
    (folder / "page").write_text("page")
    (folder / "Dockerfile").write_text("FROM busybox\nCOPY page /page\n")
    # Docker Compose finds no buildx there, and builds with the classic words.
    environment = {**shared_engine.environment, "DOCKER_HOST": host, "SAMPAN_HOST": host}
    environment |= {"DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(tmp_path / "config")}
    made = Programs(folder, environment)
    yield made
    made.run("sampan", "down", "-v", "-t", "0", "--rmi", "local")


@pytest.mark.parametrize(("one", "other"), [("sampan", "docker"), ("docker", "sampan")])
def test_one_goes_on_with_what_the_other_began(programs: Programs, one: str, other: str) -> None:
    programs.run(one, "up", "-d", "--wait-timeout", "60")
    wait_until(lambda: programs.states(one)["both-again-1"] == "exited", "the one that ends has ended")
    before = programs.states(one)
    assert set(before) == {"both-db-1", "both-web-1", "both-web-2", "both-again-1"}
    assert programs.states(other) == before
    told = programs.run(other, "up", "-d")
    assert "Recreate" not in told
    assert "Creating" not in told, "neither networks nor volumes are others"
    assert "both" in programs.run(other, "ls", "-q").split()
    programs.run(other, "stop", "-t", "0", "web")
    assert programs.states(one)["both-web-2"] == "exited"
    programs.run(one, "start", "web")
    (programs.folder / "compose.yaml").write_text(TEXT.replace("EMPTY: ''", "").replace("info, ", "debug, "))
    told = programs.run(other, "up", "-d")
    assert "Container both-web-1  Recreate" in told
    assert "Container both-db-1  Recreate" not in told
    programs.run(other, "down", "-v", "-t", "0")
    assert programs.states(one) == {}
    assert "both" not in programs.run(one, "ls", "-a", "-q").split()
    assert "both_data" not in programs.run("sampan", "volumes", "-q")
