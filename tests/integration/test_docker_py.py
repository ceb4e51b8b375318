# SPDX-License-Identifier: Apache-2.0
"""Docker's own Python client against the engine: what its users do every day."""

from __future__ import annotations

import gc
import io
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, BuildError, ContainerError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Mount, Ulimit

from integration.engine_process import EngineProcess, busybox_tar

IMAGE = "busybox:latest"
LIFE = ["create", "start", "die", "destroy"]

# docker-py leaves the closing of some sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def collect_garbage() -> Iterator[None]:
    """While its complaints are ignored: they are not the next module's."""
    yield
    gc.collect()


@pytest.fixture(params=["auto", "1.30"])
def client(engine: EngineProcess, request: pytest.FixtureRequest) -> Iterator[docker.DockerClient]:
    """With the newest version that both know, and with one of 2017."""
    connected = docker.DockerClient(f"unix://{engine.socket}", version=request.param, timeout=30)
    yield connected
    connected.close()


@pytest.fixture
def newest(engine: EngineProcess) -> Iterator[docker.DockerClient]:
    connected = docker.DockerClient(f"unix://{engine.socket}", version="auto", timeout=30)
    yield connected
    connected.close()


@pytest.fixture
def sleeper(newest: docker.DockerClient) -> Container:
    return newest.containers.run(IMAGE, ["sleep", "300"], detach=True, name="sleeper")


class TestSystem:
    def test_ping_version_and_info(self, client: docker.DockerClient) -> None:
        assert client.ping()
        assert client.version()["Os"] == "linux"
        assert client.info()["Driver"]

    def test_disk_usage_adds_up(self, client: docker.DockerClient) -> None:
        container = client.containers.run(IMAGE, ["sh", "-c", "head -c 100000 /dev/zero > /big"], detach=True)
        container.wait()
        before = client.df()["LayersSize"]
        grown = container.commit("grown")
        usage = client.df()
        more = grown.attrs["Size"] - client.images.get(IMAGE).attrs["Size"]
        client.images.remove("grown")
        assert usage["LayersSize"] - before == more >= 100_000
        assert next(c["SizeRw"] for c in usage["Containers"] if c["Id"] == container.id) >= 100_000
        assert set(usage) >= {"Images", "Containers", "Volumes", "BuildCache"}

    def test_events_come_as_they_happen_and_from_the_past(self, client: docker.DockerClient) -> None:
        since = time.time()
        stream = client.events(decode=True, filters={"type": "container"})
        client.containers.run(IMAGE, "true", remove=True)
        actions = []
        for event in stream:
            actions.append(event["Action"])
            if event["Action"] == "destroy":
                break
        stream.close()
        assert [a for a in actions if a in ("create", "start", "die", "destroy")] == [
            "create",
            "start",
            "die",
            "destroy",
        ]
        past = list(
            client.events(since=int(since), until=int(time.time()) + 1, decode=True, filters={"event": "die"})
        )
        assert past[-1]["Actor"]["Attributes"]["exitCode"] == "0"


