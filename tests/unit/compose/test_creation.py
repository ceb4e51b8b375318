# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose_cases import CASES, case_names, copy_case, load_case, load_text
from sampan.compose import labels
from sampan.compose.creation import CreationContext, plan_container, plan_network, plan_volume
from sampan.compose.creation_mounts import plan_injections
from sampan.compose.creation_networks import plan_links
from sampan.compose.errors import ComposeError
from sampan.compose.naming import container_name
from sampan.compose.project import Project
from sampan.compose.references import resolve_references

IMAGE_ID = "sha256:" + "1" * 64
# Where ours differs from what Docker Compose sends.
ON_PURPOSE = {
    "IPAddress",  # of an endpoint's state; the address that is asked for is in IPAMConfig
    "Isolation",  # Windows's; "default" says nothing
    labels.FINGERPRINT,  # ours
}
IN_ONE_CASE = {
    ("restart-and-stop", "StopTimeout"),  # 1.5 seconds are two whole ones to us, one to it
    ("volumes-from", "VolumesFrom"),  # it forgets the `:ro`
    ("start-order-by-sharing", "VolumesFrom"),
    ("files-shared-by-services", "Mounts"),  # a secret with an owner or mode of its own is copied in by us
}


def context(project: Project, name: str, number: int = 1, **given: Any) -> CreationContext:
    ids = {key: f"id-{container_name(project.name, service, 1)}" for key, service in project.services.items()}
    names = {key: [value.removeprefix("id-")] for key, value in ids.items()}
    service = project.services[name]
    return CreationContext(
        project=project,
        service=resolve_references(service, ids),
        original=service,
        number=number,
        image_id=IMAGE_ID,
        links=plan_links(project, service, names),
        **given,
    )


def all_bodies(project: Project) -> Iterator[tuple[str, Any]]:
    for key, network in project.networks.items():
        if not network.external:
            yield f"network {network.name}", plan_network(project, key, network)
    for key, volume in project.volumes.items():
        if not volume.external:
            yield f"volume {volume.name}", plan_volume(project, key, volume)
    for name, service in project.services.items():
        for number in range(1, service.replicas + 1):
            title = container_name(project.name, service, number)
            yield f"container {title}", plan_container(context(project, name, number))


def tidy(value: Any, case: str, key: str = "") -> Any:
    """Less what is empty, in an order of its own, and in the engine's words for capabilities."""
    if isinstance(value, dict):
        items = {name: tidy(item, case, name) for name, item in value.items()}
        return {
            name: item
            for name, item in items.items()
            if item not in (None, "", 0, False, [], {})
            and name not in ON_PURPOSE
            and (case, name) not in IN_ONE_CASE
        }
    if isinstance(value, list):
        ordered = key in ("Cmd", "Entrypoint", "Test", "Dns", "DnsSearch", "DnsOptions")
        items = [tidy(item, case) for item in value]
        return (
            items if ordered else sorted({json.dumps(item, sort_keys=True): item for item in items}.items())
        )
    if key == labels.DEPENDS_ON:
        return sorted(part for part in value.split(",") if part)
    return value.removeprefix("CAP_") if isinstance(value, str) else value


@pytest.mark.parametrize("name", case_names())
def test_an_engine_is_asked_for_what_docker_compose_asks_it_for(name: str, tmp_path: Path) -> None:
    place = copy_case(name, tmp_path)
    expected = json.loads((CASES / name / "expected.bodies.json").read_text().replace("{case}", str(place)))
    bodies = dict(all_bodies(load_case(place)))
    assert bodies.keys() == expected.keys()
    for title, body in bodies.items():
        wanted = expected[title]
        # A hash that depends on where the case lies is not among what is expected.
        wanted["Labels"].setdefault(labels.CONFIG_HASH, body["Labels"][labels.CONFIG_HASH])
        assert tidy(body, name) == tidy(wanted, name), title


def body_of(tmp_path: Path, keys: str, rest: str = "", **given: Any) -> Any:
    project = load_text(tmp_path, f"services:\n  web: {{image: b, {keys}}}\n{rest}")
    return plan_container(context(project, "web", **given))


def test_anonymous_volumes_of_the_container_before_are_kept(tmp_path: Path) -> None:
    before = [
        {"Type": "volume", "Name": "abc", "Destination": "/anonymous", "RW": True},
        {"Type": "volume", "Name": "def", "Destination": "/of-the-image", "RW": True},
        {"Type": "volume", "Name": "ghi", "Destination": "/gone", "RW": True},
    ]
    body = body_of(
        tmp_path, "volumes: ['/anonymous']", inherited=before, image_volumes=frozenset(["/of-the-image"])
    )
    assert body["HostConfig"]["Mounts"] == [
        {"Type": "volume", "Source": "abc", "Target": "/anonymous"},
        {"Type": "volume", "Source": "def", "Target": "/of-the-image"},
    ]


