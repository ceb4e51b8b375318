# SPDX-License-Identifier: Apache-2.0
"""docker-compose 1.29, the Python one of Debian, against the engine: a project's whole life.

It speaks an API of 2018 (what its file's version says), through docker-py 5. One project serves the tests of
its everyday commands; those that change its services bring a project of their own.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.engine_process import EngineProcess, wait_until

pytestmark = pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not here")

DOCKERFILE = """\
FROM busybox:latest
ARG GREETING=nobody
RUN mkdir -p /www && echo "$GREETING" > /www/index.html
COPY extra.txt /www/extra.txt
EXPOSE 8000
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""
PROJECT = """\
version: "3.7"
services:
  web:
    build:
      context: ./web
      args: {GREETING: salut}
    ports: ["8000"]
    networks: {back: {aliases: [site]}}
    volumes: ["data:/data", "./web:/host:ro"]
    environment: [MODE=test]
    healthcheck: {test: ["CMD", "true"], interval: 1s}
    stop_signal: SIGKILL
  client:
    image: busybox:latest
    command: ["sh", "-c", "until wget -q -O - http://site:8000/index.html; do sleep 0.05; done; exec sleep 300"]
    depends_on: [web]
    networks: [back, front]
    volumes: ["data:/data"]
    labels: {tier: front}
    stop_signal: SIGKILL
networks:
  back: {}
  front: {driver: bridge, ipam: {config: [{subnet: 10.231.77.0/24}]}}
volumes: {data: {labels: {kept: "no"}}}
"""
SMALL = """\
version: "2.4"
services:
  first: {image: "busybox:latest", command: sleep 300, stop_signal: SIGKILL, mem_limit: 64m, restart: always}
  second:
    image: busybox:latest
    command: sh -c 'cat /proc/self/cgroup >/dev/null; exec sleep 300'
    depends_on: {first: {condition: service_started}}
    links: ["first:other"]
    stop_signal: SIGKILL
"""


