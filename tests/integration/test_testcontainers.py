# SPDX-License-Identifier: Apache-2.0
"""testcontainers-python against the engine: what the tests of other projects do with it.

Its reaper is a container of an image that has to be pulled, and is switched off here, as its users do where they
may not pull.
"""

from __future__ import annotations

import gc
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # read when it is imported

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import (
    CompositeWaitStrategy,
    ExecWaitStrategy,
    FileExistsWaitStrategy,
    HealthcheckWaitStrategy,
    HttpWaitStrategy,
    LogMessageWaitStrategy,
    PortWaitStrategy,
)

from integration.engine_process import EngineProcess

IMAGE = "busybox:latest"
SERVE = ["sh", "-c", "mkdir /www; echo page > /www/index.html; echo ready; exec httpd -f -p 8000 -h /www"]

# docker-py, which it stands on, leaves the closing of some sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def on_this_engine(engine: EngineProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It finds the engine as its users' tests do: by DOCKER_HOST."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    monkeypatch.setenv("DOCKER_CONFIG", engine.environment["DOCKER_CONFIG"])
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    yield
    gc.collect()


def server(**options: Any) -> DockerContainer:
    container = DockerContainer(IMAGE, **options).with_exposed_ports(8000)
    container.with_command(SERVE)
    return container


def fetch(container: DockerContainer, path: str = "/") -> str:
    address = f"{container.get_container_host_ip()}:{container.get_exposed_port(8000)}"
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_server_is_waited_for_by_its_port_and_its_page() -> None:
    strategy = CompositeWaitStrategy(
        LogMessageWaitStrategy("ready"), PortWaitStrategy(8000), HttpWaitStrategy(8000).for_status_code(200)
    )
    with server().waiting_for(strategy) as container:
        assert fetch(container) == "page\n"


def test_other_waits_hold_files_commands_and_health() -> None:
    health = {"Test": ["CMD", "test", "-e", "/tmp/up"], "Interval": 50_000_000, "Retries": 100}
    script = "touch /shared/up /tmp/up; exec sleep 300"
    shared = Path(os.environ["DOCKER_CONFIG"]).parent / "shared"
    shared.mkdir(exist_ok=True)
    container = DockerContainer(IMAGE, volumes=[(str(shared), "/shared", "rw")], healthcheck=health)
    container.with_command(["sh", "-c", script]).waiting_for(
        CompositeWaitStrategy(
            FileExistsWaitStrategy(shared / "up"),
            ExecWaitStrategy(["test", "-e", "/tmp/up"]),
            HealthcheckWaitStrategy(),
        )
    )
    with container:
        assert container.get_wrapped_container().attrs["State"]["Health"]["Status"] == "healthy"


def test_a_wait_for_a_program_that_ends_fails_with_its_exit_code() -> None:
    container = DockerContainer(IMAGE).with_command(["sh", "-c", "exit 9"])
    with (
        pytest.raises(RuntimeError, match="exit code: 9"),
        container.waiting_for(LogMessageWaitStrategy("never")),
    ):
        pass


def test_commands_run_inside_with_code_and_output() -> None:
    with DockerContainer(IMAGE).with_command("sleep 300").with_env("GREETING", "salut") as container:
        done = container.exec(["sh", "-c", "echo $GREETING; exit 3"])
        assert (done.exit_code, done.output) == (3, b"salut\n")
        assert container.exec("id -u").output == b"0\n"


def test_logs_are_apart_and_searched() -> None:
    container = DockerContainer(IMAGE).with_command(["sh", "-c", "echo out; echo err >&2; sleep 300"])
    with container.waiting_for(LogMessageWaitStrategy("^(out|err)$", predicate_streams_and=True)):
        assert container.get_logs() == (b"out\n", b"err\n")


def test_containers_of_a_network_know_each_others_aliases() -> None:
    with (
        Network() as network,
        server(network=network, network_aliases=["site", "www"]).waiting_for(LogMessageWaitStrategy("ready")),
        DockerContainer(IMAGE, network=network).with_command("sleep 300") as client,
    ):
        fetched = client.exec(["wget", "-q", "-O", "-", "http://www:8000/"])
        assert (fetched.exit_code, fetched.output) == (0, b"page\n")


def test_folders_and_named_volumes_are_mounted(tmp_path: Path, engine: EngineProcess) -> None:
    (tmp_path / "given").write_text("from the host")
    engine.docker("volume", "create", "kept")
    for word in ("first", "second"):
        container = DockerContainer(IMAGE).with_command("sleep 300")
        container.with_volume_mapping(tmp_path, "/in").with_volume_mapping("kept", "/kept", "rw")
        with container:
            assert container.exec(["cat", "/in/given"]).output == b"from the host"
            assert container.exec(["touch", "/in/new"]).exit_code == 1  # read-only unless said otherwise
            container.exec(["sh", "-c", f"echo {word} >> /kept/words"])
    assert engine.docker("run", "--rm", "-v", "kept:/k", IMAGE, "cat", "/k/words").stdout == "first\nsecond\n"
    engine.docker("volume", "rm", "kept")


def test_an_image_is_built_run_and_removed(tmp_path: Path, engine: EngineProcess) -> None:
    text = f'FROM {IMAGE}\nARG WORD=none\nRUN echo "built $WORD" > /said\nCMD cat /said; exec sleep 1000\n'
    (tmp_path / "Dockerfile").write_text(text)
    with DockerImage(path=tmp_path, tag="tc:1", buildargs={"WORD": "well"}) as image:
        assert any("Successfully tagged tc:1" in str(line) for line in image.get_logs())
        with DockerContainer(str(image)).waiting_for(LogMessageWaitStrategy("built well")):
            pass
    assert engine.docker("images", "-q", "tc").stdout == ""


def test_files_are_copied_in_before_the_start_and_later_and_out(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("of a folder")
    container = DockerContainer(IMAGE, transferables=[(b"early", "/early")]).with_command(
        ["sh", "-c", "cat /early; sleep 300"]
    )
    with container.waiting_for(LogMessageWaitStrategy("early")):
        container.copy_into_container(b"late", "/tmp/late", 0o640)
        container.copy_into_container(tmp_path / "conf", "/tmp/conf")
        assert container.exec(["stat", "-c", "%a %s", "/tmp/late"]).output == b"640 4\n"
        container.copy_from_container("/tmp/late", tmp_path / "back")
        assert (tmp_path / "back").read_text() == "late"


def test_fixed_ports_tmpfs_and_create_options() -> None:
    container = server(mem_limit="64m", user="0:0", labels={"made": "here"})
    container.with_tmpfs_mount("/scratch", "size=4m")
    with container.waiting_for(HttpWaitStrategy(8000)):
        wrapped = container.get_wrapped_container()
        assert wrapped.attrs["HostConfig"]["Memory"] == 64 << 20
        assert wrapped.labels["made"] == "here"
        assert wrapped.labels["org.testcontainers"] == "true"
        assert b"tmpfs" in container.exec(["df", "/scratch"]).output


def test_a_stopped_one_is_removed(engine: EngineProcess) -> None:
    container = DockerContainer(IMAGE).with_command("sleep 300")
    container.start()
    assert DockerClient().client.containers.list(filters={"label": "org.testcontainers=true"})
    container.stop()
    assert engine.docker("ps", "-aq", "--filter", "label=org.testcontainers=true").stdout == ""
