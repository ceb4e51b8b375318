# SPDX-License-Identifier: Apache-2.0
"""What a new container may not ask for, in the words of Docker 28."""

from __future__ import annotations

import pytest

from sampan.engine.create_checks import check_config, check_host_config
from sampan.engine.limit_checks import Bounds, check_limits
from sampan.engine.privileges import plan_capabilities
from sampan.errors import InvalidArgument
from sampan.schema.container import (
    ContainerCreate,
    DeviceMapping,
    HostConfig,
    LogConfig,
    NetworkingConfig,
    PortBinding,
    RestartPolicy,
)

BOUNDS = Bounds(cpus="0-1", mems="0", hard_limits={}, oom_score=0)
MB = 1 << 20


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (
            ContainerCreate(working_dir="rel"),
            "the working directory 'rel' is invalid, it needs to be an absolute path",
        ),
        (ContainerCreate(stop_signal="FOO"), "invalid signal: FOO"),
        (ContainerCreate(env=["A=1", "=x"]), "invalid environment variable: =x"),
        (
            ContainerCreate(networking_config=NetworkingConfig(endpoints_config={"bridge": None})),
            "invalid config for network bridge: EndpointsConfig is nil",
        ),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(create: ContainerCreate, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_config(create)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (HostConfig(restart_policy=RestartPolicy(name="sometimes")), "unknown policy 'sometimes'"),
        (
            HostConfig(auto_remove=True, restart_policy=RestartPolicy(name="always")),
            "can't create 'AutoRemove'",
        ),
        (HostConfig(device_requests=[{"Driver": "nvidia"}]), 'could not select device driver "nvidia"'),
        (
            HostConfig(log_config=LogConfig(type="foo")),
            'error looking up logging plugin foo: plugin "foo" not found',
        ),
        (HostConfig(pid_mode="nonsense"), "invalid PID mode: nonsense"),
        (HostConfig(pid_mode="container:"), "invalid PID mode: container:"),
        (HostConfig(ipc_mode="x"), "invalid IPC mode: x"),
        (HostConfig(uts_mode="container:a"), "invalid UTS mode: container:a"),
        (HostConfig(cgroupns_mode="x"), "invalid cgroup namespace mode: x"),
        (HostConfig(isolation="hyperv"), "invalid isolation (hyperv): linux only supports 'default'"),
        (HostConfig(network_mode="container:"), "invalid container format container:<name|id>"),
        (HostConfig(port_bindings={"abc": None}), 'invalid port specification: "abc"'),
        (HostConfig(port_bindings={"80/tcp": [PortBinding(host_port="70000")]}), 'specification: "70000"'),
        (HostConfig(port_bindings={"80/tcp": [PortBinding(host_port="1-x")]}), 'specification: "1-x"'),
        (HostConfig(devices=[DeviceMapping(cgroup_permissions="xyz")]), "invalid device mode: xyz"),
        (HostConfig(extra_hosts=["foo"]), 'bad format for add-host: "foo"'),
        (HostConfig(extra_hosts=["a:foo"]), 'invalid IP address in add-host: "foo"'),
        (HostConfig(annotations={"": "x"}), "the empty string is not permitted as an annotation key"),
    ],
)
def test_a_host_configuration_that_cannot_be_is_refused(host: HostConfig, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_host_config(host)
    assert message in caught.value.message


def test_modes_that_exist_pass() -> None:
    for mode in ("", "none", "private", "shareable", "host", "container:a"):
        check_host_config(HostConfig(ipc_mode=mode))
    check_host_config(
        HostConfig(
            network_mode="container:a",
            port_bindings={"80": [PortBinding(), PortBinding(host_port="8000-8010")], "53/udp": None},
            extra_hosts=["a:1.2.3.4", "b:host-gateway"],
        )
    )


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (HostConfig(memory=MB), "Minimum memory limit allowed is 6MB"),
        (HostConfig(memory_reservation=1000), "Minimum memory reservation allowed is 6MB"),
        (
            HostConfig(memory=64 * MB, memory_swap=MB),
            "Minimum memoryswap limit should be larger than memory limit",
        ),
        (HostConfig(memory_swap=MB), "You should always set the Memory limit when using Memoryswap limit"),
        (
            HostConfig(memory=64 * MB, memory_reservation=65 * MB),
            "can not be less than memory reservation limit",
        ),
        (HostConfig(memory_swappiness=200), "Invalid value: 200, valid memory swappiness range is 0-100"),
        (
            HostConfig(nano_cpus=3 * 10**9),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        ),
        (HostConfig(nano_cpus=-1), "range of CPUs is from 0.01 to 2.00"),
        (HostConfig(nano_cpus=10**9, cpu_quota=5000), "Nano CPUs and CPU Quota cannot both be set"),
        (HostConfig(nano_cpus=10**9, cpu_period=5000), "Nano CPUs and CPU Period cannot both be set"),
        (HostConfig(cpu_period=10), "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s"),
        (HostConfig(cpu_quota=10), "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        (HostConfig(cpu_shares=-1), "invalid CPU shares (-1): value must be a positive integer"),
    ],
)
def test_figures_that_no_kernel_takes_are_refused(host: HostConfig, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_limits(host, BOUNDS)
    assert message in caught.value.message


def test_an_unknown_capability_is_named_with_its_option() -> None:
    with pytest.raises(InvalidArgument, match='invalid CapDrop: unknown capability: "CAP_FOO"'):
        plan_capabilities((), add=(), drop=("foo",), privileged=False)
