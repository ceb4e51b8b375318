# SPDX-License-Identifier: Apache-2.0
"""Every endpoint of the Engine API in the sequences in which clients use them, held against its document."""

from __future__ import annotations

import io
import json
import socket
import struct
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

from checked_api import CheckedApi
from integration.engine_process import EngineProcess, wait_until
from sampan.api.unsupported import NOT_YET

IMAGE = "busybox:latest"
BRIDGE_LABEL = "org.example.conformance"


@pytest.fixture(scope="module")
def exercised() -> dict[str, set[int]]:
    """Operation → statuses seen, over the whole module."""
    return {}


@pytest.fixture
def api(engine: EngineProcess, exercised: dict[str, set[int]]) -> CheckedApi:
    return CheckedApi(engine.socket, exercised=exercised)


@pytest.fixture
def container(api: CheckedApi) -> Iterator[str]:
    """A running container that sleeps."""
    created = api.ask(
        "POST",
        "/containers/create",
        {"name": "sleeper"},
        body={"Image": IMAGE, "Cmd": ["sleep", "300"]},
        expect=201,
    )
    container_id: str = created.json["Id"]
    api.ask("POST", f"/containers/{container_id}/start", expect=204)
    yield container_id
    api.ask("DELETE", f"/containers/{container_id}", {"force": True, "v": True})


def create(api: CheckedApi, name: str, cmd: list[str], **config: Any) -> str:
    answer = api.ask(
        "POST", "/containers/create", {"name": name}, body={"Image": IMAGE, "Cmd": cmd, **config}, expect=201
    )
    return str(answer.json["Id"])


def is_served(method: str, template: str) -> bool:
    """Whether this version serves the route: one that it does not answers 501."""
    return (method, template.replace("{name}", "{name:.+}")) not in NOT_YET and (
        method,
        template,
    ) not in NOT_YET


def small_tar(name: str = "hello.txt", data: bytes = b"hello\n") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


