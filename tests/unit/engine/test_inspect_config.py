# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sampan.engine.inspect_config import describe_config, describe_host_config
from sampan.schema.container import (
    BindOptions,
    ContainerConfig,
    HealthConfig,
    HostConfig,
    Mount,
    VolumeOptions,
)


def test_what_go_omits_is_absent_and_the_rest_is_there() -> None:
    config = describe_config(ContainerConfig())
    assert {"StopSignal", "StopTimeout", "Shell", "Healthcheck", "ExposedPorts"}.isdisjoint(config)
    assert (config["Cmd"], config["Env"], config["User"], config["Tty"]) == (None, None, "", False)


def test_a_zero_that_somebody_asked_for_stays() -> None:
    assert describe_config(ContainerConfig(stop_timeout=0))["StopTimeout"] == 0
    assert describe_host_config(HostConfig(init=False))["Init"] is False


def test_a_health_check_has_only_what_was_said() -> None:
    config = describe_config(ContainerConfig(healthcheck=HealthConfig(test=["NONE"])))
    assert config["Healthcheck"] == {"Test": ["NONE"]}


def test_a_mount_leaves_out_what_is_empty_at_every_depth() -> None:
    host = HostConfig(
        mounts=[
            Mount(type="bind", source="/a", target="/b", bind_options=BindOptions(propagation="rslave")),
            Mount(type="volume", target="/c", read_only=True, volume_options=VolumeOptions(no_copy=True)),
        ]
    )
    assert describe_host_config(host)["Mounts"] == [
        {"Type": "bind", "Source": "/a", "Target": "/b", "BindOptions": {"Propagation": "rslave"}},
        {"Type": "volume", "Target": "/c", "ReadOnly": True, "VolumeOptions": {"NoCopy": True}},
    ]


def test_a_privileged_container_has_no_masked_paths() -> None:
    privileged, plain = describe_host_config(HostConfig(privileged=True)), describe_host_config(HostConfig())
    assert (privileged["MaskedPaths"], privileged["ReadonlyPaths"]) == (None, None)
    assert "/proc/kcore" in plain["MaskedPaths"]
    assert describe_host_config(HostConfig(masked_paths=[]))["MaskedPaths"] == []
