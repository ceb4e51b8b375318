# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compose_cases import case_names, copy_case, load_case, load_text
from sampan.compose import labels
from sampan.compose.creation import CreationContext, plan_labels, plan_network, plan_volume
from sampan.compose.down_plan import DownOptions, plan_down
from sampan.compose.errors import ComposeError
from sampan.compose.image_plan import ImageFacts, plan_images
from sampan.compose.naming import container_name
from sampan.compose.observed import Observed, infer_project, read_observed
from sampan.compose.plan import UpOptions, plan_up
from sampan.compose.project import Project
from sampan.compose.references import resolve_references
from sampan.compose.restart_plan import plan_restart, restarted_services
from sampan.compose.steps import Plan
from sampan.errors import NotFound

TWO = """
services:
  db:
    image: busybox
    volumes: ["data:/data"]
  web:
    image: busybox
    environment: {DEBUG: "1", LEVEL: info}
    depends_on:
      db: {condition: service_healthy}
volumes: {data: }
"""


def observe(project: Project, *, state: str = "running", image_id: str = "sha256:1") -> Observed:
    """What an engine has after the project was brought up."""
    networks = [
        {
            "Id": f"id-{network.name}",
            "Name": network.name,
            "Labels": plan_network(project, key, network)["Labels"],
        }
        for key, network in project.networks.items()
    ]
    volumes = [
        {"Name": volume.name, "Labels": plan_volume(project, key, volume)["Labels"]}
        for key, volume in project.volumes.items()
    ]
    containers = []
    ids = {name: f"id-{name}-1" for name in project.services}
    for name, service in project.services.items():
        for number in range(1, service.replicas + 1):
            context = CreationContext(
                project=project,
                service=resolve_references(service, ids),
                original=service,
                number=number,
                image_id=image_id,
            )
            keys = [project.networks[key].name for key in service.networks]
            mounted = [mount.source for mount in service.volumes if mount.type == "volume" and mount.source]
            containers.append(
                {
                    "Id": f"id-{name}-{number}",
                    "Names": ["/" + container_name(project.name, service, number)],
                    "Image": service.image,
                    "State": state,
                    "Created": number,
                    "Labels": plan_labels(context),
                    "NetworkSettings": {"Networks": {key: {"NetworkID": f"id-{key}"} for key in keys}},
                    "Mounts": [{"Type": "volume", "Name": project.volumes[key].name} for key in mounted],
                }
            )
    return read_observed(containers, networks, volumes)


def needs_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {step.key: step.needs for step in plan.steps}


def test_a_first_up_makes_everything_in_order(tmp_path: Path) -> None:
    plan = plan_up(load_text(tmp_path, TWO), Observed())
    assert plan.describe() == [
        "create network demo_default",
        "create volume demo_data",
        "create container demo-db-1",
        "create container demo-web-1",
        "start container demo-db-1",
        "wait until db is healthy, for web",
        "start container demo-web-1",
    ]
    needs = needs_of(plan)
    assert needs["create:demo-db-1"] == ("network:default", "volume:data")
    assert needs["start:demo-web-1"] == ("create:demo-web-1", "wait:web:db")
    assert needs["wait:web:db"] == ("start:demo-db-1",)


def test_containers_are_made_at_the_same_time_whatever_they_wait_for(tmp_path: Path) -> None:
    levels = list(plan_up(load_text(tmp_path, TWO), Observed()).iter_levels())
    assert [step.key for step in levels[1]] == ["create:demo-db-1", "create:demo-web-1"]