FULL_CREATE: dict[str, Any] = {
    "Image": IMAGE,
    "Cmd": ["sh", "-c", "echo out; echo err >&2; cat"],
    "Hostname": "box",
    "Domainname": "example.org",
    "User": "user:user",
    "Env": ["A=1", "B=two words"],
    "Labels": {BRIDGE_LABEL: "full"},
    "WorkingDir": "/tmp",
    "OpenStdin": True,
    "StdinOnce": True,
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "Volumes": {"/anonymous": {}},
    "StopSignal": "SIGINT",
    "StopTimeout": 3,
    "HostConfig": {
        "Binds": ["conformance-volume:/data:ro"],
        "Mounts": [{"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": {"SizeBytes": 65536}}],
        "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        "Memory": 64 * 1024 * 1024,
        "PidsLimit": 64,
        "NanoCpus": 500_000_000,
        "CapDrop": ["NET_RAW"],
        "Tmpfs": {"/run": "size=64k"},
        "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
        "ExtraHosts": ["db:10.0.0.9"],
        "Dns": ["10.0.0.53"],
        "Sysctls": {"net.core.somaxconn": "512"},
        "Annotations": {"org.example.note": "kept"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
        "ReadonlyRootfs": True,
    },
    "NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "02:42:ac:00:00:99"}}},
}


def test_ping_version_and_info(api: CheckedApi) -> None:
    ping = api.ask("GET", "/_ping", expect=200)
    assert (ping.body, ping.headers.get_content_type()) == (b"OK", "text/plain")
    assert ping.headers["Swarm"] == "inactive"
    assert ping.headers["Builder-Version"] == "1"
    head = api.ask("HEAD", "/_ping", expect=200)
    assert head.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert head.headers["Pragma"] == "no-cache"
    version = api.ask("GET", "/version", expect=200).json
    assert version["ApiVersion"] == ping.headers["Api-Version"] == "1.51"
    info = api.ask("GET", "/info", expect=200).json
    assert info["OSType"] == "linux"
    assert info["ContainersRunning"] == 0


def test_a_container_of_many_options_is_described_as_docker_does(api: CheckedApi) -> None:
    created = api.ask("POST", "/containers/create", {"name": "full"}, body=FULL_CREATE, expect=201)
    container_id = created.json["Id"]
    before = api.ask("GET", f"/containers/{container_id}/json", expect=200).json
    assert before["State"]["Status"] == "created"
    assert before["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    assert before["NetworkSettings"]["Ports"] == {}
    api.ask("POST", f"/containers/{container_id}/start", expect=204)
    running = api.ask("GET", f"/containers/{container_id}/json", {"size": True}, expect=200).json
    assert running["Config"]["Labels"] == {BRIDGE_LABEL: "full"}
    assert running["HostConfig"]["Annotations"] == {"org.example.note": "kept"}
    assert running["HostConfig"]["ConsoleSize"] == [0, 0]
    assert running["HostConfig"]["Sysctls"] == {"net.core.somaxconn": "512"}
    ports = running["NetworkSettings"]["Ports"]
    assert ports["53/udp"] is None
    assert ports["80/tcp"][0]["HostIp"] == "127.0.0.1"
    assert {mount["Destination"]: mount["Type"] for mount in running["Mounts"]} == {
        "/data": "volume",
        "/anonymous": "volume",
        "/scratch": "tmpfs",
    }
    summary = api.ask(
        "GET", "/containers/json", {"size": True, "filters": {"name": ["full"]}}, expect=200
    ).json
    assert [line["Id"] for line in summary] == [container_id]
    assert summary[0]["HostConfig"] == {
        "NetworkMode": "bridge",
        "Annotations": {"org.example.note": "kept"},
    }
    api.ask("DELETE", f"/containers/{container_id}", expect=409)
    api.ask("DELETE", f"/containers/{container_id}", {"force": True, "v": True}, expect=204)
    api.ask("GET", f"/containers/{container_id}/json", expect=404)
    api.ask("DELETE", "/volumes/conformance-volume", expect=204)


def test_the_plain_defaults_are_what_docker_fills_in(api: CheckedApi) -> None:
    host = api.ask("GET", f"/containers/{create(api, 'plain', ['true'])}/json").json["HostConfig"]
    assert host["IpcMode"] == "private"
    assert host["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert host["ShmSize"] == 64 * 1024 * 1024
    assert "/proc/kcore" in host["MaskedPaths"]
    assert "/proc/sys" in host["ReadonlyPaths"]
    assert {name: host[name] for name in ("Binds", "Dns", "VolumesFrom", "PidsLimit", "CapAdd")} == {
        "Binds": None,
        "Dns": None,
        "VolumesFrom": None,
        "PidsLimit": None,
        "CapAdd": None,
    }
    absent = {"Annotations", "Init", "Mounts", "StorageOpt", "Sysctls", "Tmpfs"}
    assert absent.isdisjoint(host)


def test_a_life(api: CheckedApi, container: str) -> None:
    path = f"/containers/{container}"
    api.ask("POST", f"{path}/start", expect=304)
    api.ask("POST", f"{path}/pause", expect=204)
    paused = api.ask("GET", f"{path}/json").json["State"]
    assert (paused["Status"], paused["Running"], paused["Paused"]) == ("paused", True, True)
    api.ask("POST", f"{path}/pause", expect=409)
    api.ask("POST", f"{path}/unpause", expect=204)
    api.ask("POST", f"{path}/rename", {"name": "renamed"}, expect=204)
    api.ask("POST", f"{path}/rename", {"name": "renamed"}, expect=400)
    api.ask("POST", f"{path}/resize", {"h": 24, "w": 80}, expect=200)
    api.ask("POST", f"{path}/restart", {"t": 0}, expect=204)
    api.ask("POST", f"{path}/kill", {"signal": "SIGKILL"}, expect=204)
    api.ask("POST", f"{path}/kill", expect=409)
    assert api.ask("POST", f"{path}/wait", {"condition": "not-running"}, expect=200).json["StatusCode"] == 137
    api.ask("POST", f"{path}/stop", {"t": 0}, expect=304)
    exited = api.ask("GET", "/containers/json", {"all": True, "filters": {"status": ["exited"]}}).json
    assert [line["State"] for line in exited] == ["exited"]
    assert exited[0]["Status"].startswith("Exited (137) ")
    assert exited[0]["Ports"] == []


def test_stop_answers_204_and_prune_lists_what_it_removed(api: CheckedApi, container: str) -> None:
    assert api.ask("POST", "/containers/prune", expect=200).json == {
        "ContainersDeleted": None,
        "SpaceReclaimed": 0,
    }
    api.ask("POST", f"/containers/{container}/stop", {"t": 0, "signal": "SIGKILL"}, expect=204)
    filters = {"label": ["missing"]}
    assert api.ask("POST", "/containers/prune", {"filters": filters}).json["ContainersDeleted"] is None
    assert api.ask("POST", "/containers/prune", expect=200).json["ContainersDeleted"] == [container]


def test_logs_are_frames_of_both_streams(api: CheckedApi) -> None:
    container = create(api, "talker", ["sh", "-c", "echo out; echo err >&2"])
    api.ask("POST", f"/containers/{container}/start", expect=204)
    api.ask("POST", f"/containers/{container}/wait", expect=200)
    logs = api.ask("GET", f"/containers/{container}/logs", {"stdout": True, "stderr": True}, expect=200)
    assert logs.headers.get_content_type() == "application/vnd.docker.multiplexed-stream"
    assert sorted(frames(logs.body)) == [(1, b"out\n"), (2, b"err\n")]
    stamped = api.ask(
        "GET", f"/containers/{container}/logs", {"stdout": True, "timestamps": True, "tail": "2"}
    )
    assert frames(stamped.body)[0][1].endswith(b"Z out\n")
    api.ask("GET", f"/containers/{container}/logs", expect=400)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        stream, size = struct.unpack(">B3xI", data[:8])
        found.append((stream, data[8 : 8 + size]))
        data = data[8 + size :]
    return found


def hijacked(
    api: CheckedApi, operation: str, path: str, query: dict[str, Any], body: Any = None
) -> tuple[socket.socket, bytes]:
    """The socket behind the head of an upgraded connection, and the head."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(api.socket_path))
    content = json.dumps(body).encode() if body is not None else b""
    head = (
        f"POST {api.url(path, query)} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    sock.sendall(head.encode() + content)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    api.exercised.setdefault(operation, set()).add(int(answer.split()[1]))
    return sock, answer


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def test_attach_is_upgraded_and_half_closed(api: CheckedApi) -> None:
    container = create(api, "cat", ["cat"], OpenStdin=True, StdinOnce=True, AttachStdin=True)
    query = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1}
    sock, head = hijacked(api, "ContainerAttach", f"/containers/{container}/attach", query)
    with sock:
        assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert b"Content-Type: application/vnd.docker.multiplexed-stream" in head
        api.ask("POST", f"/containers/{container}/start", expect=204)
        sock.sendall(b"through\n")
        sock.shutdown(socket.SHUT_WR)
        assert frames(read_all(sock)) == [(1, b"through\n")]
    assert api.ask("POST", f"/containers/{container}/attach", {"stdout": True}, expect=200)


def test_exec_from_creation_to_exit_code(api: CheckedApi, container: str) -> None:
    body = {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": ["sh", "-c", "echo hi; exit 3"],
        "User": "user",
    }
    exec_id = api.ask("POST", f"/containers/{container}/exec", body=body, expect=201).json["Id"]
    waiting = api.ask("GET", f"/exec/{exec_id}/json", expect=200).json
    assert (waiting["Running"], waiting["ExitCode"], waiting["ProcessConfig"]["entrypoint"]) == (
        False,
        None,
        "sh",
    )
    assert api.ask("GET", f"/containers/{container}/json").json["ExecIDs"] == [exec_id]
    sock, head = hijacked(api, "ExecStart", f"/exec/{exec_id}/start", {}, {"Detach": False, "Tty": False})
    with sock:
        assert b"101 UPGRADED" in head
        assert frames(read_all(sock)) == [(1, b"hi\n")]
    wait_until(lambda: api.ask("GET", f"/exec/{exec_id}/json").json["ExitCode"] == 3, "the exit code is 3")
    detached = api.ask(
        "POST", f"/containers/{container}/exec", body={"Cmd": ["sleep", "30"], "Tty": True}
    ).json["Id"]
    api.ask("POST", f"/exec/{detached}/start", body={"Detach": True, "Tty": True}, expect=200)
    api.ask("POST", f"/exec/{detached}/resize", {"h": 30, "w": 100}, expect=200)
    api.ask("POST", f"/exec/{detached}/start", body={"Detach": True}, expect=409)


def test_images_from_import_to_removal(api: CheckedApi) -> None:
    imported = api.ask(
        "POST",
        "/images/create",
        {"fromSrc": "-", "repo": "imported", "tag": "1"},
        raw=small_tar(),
        expect=200,
    )
    image_id = imported.lines[0]["status"]
    api.ask("POST", "/images/imported:1/tag", {"repo": "imported", "tag": "2"}, expect=201)
    listed = api.ask(
        "GET", "/images/json", {"shared-size": True, "filters": {"reference": ["imported"]}}, expect=200
    ).json
    assert sorted(listed[0]["RepoTags"]) == ["imported:1", "imported:2"]
    assert (listed[0]["Containers"], listed[0]["SharedSize"]) == (0, 0)
    assert api.ask("GET", "/images/imported:1/json", expect=200).json["Id"] == image_id
    assert api.ask("GET", "/images/imported:1/history", expect=200).json[0]["Id"] == image_id
    saved = api.ask("GET", "/images/imported:1/get", expect=200)
    assert saved.headers.get_content_type() == "application/x-tar"
    both = api.ask("GET", "/images/get", {"names": ["imported:1", "imported:2"]}, expect=200)
    removed = api.ask("DELETE", "/images/imported:1", expect=200).json
    assert removed == [{"Untagged": "imported:1"}]
    removed = api.ask("DELETE", "/images/imported:2", {"force": True}, expect=200).json
    assert {"Deleted": image_id} in removed
    loaded = api.ask(
        "POST",
        "/images/load",
        {"quiet": True},
        raw=both.body,
        headers={"Content-Type": "application/x-tar"},
        expect=200,
    )
    assert {"stream": "Loaded image: imported:2\n"} in loaded.lines
    pruned = api.ask(
        "POST",
        "/images/prune",
        {"filters": {"dangling": ["false"], "label": ["nobody-has-this"]}},
        expect=200,
    )
    assert pruned.json["ImagesDeleted"] is None
    api.ask("DELETE", f"/images/{image_id}", {"force": True}, expect=200)
    api.ask("GET", f"/images/{image_id}/json", expect=404)


def test_an_untagged_image_has_no_names(api: CheckedApi) -> None:
    image_id = api.ask("POST", "/images/create", {"fromSrc": "-"}, raw=small_tar("untagged")).lines[0][
        "status"
    ]
    listed = api.ask("GET", "/images/json", {"filters": {"dangling": ["true"]}}).json
    assert [(i["RepoTags"], i["RepoDigests"]) for i in listed if i["Id"] == image_id] == [([], [])]
    assert {"Deleted": image_id} in api.ask("POST", "/images/prune").json["ImagesDeleted"]


def test_build_and_its_cache(api: CheckedApi) -> None:
    context = small_tar("Dockerfile", f"FROM {IMAGE}\nRUN echo built > /built\nLABEL a=b\n".encode())
    query = {"t": "conformance:built", "labels": {"c": "d"}, "rm": True}
    built = api.ask(
        "POST", "/build", query, raw=context, headers={"Content-Type": "application/x-tar"}, expect=200
    )
    assert any(line.get("stream", "").startswith("Successfully built ") for line in built.lines)
    assert {"stream": "Successfully tagged conformance:built\n"} in built.lines
    config = api.ask("GET", "/images/conformance:built/json").json["Config"]
    assert config["Labels"] == {"a": "b", "c": "d"}
    usage = api.ask("GET", "/system/df", expect=200).json
    assert usage["BuildCache"]
    api.ask("DELETE", "/images/conformance:built", expect=200)
    assert api.ask("POST", "/build/prune", {"all": True}, expect=200).json["CachesDeleted"]


def test_a_failed_build_says_so_in_its_stream(api: CheckedApi) -> None:
    context = small_tar("Dockerfile", f"FROM {IMAGE}\nRUN exit 7\n".encode())
    lines = api.ask(
        "POST", "/build", raw=context, headers={"Content-Type": "application/x-tar"}, expect=200
    ).lines
    assert lines[-1]["errorDetail"]["code"] == 7
    assert lines[-1]["error"] == lines[-1]["errorDetail"]["message"]


def test_volumes(api: CheckedApi) -> None:
    body = {"Name": "conformance", "Labels": {BRIDGE_LABEL: "v"}}
    created = api.ask("POST", "/volumes/create", body=body, expect=201).json
    assert created["Labels"] == {BRIDGE_LABEL: "v"}
    assert api.ask("GET", "/volumes/conformance", expect=200).json == created
    listed = api.ask("GET", "/volumes", {"filters": {"label": [BRIDGE_LABEL]}}, expect=200).json
    assert [volume["Name"] for volume in listed["Volumes"]] == ["conformance"]
    usage = api.ask("GET", "/system/df", {"type": "volume"}, expect=200).json
    assert [v["UsageData"]["RefCount"] for v in usage["Volumes"] if v["Name"] == "conformance"] == [0]
    assert "Containers" not in usage
    container = create(api, "holder", ["true"], HostConfig={"Binds": ["conformance:/data"]})
    assert "volume is in use" in api.ask("DELETE", "/volumes/conformance", expect=409).message
    api.ask("DELETE", f"/containers/{container}", expect=204)
    api.ask("DELETE", "/volumes/conformance", expect=204)
    api.ask("DELETE", "/volumes/conformance", expect=404)
    anonymous = api.ask("POST", "/volumes/create", body={}, expect=201).json["Name"]
    assert anonymous in (
        api.ask("POST", "/volumes/prune", {"filters": {"all": ["true"]}}, expect=200).json["VolumesDeleted"]
        or ()
    )
    api.ask("PUT", "/volumes/conformance", {"version": 1}, body={"Spec": {}}, expect=503)


def test_networks(api: CheckedApi, container: str) -> None:
    listed = api.ask("GET", "/networks", expect=200).json
    assert {"bridge", "host", "none"} <= {network["Name"] for network in listed}
    bridge = api.ask("GET", "/networks/bridge", expect=200).json
    assert bridge["Containers"][container]["Name"] == "sleeper"
    api.ask("GET", "/networks/missing", expect=404)
    api.ask("POST", "/networks/prune", expect=200)
    if not is_served("POST", "/networks/{id}/connect"):
        return
    created = api.ask(
        "POST", "/networks/create", body={"Name": "conformance", "Labels": {BRIDGE_LABEL: "n"}}, expect=201
    ).json
    network_id = created["Id"]
    api.ask("POST", f"/networks/{network_id}/connect", body={"Container": container}, expect=200)
    inspected = api.ask("GET", f"/networks/{network_id}", expect=200).json
    assert list(inspected["Containers"]) == [container]
    networks = api.ask("GET", f"/containers/{container}/json").json["NetworkSettings"]["Networks"]
    assert sorted(networks) == ["bridge", "conformance"]
    assert "has active endpoints" in api.ask("DELETE", f"/networks/{network_id}", expect=403).message
    api.ask("POST", f"/networks/{network_id}/disconnect", body={"Container": container}, expect=200)
    api.ask("DELETE", f"/networks/{network_id}", expect=204)
    api.ask("DELETE", "/networks/bridge", expect=403)


def test_events_tell_a_life_in_order(api: CheckedApi) -> None:
    since = time.time()
    container = create(api, "eventful", ["true"])
    api.ask("POST", f"/containers/{container}/start", expect=204)
    api.ask("POST", f"/containers/{container}/wait", expect=200)
    api.ask("DELETE", f"/containers/{container}", expect=204)
    query = {"since": f"{since:.9f}", "until": f"{time.time():.9f}", "filters": {"container": ["eventful"]}}
    lines = api.ask("GET", "/events", query, expect=200).lines
    assert [line["Action"] for line in lines if line["Type"] == "container"] == [
        "create",
        "start",
        "die",
        "destroy",
    ]
    assert lines[0]["Actor"]["Attributes"] == {"image": IMAGE, "name": "eventful"}
    api.ask("GET", "/events", {"since": "2", "until": "1"}, expect=400)


def test_files_in_and_out(api: CheckedApi, container: str) -> None:
    if not is_served("PUT", "/containers/{id}/archive"):
        return
    path = f"/containers/{container}/archive"
    tar = {"Content-Type": "application/x-tar"}
    api.ask("PUT", path, {"path": "/tmp"}, raw=small_tar(), headers=tar, expect=200)
    head = api.ask("HEAD", path, {"path": "/tmp/hello.txt"}, expect=200)
    assert head.headers["X-Docker-Container-Path-Stat"]
    got = api.ask("GET", path, {"path": "/tmp/hello.txt"}, expect=200)
    with tarfile.open(fileobj=io.BytesIO(got.body)) as archive:
        assert archive.getnames() == ["hello.txt"]
    api.ask("GET", path, {"path": "/missing"}, expect=404)
    if is_served("GET", "/containers/{id}/changes"):
        changes = api.ask("GET", f"/containers/{container}/changes", expect=200).json
        assert {"Path": "/tmp/hello.txt", "Kind": 1} in changes
    if is_served("GET", "/containers/{id}/export"):
        exported = api.ask("GET", f"/containers/{container}/export", expect=200)
        with tarfile.open(fileobj=io.BytesIO(exported.body)) as archive:
            assert "tmp/hello.txt" in archive.getnames()


def test_looking_into_a_running_container(api: CheckedApi, container: str) -> None:
    if is_served("GET", "/containers/{id}/top"):
        top = api.ask("GET", f"/containers/{container}/top", expect=200).json
        assert any("sleep 300" in " ".join(line) for line in top["Processes"])
    if is_served("GET", "/containers/{id}/stats"):
        stats = api.ask(
            "GET", f"/containers/{container}/stats", {"stream": False, "one-shot": True}, expect=200
        ).json
        assert stats["pids_stats"]["current"] >= 1
    if is_served("POST", "/containers/{id}/update"):
        updated = api.ask("POST", f"/containers/{container}/update", body={"PidsLimit": 100}, expect=200).json
        assert updated["Warnings"] in (None, [])
        assert api.ask("GET", f"/containers/{container}/json").json["HostConfig"]["PidsLimit"] == 100


def test_commit(api: CheckedApi, container: str) -> None:
    if not is_served("POST", "/commit"):
        return
    query = {"container": container, "repo": "committed", "tag": "1", "comment": "kept", "author": "somebody"}
    image_id = api.ask("POST", "/commit", query, body={"Labels": {"x": "y"}}, expect=201).json["Id"]
    inspected = api.ask("GET", "/images/committed:1/json").json
    assert (inspected["Id"], inspected["Author"]) == (image_id, "somebody")
    api.ask("DELETE", "/images/committed:1", expect=200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/swarm", 503),
        ("GET", "/nodes", 503),
        ("GET", "/services", 503),
        ("POST", "/services/create", 503),
        ("GET", "/tasks/x", 503),
        ("GET", "/secrets", 503),
        ("GET", "/configs", 503),
        ("POST", "/plugins/x/enable", 501),
        ("GET", "/plugins/x/json", 501),
    ],
)
def test_swarm_and_plugins_are_refused_politely(api: CheckedApi, method: str, path: str, status: int) -> None:
    answer = api.send(method, path)
    assert answer.status == status
    assert not api.document.definition_faults("ErrorResponse", answer.json)


def test_what_is_not_there_is_404(api: CheckedApi) -> None:
    for operation in api.document.operations:
        if is_served(operation.method, operation.template) and operation.template.startswith(
            ("/containers/{id}", "/images/{name}", "/exec/{id}", "/networks/{id}", "/volumes/{name}")
        ):
            path = operation.template.replace("{id}", "missing").replace("{name}", "missing")
            query = {"path": "/", "condition": "", "stdout": 1, "repo": "x", "name": "x"}
            answer = api.send(
                operation.method, path, query, body={"Cmd": ["x"]} if operation.method == "POST" else None
            )
            if operation.name == "ImagePush":  # says so in its stream, as Docker does
                assert "does not exist locally" in answer.lines[-1]["error"]
                continue
            assert answer.status in (404, 503), (operation.name, answer.status, answer.body)


def test_a_websocket_is_opened(api: CheckedApi, container: str) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = api.ask(
        "GET",
        f"/containers/{container}/attach/ws",
        {"logs": True, "stdout": True},
        headers=headers,
        expect=101,
    )
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


def test_a_session_is_opened(api: CheckedApi) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "h2c",
        "X-Docker-Expose-Session-Uuid": "conformance",
        "X-Docker-Expose-Session-Name": "conformance",
    }
    assert api.ask("POST", "/session", headers=headers, expect=101).headers["Upgrade"] == "h2c"


def test_every_operation_was_exercised(api: CheckedApi, exercised: dict[str, set[int]]) -> None:
    """Runs last: each operation outside Swarm and plugins succeeded above, or is refused by name."""
    apart = ("/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs", "/plugins")
    wanted = [operation for operation in api.document.operations if not operation.template.startswith(apart)]
    assert len(wanted) == 66
    refused = (
        {**REFUSED}
        if is_served("POST", "/networks/{id}/connect")
        else {**REFUSED, "NetworkCreate": "not yet"}
    )
    missing = [
        operation.name
        for operation in wanted
        if is_served(operation.method, operation.template)
        and operation.name not in refused
        and not any(status < 400 for status in exercised.get(operation.name, ()))
    ]
    assert not missing, f"served, but not exercised: {missing}"


# Served, and not by this engine alone.
REFUSED = {
    "SystemAuth": "needs a registry",
    "ImagePush": "needs a registry",
    "ImageSearch": "needs a registry",
    "DistributionInspect": "needs a registry",
    "VolumeUpdate": "only cluster volumes can be updated",
}
