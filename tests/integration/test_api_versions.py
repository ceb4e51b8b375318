# SPDX-License-Identifier: Apache-2.0
"""Every version from 1.24 to 1.51 sees the fields that its own document had: what came later is not there yet, what
went later is still there. Source: moby api/docs/CHANGELOG.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from checked_api import CheckedApi
from integration.engine_process import EngineProcess

IMAGE = "busybox:latest"
OLDEST, NEWEST = 24, 51

# What is asked → (field, first and last minor version that have it).
FIELDS: dict[str, list[tuple[str, int, int]]] = {
    "/containers/versioned/json": [
        ("Config.Healthcheck.StartInterval", 44, NEWEST),
        ("Config.Healthcheck.StartPeriod", 29, NEWEST),
        ("Config.StopTimeout", 25, NEWEST),
        ("HostConfig.Annotations", 43, NEWEST),
        ("HostConfig.AutoRemove", 25, NEWEST),
        ("HostConfig.CgroupnsMode", 41, NEWEST),
        ("HostConfig.DeviceCgroupRules", 28, NEWEST),
        ("HostConfig.DeviceRequests", 40, NEWEST),
        ("HostConfig.KernelMemory", OLDEST, 41),
        ("HostConfig.KernelMemoryTCP", 40, 41),
        ("HostConfig.Mounts", 25, NEWEST),
        ("HostConfig.NanoCpus", 25, NEWEST),
        ("NetworkSettings.Networks.bridge.DNSNames", 44, NEWEST),
        ("NetworkSettings.Networks.bridge.GwPriority", 48, NEWEST),
        ("NetworkSettings.IPAddress", OLDEST, NEWEST),
        ("NetworkSettings.HairpinMode", OLDEST, NEWEST),
    ],
    "/containers/json?all=1": [
        ("0.HostConfig.Annotations", 46, NEWEST),
        ("0.NetworkSettings.Networks.bridge.GwPriority", 48, NEWEST),
    ],
    f"/images/{IMAGE}/json": [
        ("Config.Hostname", OLDEST, 49),
        ("Config.OpenStdin", OLDEST, 49),
        ("Config.Cmd", OLDEST, NEWEST),
        ("Container", OLDEST, 44),
        ("ContainerConfig.Hostname", OLDEST, 44),
        ("VirtualSize", OLDEST, 43),
        ("GraphDriver", OLDEST, NEWEST),
        ("Parent", OLDEST, NEWEST),
        ("DockerVersion", OLDEST, NEWEST),
    ],
    "/images/json": [("0.VirtualSize", OLDEST, 43), ("0.Size", OLDEST, NEWEST)],
    "/system/df": [
        ("BuilderSize", OLDEST, 41),
        ("Images.0.VirtualSize", OLDEST, 43),
        ("Containers.0.HostConfig.Annotations", 46, NEWEST),
        ("Volumes.0.CreatedAt", 31, NEWEST),
    ],
    "/info": [
        ("BridgeNfIptables", OLDEST, 49),
        ("BridgeNfIp6tables", OLDEST, 49),
        ("CDISpecDirs", 44, NEWEST),
        ("CgroupVersion", 41, NEWEST),
        ("FirewallBackend", 49, NEWEST),
        ("InitCommit.Expected", OLDEST, 48),
        ("Isolation", 25, NEWEST),
        ("KernelMemory", OLDEST, 41),
        ("PidsLimit", 40, NEWEST),
        ("RegistryConfig.AllowNondistributableArtifactsCIDRs", OLDEST, 48),
        ("Warnings", 39, NEWEST),
    ],
    "/version": [
        ("Components", 35, NEWEST),
        ("MinAPIVersion", 25, NEWEST),
        ("Platform", 35, NEWEST),
        ("ApiVersion", OLDEST, NEWEST),
    ],
    "/networks/bridge": [("Created", 25, NEWEST), ("EnableIPv4", 48, NEWEST), ("Ingress", 29, NEWEST)],
    "/networks": [("0.Created", 25, NEWEST), ("0.EnableIPv4", 48, NEWEST)],
    "/volumes/versioned": [("CreatedAt", 31, NEWEST), ("Options", 25, NEWEST)],
    "/volumes": [("Volumes.0.CreatedAt", 31, NEWEST), ("Volumes.0.Options", 25, NEWEST)],
}

CREATE: dict[str, Any] = {
    "Image": IMAGE,
    "Cmd": ["sleep", "300"],
    "StopTimeout": 1,
    "Healthcheck": {"Test": ["NONE"], "StartPeriod": 1_000_000_000, "StartInterval": 2_000_000_000},
    "HostConfig": {
        "Annotations": {"a": "b"},
        "Mounts": [{"Type": "volume", "Source": "versioned", "Target": "/v"}],
    },
}


def api_of(engine: EngineProcess, minor: int) -> CheckedApi:
    return CheckedApi(engine.socket, version=f"1.{minor}")


@pytest.fixture
def described(engine: EngineProcess) -> Iterator[EngineProcess]:
    """An engine with a running container that has something of everything."""
    api = api_of(engine, NEWEST)
    api.ask("POST", "/containers/create", {"name": "versioned"}, body=CREATE, expect=201)
    api.ask("POST", "/containers/versioned/start", expect=204)
    yield engine
    api.ask("DELETE", "/containers/versioned", {"force": True}, expect=204)
    api.ask("DELETE", "/volumes/versioned", expect=204)


def has(value: Any, path: str) -> bool:
    for name in path.split("."):
        if name.isdigit() and isinstance(value, list):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return False
    return True


@pytest.mark.parametrize("minor", range(OLDEST, NEWEST + 1))
def test_fields_appear_and_vanish_with_the_version(described: EngineProcess, minor: int) -> None:
    api = api_of(described, minor)
    wrong = []
    for path, fields in FIELDS.items():
        answer = api.send("GET", path)
        assert answer.status == 200, (path, answer.body)
        wrong += [
            (path, name, "absent" if first <= minor <= last else "present")
            for name, first, last in fields
            if has(answer.json, name) != (first <= minor <= last)
        ]
    assert not wrong


@pytest.mark.parametrize(
    ("minor", "names"), [(42, (["<none>:<none>"], ["<none>@<none>"])), (43, ([], []))], ids=["1.42", "1.43"]
)
def test_an_image_without_names(
    engine: EngineProcess, minor: int, names: tuple[list[str], list[str]]
) -> None:
    api = api_of(engine, minor)
    image_id = api.send("POST", "/images/create", {"fromSrc": "-"}, raw=b"\0" * 1024).lines[0]["status"]
    listed = {image["Id"]: image for image in api.send("GET", "/images/json").json}
    assert (listed[image_id]["RepoTags"], listed[image_id]["RepoDigests"]) == names
    api.send("DELETE", f"/images/{image_id}")


def test_containers_of_an_image_are_counted_since_1_51(described: EngineProcess) -> None:
    def count(minor: int) -> int:
        listed = api_of(described, minor).send("GET", "/images/json").json
        return next(int(image["Containers"]) for image in listed if IMAGE in image["RepoTags"])

    assert (count(50), count(51)) == (-1, 1)
    usage = api_of(described, 50).send("GET", "/system/df").json["Images"]
    assert next(image["Containers"] for image in usage if IMAGE in image["RepoTags"]) == 1


def test_security_options_were_plain_words_before_1_25(engine: EngineProcess) -> None:
    assert "seccomp" in api_of(engine, 24).send("GET", "/info").json["SecurityOptions"]
    assert "name=seccomp,profile=builtin" in api_of(engine, 25).send("GET", "/info").json["SecurityOptions"]


@pytest.mark.parametrize(
    ("minor", "kind"), [(41, "raw-stream"), (42, "multiplexed-stream")], ids=["1.41", "1.42"]
)
def test_logs_name_their_framing_since_1_42(described: EngineProcess, minor: int, kind: str) -> None:
    answer = api_of(described, minor).send("GET", "/containers/versioned/logs", {"stdout": 1})
    assert answer.headers.get_content_type() == f"application/vnd.docker.{kind}"


def test_a_wait_condition_is_known_since_1_30(described: EngineProcess) -> None:
    assert (
        api_of(described, 30).send("POST", "/containers/versioned/wait", {"condition": "bad"}).status == 400
    )


def test_old_events_carry_the_old_fields_at_every_version(described: EngineProcess) -> None:
    for minor in (24, 51):
        query = {"since": "1", "until": f"{time.time():.6f}", "filters": '{"event":["start"]}'}
        lines = api_of(described, minor).send("GET", "/events", query).lines
        assert (lines[-1]["status"], lines[-1]["from"]) == ("start", IMAGE)


@pytest.mark.parametrize("version", ["1.52", "1.99", "2.0", "1.23", "0.9"])
def test_versions_out_of_range_are_refused(engine: EngineProcess, version: str) -> None:
    answer = CheckedApi(engine.socket, version=version).send("GET", "/info")
    assert answer.status == 400
    assert "too new" in answer.message or "too old" in answer.message


class TestCreate:
    """What a request for a container means depends on the version that it speaks."""

    def ask(self, engine: EngineProcess, minor: int, body: dict[str, Any]) -> Any:
        api = api_of(engine, minor)
        answer = api.send("POST", "/containers/create", body={"Image": IMAGE, "Cmd": ["true"], **body})
        if answer.status != 201:
            return answer.message
        created = answer.json
        shown = api_of(engine, NEWEST).send("GET", f"/containers/{created['Id']}/json").json
        return shown | {"Warnings": created["Warnings"]}

    def test_the_ipc_namespace_was_shareable_before_1_40(self, engine: EngineProcess) -> None:
        assert self.ask(engine, 39, {})["HostConfig"]["IpcMode"] == "shareable"
        assert self.ask(engine, 40, {})["HostConfig"]["IpcMode"] == "private"

    def test_clients_removed_containers_themselves_before_1_25(self, engine: EngineProcess) -> None:
        body = {"HostConfig": {"AutoRemove": True}}
        assert self.ask(engine, 24, body)["HostConfig"]["AutoRemove"] is False
        assert self.ask(engine, 25, body)["HostConfig"]["AutoRemove"] is True

    def test_later_fields_are_ignored(self, engine: EngineProcess) -> None:
        body = {
            "HostConfig": {"Annotations": {"a": "b"}, "ConsoleSize": [10, 20]},
            "Healthcheck": {"Test": ["CMD", "true"], "StartInterval": 1_000_000_000},
        }
        old, new = self.ask(engine, 41, body), self.ask(engine, 44, body)
        assert "Annotations" not in old["HostConfig"]
        assert old["HostConfig"]["ConsoleSize"] == [0, 0]
        assert "StartInterval" not in old["Config"]["Healthcheck"]
        assert new["HostConfig"]["Annotations"] == {"a": "b"}
        assert new["HostConfig"]["ConsoleSize"] == [10, 20]
        assert new["Config"]["Healthcheck"]["StartInterval"] == 1_000_000_000

    def test_options_of_another_mount_type_are_refused_since_1_42(self, engine: EngineProcess) -> None:
        mount = {"Type": "tmpfs", "Target": "/t", "VolumeOptions": {"NoCopy": True}}
        body = {"HostConfig": {"Mounts": [mount]}}
        assert self.ask(engine, 42, body) == 'VolumeOptions must not be specified on mount type "tmpfs"'
        assert "Id" in self.ask(engine, 41, body)

    def test_a_subpath_needs_1_45(self, engine: EngineProcess) -> None:
        mount = {"Type": "volume", "Target": "/t", "Source": "v", "VolumeOptions": {"Subpath": "x"}}
        body = {"HostConfig": {"Mounts": [mount]}}
        assert self.ask(engine, 44, body) == "VolumeOptions.Subpath needs API v1.45 or newer"

    def test_several_networks_need_1_44(self, engine: EngineProcess) -> None:
        body = {"NetworkingConfig": {"EndpointsConfig": {"bridge": {}, "other": {}}}}
        assert "cannot be created with multiple network endpoints" in self.ask(engine, 43, body)

    def test_a_container_wide_mac_address_is_outdated_since_1_44(self, engine: EngineProcess) -> None:
        body = {"MacAddress": "02:42:ac:11:00:77"}
        assert self.ask(engine, 43, body)["Warnings"] == []
        assert "now deprecated" in self.ask(engine, 44, body)["Warnings"][0]
        host = body | {"HostConfig": {"NetworkMode": "host"}}
        assert self.ask(engine, 44, host) == "conflicting options: mac-address and the network mode"