def test_a_second_up_keeps_everything(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    plan = plan_up(project, observe(project), UpOptions(image_ids={"db": "sha256:1", "web": "sha256:1"}))
    assert plan.describe() == [
        "keep container demo-db-1: running",
        "keep container demo-web-1: running",
    ]


def test_a_stopped_project_is_only_started(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    keys = [step.key for step in plan_up(project, observe(project, state="exited")).steps]
    assert keys == [
        *("keep:demo-db-1", "keep:demo-web-1", "start:demo-db-1", "wait:web:db", "start:demo-web-1"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('DEBUG: "1"', 'DEBUG: "2"', "configuration changed: environment.DEBUG"),
        (", LEVEL: info", "", "configuration changed: environment.LEVEL"),
        ("LEVEL: info}", "LEVEL: info}\n    user: me", "configuration changed: user"),
        ("LEVEL: info}", "LEVEL: info}\n    labels: {a: b}", "configuration changed: labels.a"),
    ],
)
def test_only_what_changed_is_made_anew_and_the_reason_is_told(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    observed = observe(load_text(tmp_path, TWO))
    plan = plan_up(load_text(tmp_path, TWO.replace(before, after)), observed)
    assert f"recreate container demo-web-1: {reason}" in plan.describe()
    assert "keep container demo-db-1: running" in plan.describe()


def test_a_container_of_docker_compose_has_no_fingerprint_and_a_shorter_reason(tmp_path: Path) -> None:
    observed = observe(load_text(tmp_path, TWO))
    observed = replace(
        observed,
        containers=tuple(
            replace(each, labels={k: v for k, v in each.labels.items() if k != labels.FINGERPRINT})
            for each in observed.containers
        ),
    )
    assert "recreate" not in " ".join(plan_up(load_text(tmp_path, TWO), observed).describe())
    changed = load_text(tmp_path, TWO.replace("info", "debug"))
    assert "recreate container demo-web-1: configuration changed" in plan_up(changed, observed).describe()


def test_a_new_image_makes_a_container_anew(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    plan = plan_up(project, observe(project), UpOptions(image_ids={"db": "sha256:2", "web": "sha256:1"}))
    assert "recreate container demo-db-1: image changed" in plan.describe()


def test_a_config_with_other_content_makes_its_containers_anew(tmp_path: Path) -> None:
    text = "services:\n  web: {image: b, configs: [c]}\nconfigs: {c: {content: one}}\n"
    observed = observe(load_text(tmp_path, text))
    plan = plan_up(load_text(tmp_path, text.replace("one", "two")), observed)
    assert "recreate container demo-web-1: content changed: configs.c" in plan.describe()


def test_dependents_are_restarted_where_they_ask_for_it(tmp_path: Path) -> None:
    text = """
services:
  db: {image: b, command: one}
  web: {image: b, depends_on: {db: {condition: service_started, restart: true}}}
  other: {image: b, depends_on: [db]}
"""
    observed = observe(load_text(tmp_path, text))
    plan = plan_up(load_text(tmp_path, text.replace("one", "two")), observed)
    assert "stop container demo-web-1: db is made anew" in plan.describe()
    assert "stop container demo-other-1" not in " ".join(plan.describe())
    assert needs_of(plan)["start:demo-web-1"] == ("stop:demo-web-1", "start:demo-db-1")


def test_what_shares_a_namespace_is_made_anew_with_it(tmp_path: Path) -> None:
    text = "services:\n  a: {image: b, command: one}\n  z: {image: b, network_mode: 'service:a'}\n"
    project = load_text(tmp_path, text)
    observed = observe(project)
    assert "recreate" not in " ".join(plan_up(project, observed).describe())
    plan = plan_up(load_text(tmp_path, text.replace("one", "two")), observed)
    said = "recreate container demo-z-1: it shares namespaces or volumes with a, which is made anew"
    assert said in plan.describe()
    assert needs_of(plan)["create:demo-z-1"] == ("create:demo-a-1",)


def test_scaling_down_removes_the_highest_numbers_and_up_adds_to_them(tmp_path: Path) -> None:
    text = "services:\n  web: {image: b, scale: 3}\n"
    project = load_text(tmp_path, text)
    observed = observe(project)
    down = plan_up(project.with_scale("web", 1), observed).describe()
    assert [line for line in down if line.startswith("remove")] == [
        "remove container demo-web-2: scaled to 1",
        "remove container demo-web-3: scaled to 1",
    ]
    up = plan_up(project.with_scale("web", 5), observed).describe()
    assert [line for line in up if line.startswith("create")] == [
        "create container demo-web-4",
        "create container demo-web-5",
    ]


def test_scaling_down_removes_what_is_out_of_date_first(tmp_path: Path) -> None:
    project = load_text(tmp_path, "services:\n  web: {image: b, scale: 2}\n")
    observed = observe(project)
    first = replace(observed.containers[0], labels={**observed.containers[0].labels, labels.CONFIG_HASH: "x"})
    observed = replace(observed, containers=(first, *observed.containers[1:]))
    lines = plan_up(project.with_scale("web", 1), observed).describe()
    assert "remove container demo-web-1: scaled to 1" in lines
    assert "keep container demo-web-2: running" in lines


def test_orphans_are_told_or_removed(tmp_path: Path) -> None:
    observed = observe(load_text(tmp_path, TWO))
    project = load_text(
        tmp_path, "services:\n  db: {image: busybox, volumes: ['data:/data']}\nvolumes: {data: }\n"
    )
    (notice,) = plan_up(project, observed).notices
    assert notice.startswith("Found orphan containers ([demo-web-1]) for this project.")
    plan = plan_up(project, observed, UpOptions(remove_orphans=True))
    assert plan.notices == ()
    assert [step.key for step in plan.steps][:2] == ["stop:demo-web-1", "remove:demo-web-1"]


def test_recreation_is_forced_or_forbidden_by_flags(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    observed = observe(project)
    forced = plan_up(project, observed, UpOptions(recreate="force", targets=frozenset(["web"]))).describe()
    assert "recreate container demo-web-1: asked for by --force-recreate" in forced
    assert "keep container demo-db-1: running" in forced
    changed = load_text(tmp_path, TWO.replace("info", "debug"))
    assert "recreate" not in " ".join(plan_up(changed, observed, UpOptions(recreate="never")).describe())


def test_a_network_that_changed_is_made_anew_with_its_containers(tmp_path: Path) -> None:
    observed = observe(load_text(tmp_path, TWO))
    changed = load_text(tmp_path, TWO + "networks: {default: {internal: true}}\n")
    plan = plan_up(changed, observed)
    needs = needs_of(plan)
    assert set(needs["remove:network:default"]) == {"halt:demo-db-1", "halt:demo-web-1"}
    assert needs["network:default"] == ("remove:network:default",)
    assert "recreate container demo-db-1: network demo_default is made anew" in plan.describe()


def test_a_volume_that_changed_keeps_its_data_unless_asked(tmp_path: Path) -> None:
    observed = observe(load_text(tmp_path, TWO))
    changed = load_text(tmp_path, TWO.replace("{data: }", "{data: {labels: {a: b}}}"))
    plan = plan_up(changed, observed)
    assert "remove volume" not in " ".join(plan.describe())
    assert "exists but doesn't match configuration" in plan.notices[0]
    plan = plan_up(changed, observed, UpOptions(recreate_volumes=True))
    needs = needs_of(plan)
    assert needs["remove:volume:data"] == ("clear:demo-db-1",)
    assert "volume:data" in needs["create:demo-db-1"]


def test_what_is_external_must_be_there(tmp_path: Path) -> None:
    text = "services:\n  web: {image: b, networks: [n], volumes: ['v:/v']}\n"
    network = text + "networks: {n: {external: true}}\nvolumes: {v: }\n"
    with pytest.raises(NotFound, match="network n declared as external, but could not be found"):
        plan_up(load_text(tmp_path, network), Observed())
    volume = text + "networks: {n: }\nvolumes: {v: {external: true}}\n"
    with pytest.raises(NotFound, match='external volume "v" not found'):
        plan_up(load_text(tmp_path, volume), Observed())


def test_a_network_of_another_key_is_refused(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    observed = read_observed(
        networks=[
            {"Id": "1", "Name": "demo_default", "Labels": {labels.NETWORK: "x", labels.PROJECT: "demo"}}
        ]
    )
    with pytest.raises(ComposeError, match="has incorrect label"):
        plan_up(project, observed)


def test_down_stops_dependents_first_and_keeps_volumes(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    plan = plan_down(project, observe(project))
    assert plan.describe() == [
        "stop container demo-web-1",
        "remove container demo-web-1",
        "stop container demo-db-1",
        "remove container demo-db-1",
        "remove network demo_default",
    ]
    assert needs_of(plan)["stop:demo-db-1"] == ("stop:demo-web-1",)


def test_down_with_everything(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO + "  cache: {build: .}\n".replace("  cache", "x-unused: 1\n#"))
    options = DownOptions(volumes=True, images="all")
    lines = plan_down(project, observe(project), options).describe()
    assert lines[-2:] == ["remove volume demo_data", "remove image busybox"]


def test_down_of_one_service_leaves_the_network(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    plan = plan_down(project, observe(project), DownOptions(targets=frozenset(["web"])))
    assert plan.describe() == ["stop container demo-web-1", "remove container demo-web-1"]


def test_a_project_without_files_is_inferred_from_labels(tmp_path: Path) -> None:
    project = load_text(tmp_path, TWO)
    observed = observe(project)
    inferred = infer_project("demo", observed)
    assert plan_down(inferred, observed).describe() == plan_down(project, observed).describe()
    assert inferred.services["web"].depends_on["db"].condition == "service_healthy"


def test_images_are_pulled_once_and_built_in_order(tmp_path: Path) -> None:
    text = """
services:
  a: {image: busybox}
  b: {image: busybox}
  c: {build: {context: ., additional_contexts: {base: 'service:d'}}}
  d: {build: .}
  e: {image: kept}
  f: {image: always, pull_policy: always}
  g: {image: old, pull_policy: daily}
"""
    project = load_text(tmp_path, text)
    day = 86_400_000_000_000
    facts = ImageFacts(ids={"kept": "1", "always": "2", "old": "3"}, pulled_ns={"old": 5}, now_ns=5 + day + 1)
    plan = plan_images(project, facts)
    assert plan.describe() == [
        "pull image busybox: no such image",
        "pull image always: pull_policy is always",
        "pull image old: older than pull_policy allows",
        "build image demo-d of service d: no such image",
        "build image demo-c of service c: no such image",
    ]
    assert plan.steps[0].services == ("a", "b")  # type: ignore[attr-defined]
    assert plan.steps[-1].needs == ("build:d",)
    fresh = replace(facts, now_ns=6)
    assert "older" not in " ".join(plan_images(project, fresh).describe())
    assert "build image" not in " ".join(
        plan_images(project, ImageFacts(ids={**facts.ids, "demo-c": "", "demo-d": ""})).describe()
    )


def test_services_that_share_an_image_have_it_built_once(tmp_path: Path) -> None:
    text = """
services:
  first: {image: app, pull_policy: never}
  migrate: {image: app, build: .}
  web: {image: app, build: .}
  other: {image: app, build: {context: ., target: dev}}
"""
    plan = plan_images(load_text(tmp_path, text), ImageFacts())
    assert plan.describe() == [
        "build image app of service migrate: no such image",
        "build image app of service other: no such image",
    ]


def test_an_image_that_may_not_be_pulled_must_be_there(tmp_path: Path) -> None:
    project = load_text(tmp_path, "services:\n  web: {image: gone, pull_policy: never}\n")
    with pytest.raises(ComposeError, match=r"compose.yaml:2: services.web.image: image gone is not here"):
        plan_images(project, ImageFacts())


@pytest.mark.parametrize("name", [name for name in case_names() if name != "external-resources"])
def test_every_case_comes_up_stays_and_goes(name: str, tmp_path: Path) -> None:
    project = load_case(copy_case(name, tmp_path))
    first = plan_up(project, Observed(), UpOptions(wait=True))
    assert sum(len(level) for level in first.iter_levels()) == len(first.steps)
    assert len({step.key for step in first.steps}) == len(first.steps)
    observed = observe(project)
    assert {type(step).__name__ for step in plan_up(project, observed).steps} <= {"KeepContainer"}
    left = plan_down(project, observed, DownOptions(volumes=True))
    assert sum(len(level) for level in left.iter_levels()) == len(left.steps)


def test_a_restart_goes_in_the_order_of_needs_and_waits_for_what_restarts_too(tmp_path: Path):
    project = load_text(tmp_path, TWO.replace("service_healthy}", "service_healthy, restart: true}"))
    containers = observe(project).containers
    assert plan_restart(project, containers).describe() == [
        "restart container demo-db-1",
        "wait until db is healthy, for web",
        "restart container demo-web-1",
    ]
    alone = [each for each in containers if each.service == "web"]
    assert plan_restart(project, alone).describe() == ["restart container demo-web-1"]
    assert restarted_services(project, ["db"]) == ["db", "web"]
    assert restarted_services(load_text(tmp_path, TWO), ["db"]) == ["db"]
