# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.engine.create import command_line, merge_config, normalise_host_config, plan_warnings, program_env
from sampan.errors import InvalidArgument
from sampan.schema.container import ContainerConfig, ContainerCreate, HealthConfig, HostConfig, PortBinding

IMAGE = {
    "Env": ["PATH=/image/bin", "LANG=C.UTF-8"],
    "Cmd": ["python3"],
    "Entrypoint": ["/entry"],
    "WorkingDir": "/code",
    "User": "app",
    "Labels": {"a": "image", "b": "image"},
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}},
    "StopSignal": "SIGINT",
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5, "Retries": 4},
}


def merged(**create: object) -> ContainerConfig:
    return merge_config(ContainerCreate(**create), IMAGE)


def test_what_the_user_leaves_out_comes_from_the_image():
    config = merged()
    assert command_line(config) == ["/entry", "python3"]
    assert (config.working_dir, config.user, config.stop_signal) == ("/code", "app", "SIGINT")
    assert set(config.exposed_ports or {}) == {"80/tcp"}


def test_a_command_keeps_the_entry_point():
    assert command_line(merged(cmd=["sh"])) == ["/entry", "sh"]


def test_an_entry_point_drops_the_command_of_the_image():
    assert command_line(merged(entrypoint=["top"])) == ["top"]


def test_an_empty_entry_point_resets_it():
    assert command_line(merged(entrypoint=[""], cmd=["ls"])) == ["ls"]


def test_docker_sends_an_empty_list_to_reset_the_entry_point():
    assert command_line(merged(entrypoint=[], cmd=["ls"])) == ["ls"]


def test_a_string_means_a_list_of_one():
    assert command_line(merged(cmd="ls", entrypoint=["sh"])) == ["sh", "ls"]


def test_nothing_to_run_is_refused():
    with pytest.raises(InvalidArgument, match="no command specified"):
        command_line(merge_config(ContainerCreate(), {}))


def test_variables_of_the_user_win():
    config = merged(env=["LANG=de", "NEW=1"])
    env = program_env(config, hostname="h")
    assert env == ["PATH=/image/bin", "HOSTNAME=h", "LANG=de", "NEW=1"]


def test_a_name_alone_removes_a_variable():
    assert "HOSTNAME" not in "".join(program_env(merged(env=["HOSTNAME"]), hostname="h"))


def test_a_terminal_sets_term():
    assert "TERM=xterm" in program_env(merged(tty=True), hostname="h")


def test_labels_are_merged():
    assert merged(labels={"b": "user"}).labels == {"a": "image", "b": "user"}


def test_health_fields_left_out_come_from_the_image():
    config = merged(healthcheck=HealthConfig(interval=9))
    assert config.healthcheck is not None
    assert (config.healthcheck.test, config.healthcheck.interval, config.healthcheck.retries) == (
        ["CMD", "true"],
        9,
        4,
    )


def test_inspect_shows_the_defaults():
    host = normalise_host_config(HostConfig())
    assert (host.network_mode, host.restart_policy.name, host.shm_size) == ("bridge", "no", 67108864)


def test_sharing_the_hosts_processes_is_noted_as_docker_notes_it():
    assert normalise_host_config(HostConfig(pid_mode="host")).security_opt == ["label=disable"]
    assert normalise_host_config(
        HostConfig(privileged=True, security_opt=["label=disable"])
    ).security_opt == ["label=disable"]
    assert normalise_host_config(HostConfig()).security_opt is None


def test_half_a_console_size_is_completed():
    assert normalise_host_config(HostConfig(console_size=[24])).console_size == [24, 0]


def test_ports_are_not_published_on_the_hosts_own_network():
    host = HostConfig(network_mode="host", port_bindings={"80/tcp": [PortBinding(host_port="80")]})
    assert plan_warnings(host) == ["Published ports are discarded when using host network mode"]
