# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from sampan.engine.model import MountPoint
from sampan.engine.privileges import DEFAULT_CAPABILITIES, plan_capabilities
from sampan.engine.resources import plan_resources, plan_rlimits
from sampan.engine.spec import Host, SpecRequest, plan_spec
from sampan.errors import InvalidArgument
from sampan.linux.capability import NAMES
from sampan.schema.container import HostConfig, Ulimit

HOST = Host(
    capabilities=tuple(NAMES), devices=({"path": "/dev/kvm", "type": "c", "major": 10, "minor": 232},)
)


def spec(**fields: object) -> dict:
    values: dict = {
        "container_id": "c" * 64,
        "args": ["true"],
        "env": ["A=1"],
        "cwd": "/",
        "hostname": "h",
        "host_config": HostConfig(),
        "cgroup_path": "/sampan/c",
        "seccomp": None,
    }
    return plan_spec(SpecRequest(**values | fields), HOST)


def test_the_default_is_dockers_fourteen_capabilities_in_no_ambient_set():
    capabilities = spec()["process"]["capabilities"]
    assert set(capabilities) == {"bounding", "effective", "permitted"}
    assert set(capabilities["bounding"]) == set(DEFAULT_CAPABILITIES)
    assert len(DEFAULT_CAPABILITIES) == 14


def test_no_network_namespace_is_listed_because_the_shim_made_it():
    assert {n["type"] for n in spec()["linux"]["namespaces"]} == {"mount", "uts", "pid", "ipc", "cgroup"}


def test_privileged_hides_nothing_and_has_everything():
    planned = spec(host_config=HostConfig(privileged=True))
    linux = planned["linux"]
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert linux["devices"] == list(HOST.devices)
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert planned["process"]["capabilities"]["bounding"] == list(NAMES)


def test_parents_are_mounted_before_their_children():
    points = [
        MountPoint(type="bind", source="/2", destination="/a/b/c"),
        MountPoint(type="bind", source="/1", destination="/a"),
    ]
    destinations = [m["destination"] for m in spec(mounts=points)["mounts"]]
    assert destinations.index("/a") < destinations.index("/a/b/c")


def test_a_mount_of_the_user_wins_over_the_engines_own():
    points = [MountPoint(type="bind", source="/mine", destination="/etc/hosts")]
    mounts = [
        m
        for m in spec(mounts=points, files={"/etc/hosts": "/theirs"})["mounts"]
        if m["destination"] == "/etc/hosts"
    ]
    assert [m["source"] for m in mounts] == ["/mine"]


def test_a_volume_at_dev_shm_replaces_the_tmpfs():
    points = [MountPoint(type="tmpfs", source="", destination="/dev/shm", options=["size=1m"])]
    assert sum(m["destination"] == "/dev/shm" for m in spec(mounts=points)["mounts"]) == 1


def test_the_hostname_of_a_shared_uts_namespace_is_left_alone():
    assert "hostname" not in spec(shared_namespaces=frozenset({"uts"}))


def test_the_spec_is_valid_by_the_standards_schema():
    jsonschema = pytest.importorskip("jsonschema")
    folder = Path(__file__).parents[2] / "conformance" / "runtime-spec"
    if not folder.exists():
        pytest.fail("tests/conformance/runtime-spec is part of the repository")
    from referencing import Registry, Resource

    registry = Registry().with_resources(
        (
            path.name,
            Resource.from_contents(
                json.loads(path.read_text()) | {"$id": path.name}, default_specification=_draft()
            ),
        )
        for path in folder.glob("*.json")
    )
    schema = json.loads((folder / "config-schema.json").read_text()) | {"$id": "config-schema.json"}
    planned = spec(host_config=HostConfig(memory=1 << 28, nano_cpus=500_000_000, pids_limit=64))
    jsonschema.Draft4Validator(schema, registry=registry).validate(planned)


def _draft():
    from referencing.jsonschema import DRAFT4

    return DRAFT4


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        ((), ("ALL",), set()),
        (("net_admin",), (), {*DEFAULT_CAPABILITIES, "CAP_NET_ADMIN"}),
        (("ALL",), ("SYS_ADMIN",), set(NAMES) - {"CAP_SYS_ADMIN"}),
        (("CHOWN",), ("ALL",), {"CAP_CHOWN"}),
        ((), ("CAP_MKNOD",), set(DEFAULT_CAPABILITIES) - {"CAP_MKNOD"}),
    ],
)
def test_capabilities_are_added_and_dropped(add, drop, expected):
    assert set(plan_capabilities(NAMES, add=add, drop=drop, privileged=False)) == expected


def test_nothing_is_given_that_the_engine_does_not_have():
    assert plan_capabilities(("CAP_CHOWN",), add=("SYS_RESOURCE",), drop=(), privileged=False) == [
        "CAP_CHOWN"
    ]


def test_an_unknown_capability_is_refused():
    with pytest.raises(InvalidArgument, match="CAP_FLY"):
        plan_capabilities(NAMES, add=("fly",), drop=(), privileged=False)


def test_cpus_are_a_quota_in_a_tenth_of_a_second():
    assert plan_resources(HostConfig(nano_cpus=1_500_000_000), [])["cpu"] == {
        "period": 100_000,
        "quota": 150_000,
    }


def test_memory_brings_as_much_swap():
    assert plan_resources(HostConfig(memory=1 << 30), [])["memory"] == {"limit": 1 << 30, "swap": 1 << 31}


def test_minus_one_is_no_limit():
    assert plan_rlimits([Ulimit(name="core", soft=-1, hard=-1)])[0]["hard"] == (1 << 64) - 1
