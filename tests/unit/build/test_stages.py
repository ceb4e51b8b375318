# SPDX-License-Identifier: Apache-2.0
"""Stages: what they begin from, which are wanted, and what the lines above FROM mean."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sampan.build.arguments import is_proxy_argument, platform_arguments, proxy_environment
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.stages import FromContext, FromImage, FromScratch, FromStage, StagePlan, plan_stages
from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform, parse_platform

AMD64 = Platform("linux", "amd64")


def plan(text: str, **options: Any) -> StagePlan:
    build_args = options.pop("build_args", {})
    return plan_stages(
        parse_dockerfile(text),
        build_args=build_args,
        platform_args=platform_arguments(AMD64, AMD64, options.get("target", "")),
        platform=AMD64,
        **options,
    )


def base(text: str, **options: Any) -> object:
    return plan(text, **options).target.base


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("FROM python", "docker.io/library/python:latest"),
        ("FROM python:3.12", "docker.io/library/python:3.12"),
        ("ARG V=3.12\nFROM python:$V", "docker.io/library/python:3.12"),
        ("ARG V\nFROM python:${V:-3.9}", "docker.io/library/python:3.9"),
        ("ARG A=3\nARG B=$A.1\nFROM python:$B", "docker.io/library/python:3.1"),
        ("ARG A=3 B=$A.1\nFROM python:$B", "docker.io/library/python:3.1"),
        ("FROM --platform=$TARGETPLATFORM busybox", "docker.io/library/busybox:latest"),
        ("FROM img-$TARGETARCH", "docker.io/library/img-amd64:latest"),
        ("FROM localhost:5000/a/b:c", "localhost:5000/a/b:c"),
    ],
)
def test_a_base_image(text: str, reference: str) -> None:
    found = base(text)
    assert isinstance(found, FromImage)
    assert found.reference == reference


def test_a_build_argument_overrides_a_global_default() -> None:
    found = base("ARG V=1\nFROM x:$V", build_args={"V": "2"})
    assert found == FromImage("docker.io/library/x:2")


def test_an_argument_of_a_stage_is_not_seen_by_the_next_from() -> None:
    with pytest.raises(InvalidArgument, match="invalid reference format"):
        plan("FROM a\nARG V=1\nFROM x:$V")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch", FromScratch()),
        ("FROM a AS b\nFROM b", FromStage(0)),
        ("FROM a AS B\nFROM b", FromStage(0)),
        ("FROM a AS x\nFROM b AS x\nFROM x", FromStage(1)),
        ("FROM python AS python\nFROM python", FromStage(0)),
    ],
)
def test_other_bases(text: str, expected: object) -> None:
    assert base(text) == expected


def test_the_target_is_the_last_stage_or_the_named_one() -> None:
    text = "FROM a AS one\nFROM b AS two\nFROM c"
    assert plan(text).target.index == 2
    assert plan(text, target="ONE").target.index == 0
    assert plan(text, target="1").target.index == 1


def test_an_unknown_target_is_refused_in_docker_s_words() -> None:
    words = re.escape('target stage "buidler" could not be found (did you mean builder?)')
    with pytest.raises(InvalidArgument, match=words):
        plan("FROM a AS builder", target="buidler")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ARG a=1", "Dockerfile:1: dockerfile contains no stages to build"),
        ("RUN x\nFROM y", "Dockerfile:1: no build stage in current context"),
        ("FROM $NOTHING", "Dockerfile:1: base name \\(\\$NOTHING\\) should not be blank"),
        ("FROM Bad:Ref", 'Dockerfile:1: failed to parse stage name "Bad:Ref"'),
        ("FROM --platform=a/b/c/d x", "Dockerfile:1: failed to parse platform"),
    ],
)
def test_what_cannot_be_a_stage(text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        plan(text)


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        ({"python": "docker-image://img:1"}, FromImage("docker.io/library/img:1")),
        ({"python:latest": "docker-image://img:1"}, FromImage("docker.io/library/img:1")),
        ({"docker.io/library/python": "/folder"}, FromContext("docker.io/library/python")),
        ({"other": "/folder"}, FromImage("docker.io/library/python:latest")),
    ],
)
def test_a_named_context_takes_the_place_of_a_base(contexts: dict[str, str], expected: object) -> None:
    assert base("FROM python", contexts=contexts) == expected


def test_a_named_context_takes_the_place_of_a_stage() -> None:
    text = "FROM a AS deps\nRUN x\nFROM b\nCOPY --from=deps / /"
    found = plan(text, contexts={"deps": "/folder"})
    assert found.origin("deps") == FromContext("deps")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", FromStage(0)),
        ("ONE", FromStage(0)),
        ("0", FromStage(0)),
        ("busybox", FromImage("docker.io/library/busybox:latest")),
        ("scratch", FromScratch()),
    ],
)
def test_what_from_means_inside_a_stage(name: str, expected: object) -> None:
    found = plan("FROM a AS one\nFROM b")
    assert found.origin(name) == expected


def test_sources_are_the_base_and_what_instructions_read() -> None:
    found = plan(
        "FROM a AS one\nFROM b AS two\nFROM c AS unused\nFROM one\nCOPY --from=two x y\n"
        "RUN --mount=from=busybox,target=/m,source=$z true\nRUN --mount=type=tmpfs,target=/t true"
    )
    assert found.sources_of(found.target) == (
        FromStage(0),
        FromStage(1),
        FromImage("docker.io/library/busybox:latest"),
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1", 'cannot copy from stage "1", it needs to be defined before current stage "0"'),
        ("later", 'cannot copy from stage "later", it needs to be defined before current stage "0"'),
        ("2", "invalid stage index 2"),
    ],
)
def test_a_stage_cannot_copy_from_a_later_one(name: str, reason: str) -> None:
    found = plan(f"FROM a\nCOPY --from={name} x y\nFROM b AS later", target="0")
    with pytest.raises(InvalidArgument, match=f"Dockerfile:2: {reason}"):
        found.sources_of(found.target)


def test_an_expansion_in_a_mount_s_from_is_refused_at_its_line() -> None:
    found = plan("FROM a\nRUN --mount=from=$x,target=/m true")
    with pytest.raises(InvalidArgument, match="Dockerfile:2: 'from' doesn't support variable expansion"):
        found.sources_of(found.target)


def test_platform_arguments() -> None:
    values = platform_arguments(parse_platform("linux/amd64"), parse_platform("linux/arm/v6"), "")
    assert (values["BUILDPLATFORM"], values["TARGETPLATFORM"]) == ("linux/amd64", "linux/arm/v6")
    assert (values["TARGETARCH"], values["TARGETVARIANT"], values["TARGETOS"]) == ("arm", "v6", "linux")
    assert values["TARGETSTAGE"] == "default"
    assert platform_arguments(AMD64, parse_platform("arm64"), "")["TARGETPLATFORM"] == "linux/arm64"


def test_proxy_arguments_come_in_both_spellings() -> None:
    assert proxy_environment({"http_proxy": "p", "X": "y", "NO_PROXY": ""}) == {
        "HTTP_PROXY": "p",
        "http_proxy": "p",
    }
    assert is_proxy_argument("https_proxy")
    assert not is_proxy_argument("Http_Proxy")