class TestImages:
    def test_tag_list_get_and_remove(self, client: docker.DockerClient) -> None:
        image = client.images.get(IMAGE)
        assert image.tag("mine", "1")
        assert client.images.get("mine:1").id == image.id
        assert "mine:1" in client.images.list(name="mine")[0].tags
        assert image.history()[0]["Id"] == image.id
        client.images.remove("mine:1")
        with pytest.raises(ImageNotFound):
            client.images.get("mine:1")

    def test_save_and_load_keep_the_id(self, client: docker.DockerClient) -> None:
        image = client.images.get(IMAGE)
        image.tag("kept", "1")
        archive = b"".join(client.images.get("kept:1").save(named="kept:1"))
        client.images.remove("kept:1")
        (loaded,) = client.images.load(archive)
        assert (loaded.id, "kept:1" in loaded.tags) == (image.id, True)
        client.images.remove("kept:1")

    def test_import_of_a_root_filesystem(self, client: docker.DockerClient, tmp_path: Path) -> None:
        (tmp_path / "root.tar").write_bytes(busybox_tar())
        client.api.import_image_from_file(str(tmp_path / "root.tar"), repository="imported", tag="py")
        assert client.containers.run("imported:py", ["/bin/busybox", "echo", "hi"], remove=True) == b"hi\n"
        client.images.remove("imported:py")

    def test_prune_removes_what_has_no_name(self, client: docker.DockerClient) -> None:
        client.api.import_image_from_data(_tar({"a": b"b"}))
        assert client.images.prune()["ImagesDeleted"]


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class TestBuild:
    def test_from_a_file_object(self, client: docker.DockerClient) -> None:
        recipe = io.BytesIO(f"FROM {IMAGE}\nRUN echo from fileobj > /made\n".encode())
        image, lines = client.images.build(fileobj=recipe, tag="built:fileobj", rm=True)
        assert client.containers.run(image.id, ["cat", "/made"], remove=True) == b"from fileobj\n"
        assert any("Successfully built" in line.get("stream", "") for line in lines)
        client.images.remove("built:fileobj", force=True)

    def test_from_a_folder_with_arguments_labels_and_a_target(
        self, client: docker.DockerClient, tmp_path: Path
    ) -> None:
        (tmp_path / "Other").write_text(
            f"FROM {IMAGE} AS first\nARG WHO\nCOPY data /data\nRUN echo $WHO >> /data\nFROM first\nRUN false\n"
        )
        (tmp_path / "data").write_text("copied\n")
        (tmp_path / "ignored").write_text("x")
        (tmp_path / ".dockerignore").write_text("ignored\n")
        image, _ = client.images.build(
            path=str(tmp_path),
            dockerfile="Other",
            buildargs={"WHO": "me"},
            labels={"l": "v"},
            target="first",
            tag="b:1",
        )
        assert image.labels == {"l": "v"}
        assert client.containers.run("b:1", ["cat", "/data"], remove=True) == b"copied\nme\n"
        client.images.remove("b:1", force=True)

    def test_a_failed_step_raises_with_the_log(self, client: docker.DockerClient) -> None:
        with pytest.raises(BuildError) as failed:
            client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN echo said; exit 5\n".encode()))
        assert failed.value.msg == "The command '/bin/sh -c echo said; exit 5' returned a non-zero code: 5"
        assert any("said" in line.get("stream", "") for line in failed.value.build_log)


class TestRun:
    def test_output_exit_code_and_error(self, client: docker.DockerClient) -> None:
        assert client.containers.run(IMAGE, "echo out", remove=True) == b"out\n"
        with pytest.raises(ContainerError) as failed:
            client.containers.run(IMAGE, ["sh", "-c", "echo oops >&2; exit 3"], remove=True)
        assert (failed.value.exit_status, failed.value.stderr) == (3, b"oops\n")
        with pytest.raises(APIError, match="executable file not found"):
            client.containers.run(IMAGE, "no-such-program", remove=True)

    def test_an_image_that_is_not_here(self, newest: docker.DockerClient) -> None:
        with pytest.raises(ImageNotFound):
            newest.containers.create("no-such-image:latest")

    def test_options_reach_the_program(self, client: docker.DockerClient, tmp_path: Path) -> None:
        tmp_path.chmod(0o777)
        (tmp_path / "note").write_text("from the host\n")
        script = """
            id -u; pwd; echo $A; cat /host/note; hostname; ulimit -n
            grep db /etc/hosts; touch /host/x || echo ro
        """
        options: dict[str, Any] = {
            "user": "1000",
            "working_dir": "/tmp",
            "environment": {"A": "b"},
            "volumes": {str(tmp_path): {"bind": "/host", "mode": "ro"}},
            "hostname": "box",
            "ulimits": [Ulimit(name="nofile", soft=300, hard=400)],
            "extra_hosts": {"db": "10.1.2.3"},
            "mem_limit": "64m",
            "pids_limit": 50,
            "cap_drop": ["ALL"],
            "log_config": LogConfig(type="json-file", config={"max-size": "1m"}),
        }
        out = client.containers.run(IMAGE, ["sh", "-c", script], remove=True, stderr=False, **options)
        assert out.decode().split() == [
            "1000",
            "/tmp",
            "b",
            "from",
            "the",
            "host",
            "box",
            "300",
            "10.1.2.3",
            "db",
            "ro",
        ]

    def test_mounts_of_all_kinds(self, newest: docker.DockerClient) -> None:
        mounts = [Mount("/v", "pyvolume", type="volume"), Mount("/t", None, type="tmpfs", tmpfs_size="1m")]
        out = newest.containers.run(
            IMAGE, ["sh", "-c", "echo kept > /v/f; df -k /t | tail -1"], mounts=mounts, remove=True
        )
        assert b"1024" in out
        again = newest.containers.run(IMAGE, ["cat", "/v/f"], volumes=["pyvolume:/v"], remove=True)
        assert again == b"kept\n"
        newest.volumes.get("pyvolume").remove()

    def test_a_published_port(self, newest: docker.DockerClient) -> None:
        command = ["sh", "-c", "echo served > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
        container = newest.containers.run(IMAGE, command, ports={"80/tcp": ("127.0.0.1", None)}, detach=True)
        container.reload()
        (binding,) = container.ports["80/tcp"]
        assert binding["HostIp"] == "127.0.0.1"
        assert _fetch(int(binding["HostPort"])) == b"served\n"


def _fetch(port: int) -> bytes:
    import urllib.error
    import urllib.request

    end = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=5) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > end:
                raise