def test_a_one_off_container_has_labels_of_its_own_and_no_aliases(tmp_path: Path) -> None:
    body = body_of(tmp_path, "command: x", one_off=True, use_aliases=False, extra_labels={labels.SLUG: "s"})
    assert body["Labels"][labels.ONE_OFF] == "True"
    assert body["Labels"][labels.SLUG] == "s"
    assert body["NetworkingConfig"]["EndpointsConfig"]["demo_default"]["Aliases"] == ["demo-web-1"]


def test_a_seccomp_profile_is_sent_not_its_path(tmp_path: Path) -> None:
    read = {str(tmp_path / "p.json"): '{ "defaultAction": "SCMP_ACT_ALLOW" }'}.__getitem__
    body = body_of(
        tmp_path,
        "security_opt: ['seccomp=p.json', 'systempaths=unconfined', 'label:disable']",
        read_file=read,
    )
    assert body["HostConfig"]["SecurityOpt"] == [
        'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}',
        "label:disable",
    ]
    assert body["HostConfig"]["MaskedPaths"] == []


def test_a_security_option_without_a_value_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match=r"compose.yaml:2: services.web.security_opt\[0\]: invalid"):
        body_of(tmp_path, "security_opt: [whatever]")


FILES = """
configs: {f: {file: a.conf}, i: {content: inline}, v: {environment: VALUE}}
secrets: {s: {file: s.txt}, o: {file: s.txt}}
"""


def test_files_are_mounted_and_what_is_none_is_copied_in(tmp_path: Path) -> None:
    keys = "configs: [f, {source: i, target: /etc/i, uid: '5', mode: 256}, v], secrets: [s, {source: o, mode: '0400'}]"
    project = load_text(tmp_path, f"services:\n  web: {{image: b, {keys}}}\n{FILES}", environ={"VALUE": "x"})
    mounts = plan_container(context(project, "web"))["HostConfig"]["Mounts"]
    assert [(mount["Source"], mount["Target"], mount["ReadOnly"]) for mount in mounts] == [
        (str(tmp_path / "a.conf"), "/f", True),
        (str(tmp_path / "s.txt"), "/run/secrets/s", True),
    ]
    copied = {each.target: each for each in plan_injections(project, project.services["web"])}
    assert set(copied) == {"/etc/i", "/v", "/run/secrets/o"}
    assert (copied["/etc/i"].content, copied["/etc/i"].uid, copied["/etc/i"].mode) == ("inline", 5, 0o400)
    assert (copied["/v"].content, copied["/v"].mode) == ("x", 0o444)
    assert (copied["/run/secrets/o"].file, copied["/run/secrets/o"].mode) == (str(tmp_path / "s.txt"), 0o400)


def test_a_variable_that_a_config_needs_must_be_set(tmp_path: Path) -> None:
    project = load_text(tmp_path, f"services:\n  web: {{image: b, configs: [v]}}\n{FILES}")
    with pytest.raises(ComposeError, match='environment variable "VALUE" required by config "v" is not set'):
        plan_injections(project, project.services["web"])


def test_limits_of_deploy_win_over_others(tmp_path: Path) -> None:
    host = body_of(
        tmp_path,
        "restart: always, deploy: {resources: {limits: {cpus: '0.5', memory: 1g, pids: 5}}, "
        "restart_policy: {condition: on-failure, max_attempts: 3}}",
    )["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 1 << 30, 5)
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_two_containers_of_a_service_differ_in_number_and_name_alone(tmp_path: Path) -> None:
    project = load_text(tmp_path, "services:\n  web: {image: b, scale: 2}\n")
    one, two = (plan_container(context(project, "web", number)) for number in (1, 2))
    numbers = [body["Labels"].pop(labels.NUMBER) for body in (one, two)]
    aliases = [
        body.pop("NetworkingConfig")["EndpointsConfig"]["demo_default"]["Aliases"] for body in (one, two)
    ]
    assert numbers == ["1", "2"]
    assert aliases == [["demo-web-1", "web"], ["demo-web-2", "web"]]
    assert one == two


def test_labels_of_the_service_cannot_hide_those_of_the_project(tmp_path: Path) -> None:
    project = load_text(tmp_path, "services:\n  web: {image: b}\n")
    service = replace(project.services["web"], labels={labels.PROJECT: "other", "own": "yes"})
    project = replace(project, services={"web": service})
    made = plan_container(context(project, "web"))["Labels"]
    assert (made[labels.PROJECT], made["own"]) == ("demo", "yes")


def test_env_files_that_were_asked_for_are_remembered(tmp_path: Path) -> None:
    project = replace(load_text(tmp_path, "services:\n  web: {image: b}\n"), env_files=("/a.env", "/b.env"))
    made = plan_container(context(project, "web"))["Labels"]
    assert made[labels.ENVIRONMENT_FILE] == "/a.env,/b.env"
