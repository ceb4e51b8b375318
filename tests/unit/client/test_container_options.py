# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.client.objects.execs import plan_exec
from sampan.client.objects.options import ContainerOptions, plan_container, plan_ports, split_command
from sampan.client.objects.sandbox import DEFAULTS
from sampan.errors import InvalidArgument


def host(**options: object) -> dict[str, object]:
    return plan_container("i", None, options)["HostConfig"]  # type: ignore[arg-type, no-any-return]


def test_without_options_only_the_image_is_named() -> None:
    assert plan_container("i", None, {}) == {"Image": "i", "HostConfig": {"NetworkMode": "default"}}


def test_what_belongs_to_the_image_goes_into_the_config() -> None:
    options: ContainerOptions = {
        "entrypoint": "sh -c",
        "environment": {"A": "b"},
        "user": "u",
        "workdir": "/w",
        "hostname": "h",
        "labels": {"l": "m"},
        "tty": True,
        "stop_signal": "INT",
        "stop_timeout_s": 3,
    }
    body = plan_container("i", ["a b"], options)
    del body["HostConfig"]
    assert body == {
        "Image": "i",
        "Cmd": ["a b"],
        "Entrypoint": ["sh", "-c"],
        "Env": ["A=b"],
        "User": "u",
        "WorkingDir": "/w",
        "Hostname": "h",
        "Labels": {"l": "m"},
        "Tty": True,
        "StopSignal": "INT",
        "StopTimeout": 3,
    }


def test_limits_are_said_in_the_apis_units() -> None:
    assert host(
        memory="256m",
        memory_swap="-1",
        shm_size=4096,
        cpus=1.5,
        pids_limit=64,
        ulimits={"nofile": 9, "nproc": (1, 2)},
    ) == {
        "NetworkMode": "default",
        "Memory": 256 << 20,
        "MemorySwap": -1,
        "ShmSize": 4096,
        "NanoCpus": 1_500_000_000,
        "PidsLimit": 64,
        "Ulimits": [{"Name": "nofile", "Soft": 9, "Hard": 9}, {"Name": "nproc", "Soft": 1, "Hard": 2}],
    }


def test_volumes_and_tmpfs_have_two_forms_each() -> None:
    assert host(volumes={"/a": "/b:ro"}, tmpfs=["/t"]) == host(volumes=["/a:/b:ro"], tmpfs={"/t": ""})


def test_devices_have_dockers_defaults() -> None:
    assert host(devices=["/dev/a", "/dev/a:/dev/b:r"])["Devices"] == [
        {"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"},
        {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"},
    ]


def test_ports_are_published_anywhere_at_a_port_or_at_an_address() -> None:
    exposed, bindings = plan_ports({80: 8080, "53/udp": None, 443: ("127.0.0.1", None), 1: ("::1", 2)})  # type: ignore[dict-item]
    assert bindings == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "", "HostPort": ""}],
        "443/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
        "1/tcp": [{"HostIp": "::1", "HostPort": "2"}],
    }
    assert exposed == {key: {} for key in bindings}


def test_an_endpoint_is_described_on_its_network() -> None:
    body = plan_container("i", None, {"network": "n", "network_aliases": ["a"], "ip": "10.0.0.2"})
    assert body["HostConfig"]["NetworkMode"] == "n"
    assert body["NetworkingConfig"] == {
        "EndpointsConfig": {"n": {"Aliases": ["a"], "IPAMConfig": {"IPv4Address": "10.0.0.2"}}}
    }


def test_restart_and_logs() -> None:
    assert host(restart="on-failure:3")["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host(log_driver="none")["LogConfig"] == {"Type": "none", "Config": {}}
    with pytest.raises(InvalidArgument, match="restart on-failure:x: x is not a number"):
        host(restart="on-failure:x")


def test_what_has_no_option_is_merged_in_as_the_api_spells_it() -> None:
    body = plan_container(
        "i", None, {"memory": 1, "config": {"Domainname": "d"}, "host_config": {"Memory": 2}}
    )
    assert (body["Domainname"], body["HostConfig"]["Memory"]) == ("d", 2)


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="unknown option memroy"):
        host(memroy=1)


def test_a_line_is_split_as_a_shell_does() -> None:
    assert split_command("a 'b c' $d") == ["a", "b c", "$d"]
    assert plan_exec("a b", {"tty": True, "environment": {"A": ""}})["Cmd"] == ["a", "b"]


def test_the_sandbox_gives_a_snippet_next_to_nothing() -> None:
    planned = plan_container("i", ["x"], DEFAULTS)
    assert planned["User"] == "65534:65534"
    assert planned["HostConfig"] == {
        "NetworkMode": "none",
        "Memory": 256 << 20,
        "MemorySwap": 256 << 20,
        "PidsLimit": 64,
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": {"/tmp": "size=16m,mode=1777"},
        "LogConfig": {"Type": "none", "Config": {}},
    }