class TestLife:
    def test_from_creation_to_removal(self, client: docker.DockerClient) -> None:
        container = client.containers.create(IMAGE, ["sleep", "300"], name="life", labels={"a": "b"})
        assert container.status == "created"
        container.start()
        container.reload()
        assert (container.status, container.labels) == ("running", {"a": "b"})
        assert client.containers.get("life").id == container.id
        container.pause()
        container.reload()
        assert container.status == "paused"
        container.unpause()
        container.rename("life2")
        container.restart(timeout=0)
        container.kill("SIGKILL")
        assert container.wait()["StatusCode"] == 137
        container.start()
        container.stop(timeout=0)
        container.reload()
        assert container.status == "exited"
        container.remove()
        with pytest.raises(NotFound):
            client.containers.get("life2")

    def test_list_filters_and_prune(self, client: docker.DockerClient, sleeper: Container) -> None:
        done = client.containers.run(IMAGE, "true", detach=True, labels=["gone"])
        done.wait()
        assert [c.id for c in client.containers.list()] == [sleeper.id]
        assert [c.id for c in client.containers.list(filters={"name": "sleeper"})] == [sleeper.id]
        assert [c.id for c in client.containers.list(all=True, filters={"label": "gone"})] == [done.id]
        assert client.containers.prune()["ContainersDeleted"] == [done.id]

    def test_removal_of_what_runs_needs_force(self, client: docker.DockerClient, sleeper: Container) -> None:
        with pytest.raises(APIError) as refused:
            client.containers.get(sleeper.id).remove()
        assert refused.value.status_code == 409
        client.containers.get(sleeper.id).remove(force=True)

    def test_wait_for_the_next_exit(self, newest: docker.DockerClient, sleeper: Container) -> None:
        waited: list[Any] = []
        waiting = threading.Thread(target=lambda: waited.append(sleeper.wait(condition="next-exit")))
        waiting.start()
        while waiting.is_alive():  # a kill before the engine has read the wait is none that it waits for
            sleeper.restart(timeout=0)
            waiting.join(1)
        assert waited[0]["StatusCode"] == 137

    def test_update_and_stats(self, newest: docker.DockerClient, sleeper: Container) -> None:
        sleeper.update(mem_limit="32m", memswap_limit="32m")
        sleeper.reload()
        assert sleeper.attrs["HostConfig"]["Memory"] == 32 << 20
        stats = sleeper.stats(stream=False)
        assert stats["memory_stats"]["limit"] == 32 << 20
        assert next(iter(sleeper.stats(decode=True)))["pids_stats"]["current"] >= 1

    def test_top_and_diff(self, newest: docker.DockerClient, sleeper: Container) -> None:
        assert any("sleep 300" in " ".join(line) for line in sleeper.top()["Processes"])
        sleeper.exec_run(["touch", "/new"])
        assert {"Path": "/new", "Kind": 1} in sleeper.diff()


