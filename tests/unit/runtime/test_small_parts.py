# SPDX-License-Identifier: Apache-2.0
"""Pure parts of the runtime: failures on the wire, environments, maps, sysctl names, profiles, signals."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from referencing.jsonschema import DRAFT4 as _DRAFT

from sampan.errors import InvalidArgument, Unsupported
from sampan.linux import namespace
from sampan.runtime.actions import parse_signal
from sampan.runtime.failure import ExecFailed, SetupFailed, decode_failure, encode_failure, exit_code_of
from sampan.runtime.features import describe_features, example_config
from sampan.runtime.program import parse_environment
from sampan.runtime.scheduling import parse_cpu_list
from sampan.runtime.seccomp_profile import docker_profile_to_oci, kernel_version, load_default_profile
from sampan.runtime.spawn import format_id_map, plan_namespaces
from sampan.runtime.sysctl import sysctl_path


def test_an_exec_failure_crosses_with_its_exit_code() -> None:
    sent = encode_failure(ExecFailed(errno.EACCES, "exec: no"), "find program")
    received = decode_failure(sent)
    assert isinstance(received, ExecFailed)
    assert (received.message, received.errno, received.exit_code) == ("exec: no", errno.EACCES, 126)


def test_an_error_of_the_system_crosses_with_its_stage() -> None:
    received = decode_failure(encode_failure(OSError(errno.EBUSY, "busy", "/x"), "mount proc at /proc"))
    assert isinstance(received, SetupFailed)
    assert (received.stage, received.errno) == ("mount proc at /proc", errno.EBUSY)
    assert received.message.startswith("mount proc at /proc: ")


def test_a_refused_config_stays_a_refused_config() -> None:
    received = decode_failure(encode_failure(InvalidArgument("bad mount"), "stage"))
    assert type(received) is InvalidArgument
    assert received.message == "bad mount"


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOENT, 127), (errno.ENOTDIR, 127), (errno.EACCES, 126), (errno.ENOEXEC, 126)]
)
def test_exit_codes_follow_the_shell(number: int, code: int) -> None:
    assert exit_code_of(number) == code


def test_of_two_variables_with_one_name_the_later_holds() -> None:
    assert parse_environment(["A=1", "B=x=y", "A=2", "C", "=no", "D="]) == {"A": "2", "B": "x=y", "D": ""}


def test_id_maps_have_the_kernels_form() -> None:
    entry = {"containerID": 0, "hostID": 1000, "size": 1}
    assert format_id_map([entry, {**entry, "containerID": 1}]) == "0 1000 1\n1 1000 1\n"


def test_namespaces_are_made_or_joined() -> None:
    entries = [
        {"type": "mount"},
        {"type": "pid", "path": "/p"},
        {"type": "user", "path": "/u"},
        {"type": "ipc"},
    ]
    new, joined = plan_namespaces({"linux": {"namespaces": entries}})
    assert new == namespace.CLONE_NEWNS | namespace.CLONE_NEWIPC
    assert list(joined.items()) == [("user", "/u"), ("pid", "/p")]


def test_a_config_without_a_mount_namespace_is_refused() -> None:
    with pytest.raises(Unsupported):
        plan_namespaces({"linux": {"namespaces": [{"type": "pid"}]}})
    with pytest.raises(InvalidArgument, match='"strange" is unknown'):
        plan_namespaces({"linux": {"namespaces": [{"type": "strange"}]}})


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "sys/net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/forwarding", "sys/net/ipv4/conf/eth0.100/forwarding"),
        ("net.ipv4.conf.eth0/100.forwarding", "sys/net/ipv4/conf/eth0.100/forwarding"),
    ],
)
def test_sysctl_names_may_have_dots_or_slashes(name: str, path: str) -> None:
    assert sysctl_path(name) == path


@pytest.mark.parametrize(
    ("release", "version"), [("6.1.0-26-amd64", (6, 1)), ("5.15", (5, 15)), ("4.18.0", (4, 18))]
)
def test_kernel_versions_are_read_from_releases(release: str, version: tuple[int, int]) -> None:
    assert kernel_version(release) == version


def names_allowed(profile: dict[str, Any]) -> set[str]:
    return {
        name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }


def test_dockers_profile_depends_on_capabilities_architecture_and_kernel() -> None:
    profile = load_default_profile()
    plain = docker_profile_to_oci(profile, [], "x86_64", (6, 1))
    assert plain["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert plain["defaultAction"] == "SCMP_ACT_ERRNO"
    assert "mount" not in names_allowed(plain)
    assert "mount" in names_allowed(docker_profile_to_oci(profile, ["CAP_SYS_ADMIN"], "x86_64", (6, 1)))
    assert "arch_prctl" in names_allowed(plain)
    assert "arch_prctl" not in names_allowed(docker_profile_to_oci(profile, [], "aarch64", (6, 1)))
    assert "ptrace" in names_allowed(plain)
    assert "ptrace" not in names_allowed(docker_profile_to_oci(profile, [], "x86_64", (4, 4)))
    clone3 = [rule for rule in plain["syscalls"] if "clone3" in rule["names"]]
    assert [(rule["action"], rule["errnoRet"]) for rule in clone3] == [("SCMP_ACT_ERRNO", 38)]


def test_a_profile_cannot_say_architectures_twice() -> None:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{}]}
    with pytest.raises(InvalidArgument, match="not both"):
        docker_profile_to_oci(profile, [], "x86_64", (6, 1))


@given(st.sampled_from(["KILL", "SIGKILL", "kill", "9"]))
def test_signals_may_be_written_in_any_way(text: str) -> None:
    assert parse_signal(text) == 9


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="unknown signal"):
        parse_signal("SIG_DFL")


def test_documents_follow_the_specifications_schemas() -> None:
    import json
    from pathlib import Path

    import jsonschema
    from referencing import Registry, Resource

    folder = Path(__file__).parents[2] / "conformance/runtime-spec"
    documents = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    resources = [
        (name, Resource.from_contents(each, default_specification=_DRAFT)) for name, each in documents.items()
    ]
    registry: Registry[Any] = Registry().with_resources(resources)
    for name, document in (
        ("config-schema.json", example_config()),
        ("features-schema.json", describe_features()),
    ):
        validator = jsonschema.Draft4Validator(documents[name], registry=registry)
        assert [error.message for error in validator.iter_errors(document)] == []


def test_processor_lists_are_read() -> None:
    assert parse_cpu_list("0-2, 5") == {0, 1, 2, 5}
    with pytest.raises(InvalidArgument, match='"x-1"'):
        parse_cpu_list("x-1")
