# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sampan.engine.commit import CommitRequest, plan_config
from sampan.schema.container import ContainerConfig, ContainerCreate

CONFIG = ContainerConfig(
    hostname="abc",
    env=["A=1", "B=1"],
    cmd=["run"],
    entrypoint=["/entry"],
    labels={"a": "1"},
    stop_timeout=3,
    working_dir="/code",
)


def test_the_image_starts_as_the_container_did() -> None:
    planned = plan_config(CONFIG, CommitRequest())
    assert (planned.env, planned.cmd, planned.entrypoint) == (("A=1", "B=1"), ("run",), ("/entry",))
    assert (planned.working_dir, planned.stop_timeout_s) == ("/code", 3)
    assert not planned.extra, "a host name is the container's alone"


def test_an_empty_body_changes_nothing() -> None:
    assert plan_config(CONFIG, CommitRequest(config=ContainerCreate())) == plan_config(
        CONFIG, CommitRequest()
    )


def test_the_body_lies_over_the_container_and_change_lines_over_both() -> None:
    body = ContainerCreate(env=["B=2"], labels={"b": "2"})
    planned = plan_config(CONFIG, CommitRequest(config=body, changes=["ENV C=3", 'CMD ["other"]']))
    assert set(planned.env) == {"A=1", "B=2", "C=3"}
    assert dict(planned.labels) == {"a": "1", "b": "2"}
    assert planned.cmd == ("other",)