class Project:
    """docker-compose in one folder."""

    def __init__(self, engine: EngineProcess, folder: Path, text: str) -> None:
        self.engine = engine
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "docker-compose.yml").write_text(text)
        self.environment = engine.environment | {"COMPOSE_DOCKER_CLI_BUILD": "0"}

    def __call__(self, *args: str, code: int = 0) -> str:
        """Run one command; what it says, on either stream."""
        done = subprocess.run(
            ["docker-compose", "--ansi", "never", *args],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (args, done.returncode, done.stdout)
        return done.stdout

    def ids(self, *services: str) -> list[str]:
        return self("ps", "-q", *services).split()

    def inspect(self, container: str, template: str) -> str:
        return self.engine.docker("inspect", "-f", template, container).stdout.strip()


@pytest.fixture(scope="module")
def project(shared_engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(shared_engine, tmp_path_factory.mktemp("compose") / "shop", PROJECT)
    web = made.folder / "web"
    web.mkdir()
    (web / "Dockerfile").write_text(DOCKERFILE)
    (web / "extra.txt").write_text("extra\n")
    made("up", "-d", "--build")
    try:
        yield made
    finally:
        made("down", "-v", "--remove-orphans", "--rmi", "local")


@pytest.fixture
def small(engine: EngineProcess, tmp_path: Path) -> Iterator[Project]:
    made = Project(engine, tmp_path / "small", SMALL)
    try:
        yield made
    finally:
        made("down", "-v", "--remove-orphans")


class TestProject:
    def test_up_has_built_with_the_classic_words(self, project: Project) -> None:
        said = project("build", "web")
        for words in ("Step 1/6 : FROM busybox:latest", "Using cache", "Successfully tagged shop_web:latest"):
            assert words in said

    def test_ps_shows_state_health_and_ports(self, project: Project) -> None:
        web = project.ids("web")[0]
        wait_until(lambda: project.inspect(web, "{{.State.Health.Status}}") == "healthy", "web is healthy")
        lines = project("ps").splitlines()
        assert next(line for line in lines if "shop_web_1" in line).split()[-3:-1] == ["Up", "(healthy)"]
        assert "0.0.0.0:" in next(line for line in lines if "shop_web_1" in line)
        assert " Up " in next(line for line in lines if "shop_client_1" in line)

    def test_services_find_each_other_by_alias_and_name(self, project: Project) -> None:
        wait_until(lambda: "salut" in project("logs", "client"), "the client has fetched the page")
        assert (
            project("exec", "-T", "client", "wget", "-q", "-O", "-", "http://web:8000/extra.txt") == "extra\n"
        )

    def test_logs_are_told_apart_and_cut(self, project: Project) -> None:
        wait_until(lambda: "client_1  | salut" in project("logs", "client"), "the page is in the log")
        said = project("logs", "-t", "--tail", "1", "client")
        assert said.splitlines()[-1].endswith("Z salut")

    def test_a_published_port_answers(self, project: Project) -> None:
        address = project("port", "web", "8000").strip()
        assert address.startswith("0.0.0.0:")
        port = address.rpartition(":")[2]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=10) as answer:
            assert answer.read() == b"salut\n"

    def test_exec_keeps_its_exit_code_environment_and_user(self, project: Project) -> None:
        script = "echo $MODE $EXTRA $(id -u); exit 7"
        said = project("exec", "-T", "-e", "EXTRA=1", "-u", "1000", "web", "sh", "-c", script, code=7)
        assert said == "test 1 1000\n"

    def test_a_named_volume_is_shared_and_a_bind_read_only(self, project: Project) -> None:
        script = "echo kept > /data/file; cat /host/extra.txt; touch /host/new"
        said = project("exec", "-T", "web", "sh", "-c", script, code=1)
        assert said.startswith("extra\n")
        assert "Read-only" in said
        assert project("exec", "-T", "client", "cat", "/data/file") == "kept\n"
        labels = project.engine.docker("volume", "inspect", "-f", "{{json .Labels}}", "shop_data").stdout
        assert json.loads(labels)["kept"] == "no"
        assert json.loads(labels)["com.docker.compose.project"] == "shop"

    def test_networks_have_the_wanted_subnet_and_members(self, project: Project) -> None:
        client = project.ids("client")[0]
        addresses = json.loads(project.inspect(client, "{{json .NetworkSettings.Networks}}"))
        assert set(addresses) == {"shop_back", "shop_front"}
        assert addresses["shop_front"]["IPAddress"].startswith("10.231.77.")
        assert "client" in addresses["shop_back"]["Aliases"]

    def test_run_is_a_container_of_its_own(self, project: Project) -> None:
        said = project("run", "--rm", "--no-deps", "-T", "client", "sh", "-c", "echo one-off; exit 3", code=3)
        assert "one-off" in said
        assert len(project.ids()) == 2

    def test_top_images_and_config(self, project: Project) -> None:
        assert "httpd -f -p 8000 -h /www" in project("top", "web")
        assert "shop_web" in project("images")
        assert "GREETING: salut" in project("config")

    def test_pause_and_unpause(self, project: Project) -> None:
        project("pause", "client")
        assert "Paused" in project("ps", "client")
        project("unpause", "client")

    def test_events_are_told_as_they_happen(self, project: Project) -> None:
        listening = subprocess.Popen(
            ["docker-compose", "events", "--json"],
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with listening:
            assert listening.stdout is not None
            wait_until(lambda: _listeners(project.engine) > 0, "it listens")
            project("restart", "-t", "0", "client")
            seen: list[str] = []
            while "start" not in seen:
                event = json.loads(listening.stdout.readline())
                seen += [event["action"]] if event["service"] == "client" else []
            listening.send_signal(signal.SIGINT)
        assert [action for action in seen if action in ("die", "start")] == ["die", "start"]

    def test_scale_up_and_down(self, project: Project) -> None:
        project("up", "-d", "--scale", "client=3")
        said = project("exec", "-T", "--index", "3", "client", "nslookup", "client")
        assert said.count("Address") >= 4  # the server's, and three
        assert "removing shop_client_3" in project("up", "-d", "--scale", "client=1")


def _listeners(engine: EngineProcess) -> int:
    return int(engine.docker("info", "-f", "{{.NEventsListener}}").stdout)


def test_stop_start_kill_and_rm(small: Project) -> None:
    small("up", "-d")
    ids = small.ids()
    assert len(ids) == 2
    assert small.inspect(small.ids("first")[0], "{{.HostConfig.Memory}}") == str(64 << 20)
    assert small("exec", "-T", "second", "ping", "-c", "1", "-W", "2", "other").count("64 bytes from") == 1
    small("stop")
    assert [small.inspect(each, "{{.State.Status}}") for each in ids] == ["exited", "exited"]
    small("start")
    assert small.ids() == ids
    small("kill", "second")
    assert small.inspect(small.ids("second")[0], "{{.State.ExitCode}}") == "137"
    small("rm", "-f", "second")
    assert small.ids("second") == []


def test_a_changed_service_is_made_anew_and_an_orphan_removed(small: Project) -> None:
    small("up", "-d")
    before = {name: small.ids(name) for name in ("first", "second")}
    text = (small.folder / "docker-compose.yml").read_text().replace("sleep 300, ", "sleep 301, ")
    (small.folder / "docker-compose.yml").write_text(text)
    small("up", "-d")
    assert small.ids("first") != before["first"]
    head = text.partition("  second:")[0]
    (small.folder / "docker-compose.yml").write_text(head)
    assert 'Removing orphan container "small_second_1"' in small("up", "-d", "--remove-orphans")


def test_a_failed_build_and_an_unknown_image_say_why(engine: EngineProcess, tmp_path: Path) -> None:
    text = 'version: "3"\nservices:\n  bad: {build: .}\n  none: {image: "127.0.0.1:1/none"}\n'
    broken = Project(engine, tmp_path / "broken", text)
    (broken.folder / "Dockerfile").write_text("FROM busybox:latest\nRUN echo said; exit 4\n")
    said = broken("build", "bad", code=1)
    assert "said" in said
    assert "The command '/bin/sh -c echo said; exit 4' returned a non-zero code: 4" in said
    assert "127.0.0.1:1" in broken("pull", "none", code=1)
    broken("down")