class TestStreams:
    def test_the_output_of_a_short_run_that_is_removed_at_once(self, newest: docker.DockerClient) -> None:
        """`run` asks for the log, waits, removes the container, and reads the log only then."""
        outputs = {newest.containers.run(IMAGE, ["echo", "hi"], remove=True) for _ in range(40)}
        assert outputs == {b"hi\n"}

    def test_logs_whole_and_followed(self, client: docker.DockerClient) -> None:
        script = "echo one; echo two >&2; sleep 0.3; echo three"
        container = client.containers.run(IMAGE, ["sh", "-c", script], detach=True)
        assert b"".join(container.logs(stream=True, follow=True)) == b"one\ntwo\nthree\n"
        assert container.logs(stderr=False) == b"one\nthree\n"
        assert container.logs(tail=1) == b"three\n"
        assert b"Z one\n" in container.logs(timestamps=True)

    def test_attach_sees_what_comes(self, client: docker.DockerClient) -> None:
        container = client.containers.create(IMAGE, ["sh", "-c", "echo out; echo err >&2"])
        stream = container.attach(stream=True, stdout=True, stderr=True, demux=True)
        container.start()
        assert sorted(filter(None, (part for pair in stream for part in pair))) == [b"err\n", b"out\n"]

    def test_attach_socket_carries_input(self, client: docker.DockerClient) -> None:
        container = client.containers.create(IMAGE, "cat", stdin_open=True, tty=True)
        sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        sock._sock.settimeout(10)
        sock._sock.sendall(b"typed\n")
        seen = b""
        while seen.count(b"typed") < 2:
            seen += sock._sock.recv(1024)
        sock.close()

    def test_exec_run_in_all_modes(self, client: docker.DockerClient, sleeper: Container) -> None:
        container = client.containers.get(sleeper.id)
        assert container.exec_run(["sh", "-c", "echo hi; exit 4"]) == (4, b"hi\n")
        assert container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output == (b"o\n", b"e\n")
        assert b"".join(container.exec_run("echo streamed", stream=True).output) == b"streamed\n"
        assert container.exec_run("id -u", user="1000").output == b"1000\n"
        assert container.exec_run(["sh", "-c", "echo $X"], environment={"X": "y"}).output == b"y\n"
        assert container.exec_run("tty", tty=True).output.startswith(b"/dev/")
        assert not container.exec_run("sleep 1", detach=True).output
        assert container.exec_run("no-such-program").exit_code in (126, 127)

    def test_exec_in_a_folder(self, newest: docker.DockerClient, sleeper: Container) -> None:
        assert sleeper.exec_run("pwd", workdir="/tmp").output == b"/tmp\n"

    def test_exec_socket(self, client: docker.DockerClient, sleeper: Container) -> None:
        container = client.containers.get(sleeper.id)
        sock = container.exec_run("cat", stdin=True, socket=True, tty=True).output
        sock._sock.settimeout(10)
        sock._sock.sendall(b"echoed\n")
        seen = b""
        while b"echoed" not in seen:
            seen += sock._sock.recv(1024)
        sock.close()

    def test_files_in_and_out(self, newest: docker.DockerClient, sleeper: Container) -> None:
        assert sleeper.put_archive("/tmp", _tar({"note": b"written"}))
        stream, stat = sleeper.get_archive("/tmp/note")
        assert (stat["name"], stat["size"]) == ("note", 7)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            note = tar.extractfile("note")
            assert note is not None
            assert note.read() == b"written"

    def test_commit_and_export(self, newest: docker.DockerClient, sleeper: Container) -> None:
        sleeper.exec_run(["sh", "-c", "echo changed > /made"])
        image = sleeper.commit("committed", "1", changes='CMD ["cat", "/made"]')
        assert newest.containers.run(image.id, remove=True) == b"changed\n"
        with tarfile.open(fileobj=io.BytesIO(b"".join(sleeper.export()))) as tar:
            assert "made" in tar.getnames()
        newest.images.remove("committed:1")


class TestVolumesAndNetworks:
    def test_volumes(self, client: docker.DockerClient) -> None:
        volume = client.volumes.create("pyv", labels={"k": "v"})
        assert client.volumes.get("pyv").attrs["Labels"] == {"k": "v"}
        assert [v.name for v in client.volumes.list(filters={"label": "k"})] == ["pyv"]
        container = client.containers.create(IMAGE, "true", volumes=["pyv:/data"])
        with pytest.raises(APIError, match="volume is in use"):
            volume.remove()
        container.remove()
        volume.remove()
        with pytest.raises(NotFound):
            client.volumes.get("pyv")

    def test_the_networks_that_every_engine_has(self, client: docker.DockerClient) -> None:
        assert {"bridge", "host", "none"} <= {network.name for network in client.networks.list()}
        assert client.networks.get("bridge").attrs["Driver"] == "bridge"

    def test_a_network_of_ones_own(self, newest: docker.DockerClient, sleeper: Container) -> None:
        network = newest.networks.create("pynet", labels={"k": "v"})
        try:
            network.connect(sleeper, aliases=["db"])
            network.reload()
            assert [c.id for c in network.containers] == [sleeper.id]
            answer = newest.containers.run(IMAGE, ["nslookup", "db"], network="pynet", remove=True)
            assert b"Address" in answer
            network.disconnect(sleeper)
        finally:
            sleeper.remove(force=True)
            network.remove()
