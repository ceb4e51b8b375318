# SPDX-License-Identifier: Apache-2.0
"""Parameters of the Engine API that no command line sends every day: each does what it says or is refused by name."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from integration.engine_api import ApiError, call
from integration.engine_process import EngineProcess, busybox_tar, wait_until
from integration.raw_client import RawClient, ask


def filtered(path: str, **filters: list[str]) -> str:
    named = {name.replace("_", "-"): values for name, values in filters.items()}
    return f"{path}{'&' if '?' in path else '?'}filters={quote(json.dumps(named))}"


def create(engine: EngineProcess, **config: Any) -> str:
    body = {"Image": "busybox", "Cmd": ["true"], **config}
    return str(call(engine, "POST", "/containers/create", body)["Id"])


def listed(engine: EngineProcess, **filters: list[str]) -> set[str]:
    return {line["Id"] for line in call(engine, "GET", filtered("/containers/json?all=1", **filters))}


class TestContainerFilters:
    def test_ports_and_ranges_of_them(self, engine: EngineProcess) -> None:
        first = create(engine, HostConfig={"PortBindings": {"8000/tcp": [{}], "53/udp": [{}]}})
        second = create(engine, ExposedPorts={"8000/tcp": {}})
        assert listed(engine, publish=["7990-8010"]) == {first}
        assert listed(engine, publish=["53"]) == set()
        assert listed(engine, publish=["50-60/udp"]) == {first}
        assert second in listed(engine, expose=["8000/tcp"])
        with pytest.raises(ApiError, match=r"400: .*publish a-b"):
            listed(engine, publish=["a-b"])

    def test_an_image_is_the_ancestor_of_what_was_built_on_it(self, engine: EngineProcess) -> None:
        base = create(engine)
        call(engine, "POST", f"/commit?container={base}&repo=grown&tag=1", {"Labels": {"a": "b"}})
        grown = create(engine, Image="grown:1")
        try:
            assert listed(engine, ancestor=["busybox"]) == {base, grown}
            assert listed(engine, ancestor=["grown:1"]) == {grown}
            assert listed(engine, ancestor=["nothing:9"]) == set()
        finally:
            engine.remove_everything()
            call(engine, "DELETE", "/images/grown:1")

    def test_no_container_is_a_task(self, engine: EngineProcess) -> None:
        container = create(engine)
        assert listed(engine, is_task=["false"]) == {container}
        assert listed(engine, is_task=["true"]) == set()
        with pytest.raises(ApiError, match="400: invalid filter 'is-task=maybe'"):
            listed(engine, is_task=["maybe"])

    def test_prune_until_takes_durations_of_go(self, engine: EngineProcess) -> None:
        container = create(engine)
        for ago, deleted in (("1h30m", None), ("0.5h", None), ("1ns", [container])):
            pruned = call(engine, "POST", filtered("/containers/prune", until=[ago]))
            assert pruned["ContainersDeleted"] == deleted


class TestImports:
    @pytest.fixture
    def address(self, tmp_path: Path) -> Iterator[str]:
        (tmp_path / "root.tar").write_bytes(busybox_tar())
        files = http.server.SimpleHTTPRequestHandler
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *args: files(*args, directory=str(tmp_path))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()

    def test_of_a_url(self, engine: EngineProcess, address: str) -> None:
        said = engine.docker(
            "import", "-c", 'CMD ["echo", "far"]', f"http://{address}/root.tar", "far:1"
        ).stdout
        assert f"Downloading from http://{address}/root.tar" in said
        assert engine.docker("run", "--rm", "far:1").stdout == "far\n"
        engine.docker("rmi", "far:1")

    def test_a_url_that_fails_says_why(self, engine: EngineProcess, address: str) -> None:
        done = engine.docker("import", f"http://{address}/missing.tar", "far:1", check=False)
        assert done.returncode == 1
        assert "with status 404" in done.stderr

    def test_files_of_the_engine_are_not_for_clients(self, engine: EngineProcess) -> None:
        with pytest.raises(ApiError, match=r"400: .*only http and https"):
            call(engine, "POST", f"/images/create?fromSrc={quote('file:///etc/passwd', safe='')}")


class TestNamesOfOthers:
    """What names something that is not there is no "not found": clients would pull the image."""

    @pytest.mark.parametrize(
        ("host", "message"),
        [
            ({"IpcMode": "container:nobody"}, "No such container: nobody"),
            ({"PidMode": "container:nobody"}, "No such container: nobody"),
            ({"VolumesFrom": ["nobody:ro"]}, "No such container: nobody"),
            ({"Links": ["nobody:alias"]}, "could not get container for nobody: No such container: nobody"),
        ],
    )
    def test_of_a_container(self, engine: EngineProcess, host: dict[str, Any], message: str) -> None:
        with pytest.raises(ApiError, match=f"400: {message}"):
            create(engine, HostConfig=host)

    def test_the_image_of_a_container_goes_by_its_id_when_the_name_is_anothers(
        self, engine: EngineProcess
    ) -> None:
        engine.docker("tag", "busybox", "passing:1")
        container = create(engine, Image="passing:1")

        def shown() -> str:
            (line,) = call(engine, "GET", filtered("/containers/json?all=1", id=[container]))
            assert line["ImageID"].startswith("sha256:")
            return "named" if line["Image"] == "passing:1" else line["Image"].partition(":")[0]

        assert shown() == "named"
        engine.docker("rmi", "-f", "passing:1")
        assert shown() == "sha256"
        call(engine, "DELETE", f"/containers/{container}")

    def test_pruning_by_a_word_that_means_nothing_prunes_nothing(self, engine: EngineProcess) -> None:
        with pytest.raises(ApiError, match=r"400: invalid filter 'dangling=\[x\]'"):
            call(engine, "POST", filtered("/images/prune", dangling=["x"]))
        with pytest.raises(ApiError, match="400: invalid filter 'all'"):
            call(engine, "POST", filtered("/volumes/prune", all=["x"]))


class TestEvents:
    """In the order and with the attributes of Docker 28, so that a listener may rely on either."""

    def happened(self, engine: EngineProcess, since: int, **filters: list[str]) -> list[dict[str, Any]]:
        until = f"{time.time() + 0.01:.6f}"
        with RawClient(str(engine.socket)) as client:
            client.send(
                "GET", filtered(f"/v1.51/events?since={since}&until={until}", **filters), "Connection: close"
            )
            assert client.head()[0] == 200
            text = client.rest().decode()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def test_of_a_life(self, engine: EngineProcess) -> None:
        since = int(time.time())
        engine.docker("run", "--rm", "--name", "heard", "-v", "/data", "busybox", "true")
        wait_until(lambda: not engine.docker("ps", "-aq", "--filter", "name=heard").stdout, "it is gone")
        events = self.happened(engine, since)
        (created,) = [
            event
            for event in events
            if event["Action"] == "create" and event["Actor"]["Attributes"].get("name") == "heard"
        ]
        of_it = [
            f"{event['Type']} {event['Action']}"
            for event in events
            if created["Actor"]["ID"] in (event["Actor"]["ID"], event["Actor"]["Attributes"].get("container"))
        ]
        assert [each for each in of_it if each not in ("container attach", "container resize")] == [
            "container create",
            "volume mount",
            "network connect",
            "container start",
            "network disconnect",
            "volume unmount",
            "container die",
            "container destroy",
        ]

    def test_images_go_by_their_id(self, engine: EngineProcess) -> None:
        since = int(time.time())
        image = call(engine, "GET", "/images/busybox/json")["Id"]
        engine.docker("tag", "busybox", "heard:1")
        engine.docker("rmi", "heard:1")
        events = [e for e in self.happened(engine, since, type=["image"]) if e["Actor"]["ID"] == image]
        assert [(e["Action"], e["Actor"]["Attributes"]["name"]) for e in events[-2:]] == [
            ("tag", "heard:1"),
            ("untag", image),
        ]

    def test_pruning_has_no_object(self, engine: EngineProcess) -> None:
        since = int(time.time())
        call(engine, "POST", filtered("/containers/prune", label=["nobody"]))
        event = self.happened(engine, since, event=["prune"])[-1]
        assert {"id", "from"}.isdisjoint(event)
        assert event["Actor"] == {"ID": "", "Attributes": {"reclaimed": "0"}}


class TestExecs:
    @pytest.fixture
    def container(self, engine: EngineProcess) -> Iterator[str]:
        container = create(engine, Cmd=["sleep", "60"])
        call(engine, "POST", f"/containers/{container}/start")
        yield container
        call(engine, "DELETE", f"/containers/{container}?force=1")

    def run(self, engine: EngineProcess, container: str, **body: Any) -> tuple[str, bytes]:
        body = {"AttachStdout": True, "AttachStderr": True, **body}
        exec_id = call(engine, "POST", f"/containers/{container}/exec", body)["Id"]
        return exec_id, self.start(engine, exec_id)

    def start(self, engine: EngineProcess, exec_id: str) -> bytes:
        with RawClient(str(engine.socket)) as client:
            client.send(
                "POST", f"/v1.51/exec/{exec_id}/start", "Connection: Upgrade", "Upgrade: tcp", body={}
            )
            assert client.head()[0] == 101
            return client.rest()

    def test_one_that_has_run_says_so_on_its_stream(self, engine: EngineProcess, container: str) -> None:
        exec_id, said = self.run(engine, container, Cmd=["echo", "once"])
        assert said[8:] == b"once\n"
        assert f"exec command {exec_id} has already run".encode() in self.start(engine, exec_id)
        with pytest.raises(ApiError, match=f"409: exec command {exec_id} has already run"):
            call(engine, "POST", f"/exec/{exec_id}/start", {"Detach": True})
        assert call(engine, "GET", f"/exec/{exec_id}/json")["Pid"] > 0

    def test_a_missing_working_directory_is_named(self, engine: EngineProcess, container: str) -> None:
        exec_id, said = self.run(engine, container, Cmd=["true"], WorkingDir="/nowhere")
        assert b'chdir to cwd ("/nowhere") set in config.json failed: no such file or directory' in said
        assert call(engine, "GET", f"/exec/{exec_id}/json")["ExitCode"] == 127

    def test_keys_that_nobody_can_type(self, engine: EngineProcess, container: str) -> None:
        with pytest.raises(ApiError, match=r"400: Invalid escape keys \(foo\) provided"):
            call(engine, "POST", f"/containers/{container}/exec", {"Cmd": ["true"], "DetachKeys": "foo"})
        with pytest.raises(ApiError, match=r"400: Invalid detach keys \(foo\) provided"):
            call(engine, "POST", f"/containers/{container}/attach?stream=1&detachKeys=foo")


class TestLayers:
    def test_a_container_tells_where_its_layers_are(self, engine: EngineProcess) -> None:
        container = create(engine)
        shown = call(engine, "GET", f"/containers/{container}/json")
        assert shown["Driver"] == shown["GraphDriver"]["Name"] == call(engine, "GET", "/info")["Driver"]
        data = shown["GraphDriver"]["Data"]
        assert all(Path(each).is_dir() for each in (data["UpperDir"], *data["LowerDir"].split(":")))
        call(engine, "DELETE", f"/containers/{container}")


class TestSystem:
    def test_disk_usage_of_some_kinds(self, engine: EngineProcess) -> None:
        usage = call(engine, "GET", "/system/df?type=volume&type=container")
        assert usage["Volumes"] is not None
        assert not usage.get("Images")
        with pytest.raises(ApiError, match="400: unknown object type: service"):
            call(engine, "GET", "/system/df?type=service")

    def test_auth_is_asked_of_the_registry(self, engine: EngineProcess) -> None:
        body = {"username": "a", "password": "b", "serveraddress": "127.0.0.1:1"}
        with pytest.raises(ApiError, match=r"127\.0\.0\.1:1"):
            call(engine, "POST", "/auth", body)

    def test_what_a_prune_a_save_and_a_resize_did_is_told(self, engine: EngineProcess) -> None:
        since = call(engine, "GET", "/info")["SystemTime"]
        container = create(engine, Cmd=["sleep", "100"], Tty=True)
        call(engine, "POST", f"/containers/{container}/start")
        call(engine, "POST", f"/containers/{container}/resize?h=30&w=90")
        ask(str(engine.socket), "GET", "/v1.51/images/busybox/get")
        for place in ("containers", "images", "volumes", "networks", "build"):
            call(engine, "POST", f"/{place}/prune")
        now = call(engine, "GET", "/info")["SystemTime"]
        form = "{{.Type}} {{.Action}}"
        told = engine.docker("events", "--since", since, "--until", now, "--format", form).stdout
        actions = set(told.splitlines())
        assert {f"{kind} prune" for kind in ("container", "image", "volume", "network", "builder")} <= actions
        assert {"image save", "container resize"} <= actions

    def test_the_build_cache_is_pruned_by_what_it_is(self, engine: EngineProcess) -> None:
        dockerfile = "FROM busybox\nRUN echo kept > /kept\n"
        environment = engine.environment | {"DOCKER_BUILDKIT": "0"}
        engine.docker("build", "-t", "cached:1", "-", input=dockerfile, env=environment)
        engine.docker("rmi", "cached:1")

        def prune(query: str = "", **filters: list[str]) -> list[str]:
            return call(engine, "POST", filtered(f"/build/prune?{query}", **filters))["CachesDeleted"] or []

        assert prune(until=["1h"]) == []
        assert prune(type=["exec.cachemount"]) == []
        assert prune("reserved-space=1000000000000") == []
        assert prune(id=["nothing-has-this-id"]) == []
        with pytest.raises(ApiError, match="invalid filter 'odd'"):
            prune(odd=["1"])
        assert prune(until=["1ns"])

    def test_a_network_of_the_swarm_is_not_found(self, engine: EngineProcess) -> None:
        assert call(engine, "GET", "/networks/bridge?scope=local&verbose=true")["Name"] == "bridge"
        with pytest.raises(ApiError, match="404: network bridge not found"):
            call(engine, "GET", "/networks/bridge?scope=swarm")


class TestRefusals:
    @pytest.mark.parametrize(
        ("host", "words"),
        [
            ({"LogConfig": {"Type": "json-file", "Config": {"odd": "1"}}}, "unknown log opt 'odd'"),
            (
                {"LogConfig": {"Type": "syslog"}},
                'error looking up logging plugin syslog: plugin "syslog" not found',
            ),
            ({"StorageOpt": {"size": "1G"}}, "--storage-opt is not supported"),
            ({"UsernsMode": "private"}, "--userns is not supported"),
            ({"Isolation": "hyperv"}, r"invalid isolation \(hyperv\): linux only supports 'default'"),
            ({"DeviceRequests": [{"Driver": "nvidia"}]}, "could not select device driver"),
        ],
    )
    def test_of_a_container(self, engine: EngineProcess, host: dict[str, object], words: str) -> None:
        with pytest.raises(ApiError, match=words):
            create(engine, HostConfig=host)

    def test_of_squashed_builds(self, engine: EngineProcess) -> None:
        with pytest.raises(ApiError, match="400: squash is only supported with experimental mode"):
            call(engine, "POST", "/build?squash=1")

    def test_of_checkpoints(self, engine: EngineProcess) -> None:
        with pytest.raises(ApiError, match="400: checkpoint is only supported in experimental mode"):
            call(engine, "POST", f"/containers/{create(engine)}/start?checkpoint=one")
