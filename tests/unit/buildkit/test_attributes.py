# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.build.arguments import platform_arguments
from sampan.build.cache_choice import CacheChoice
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.solver import wanted_stages
from sampan.build.stages import plan_stages
from sampan.build.wanted import wanted_paths
from sampan.buildkit.attributes import Wanted, parse_attributes
from sampan.buildkit.choosing import plan_choice, plan_prune_choice
from sampan.buildkit.exporting import plan_exporters
from sampan.buildkit.messages.control import Exporter, PruneRequest, SolveRequest
from sampan.errors import InvalidArgument, SampanError, Unsupported
from sampan.oci.platform import host_platform


def test_nothing_said_is_the_default() -> None:
    assert parse_attributes({}) == Wanted()


def test_what_is_left_out_of_the_cache() -> None:
    assert parse_attributes({"no-cache": "a,b"}).no_cache_stages == ("a", "b")
    assert not parse_attributes({"no-cache": "a,b"}).no_cache
    assert parse_attributes({"no-cache": ""}).no_cache


def test_where_the_context_is() -> None:
    uploaded = parse_attributes({"context": "http://buildkit-session/name"})
    assert (uploaded.upload, uploaded.remote, uploaded.has_dockerfile) == ("name", "", False)
    remote = parse_attributes({"context": "https://example.com/r.git", "dockerfilekey": "dockerfile"})
    assert (remote.upload, remote.remote, remote.has_dockerfile) == ("", "https://example.com/r.git", True)


def test_every_option() -> None:
    wanted = parse_attributes(
        {
            "filename": "Other",
            "target": "base",
            "build-arg:A": "1",
            "build-arg:EMPTY": "",
            "label:l": "x=y",
            "context:base": "docker-image://busybox",
            "context:more::linux/amd64": "local:more-folder",
            "platform": "linux/amd64",
            "no-cache": "",
            "image-resolve-mode": "pull",
            "force-network-mode": "none",
            "add-hosts": "a=1.2.3.4,b=::1",
            "shm-size": "65536",
            "attest:provenance": "mode=min,inline-only=true",
            "vcs:revision": "abc",
            "frontend.caps": "whatever",
        }
    )
    assert wanted == Wanted(
        filename="Other",
        target="base",
        build_args={"A": "1", "EMPTY": ""},
        labels={"l": "x=y"},
        images={"base": "docker-image://busybox"},
        folders={"more": "more-folder"},
        platform="linux/amd64",
        no_cache=True,
        pull=True,
        network="none",
        extra_hosts=("a:1.2.3.4", "b:::1"),
        shm_size_bytes=65536,
        revision={"revision": "abc"},
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attest:sbom", "generator=x"),
        ("context:base", "oci-layout://somewhere"),
        ("context:base", "input:base"),
    ],
)
def test_what_is_not_done_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Unsupported, match=r"not supported|is supported"):
        parse_attributes({name: value})


@pytest.mark.parametrize(("name", "value"), [("shm-size", "-1"), ("shm-size", "1k"), ("add-hosts", "a")])
def test_nonsense_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_attributes({name: value})


def test_exporters() -> None:
    old = SolveRequest(old_exporter="moby", old_exporter_attrs={"name": "a,b:2"})
    assert plan_exporters(old) == [Exporter("moby", {"name": "a,b:2"})]
    assert plan_exporters(SolveRequest()) == []
    for exporter in (
        Exporter("nonsense"),
        Exporter("image", {"push": "maybe"}),
        Exporter("image", {"store": "false"}),
        Exporter("moby", {"annotation-nothing.x": "y"}),
        Exporter("moby", {"name": "NOT A NAME"}),
    ):
        with pytest.raises(SampanError):
            plan_exporters(SolveRequest(exporters=[exporter]))


@pytest.mark.parametrize(
    ("lines", "paths"),
    [
        ("COPY a b/ /x/", ("a", "b")),
        ("COPY ./a//b ../c /x/", ("a/b", "c")),
        ("COPY *.py /x/", ("*.py",)),
        ("COPY . /", None),
        ("COPY / /", None),
        ("COPY a/** /x/", None),
        ("COPY --parents a/./b /", ("a/b",)),
        ("ARG A\nCOPY $A /x/", None),
        ("ADD https://example.com/x y /x/", ("y",)),
        ("ADD git@example.com:a/b.git y /x/", ("y",)),
        ("COPY <<E /x\ntext\nE", ()),
        ("COPY --from=other a /", ()),
        ("COPY --from=named a /", ()),
        ("RUN true", ()),
        ("RUN --mount=target=/m,source=a true", ("a",)),
        ("RUN --mount=type=bind,target=/m true", None),
        ("RUN --mount=type=cache,target=/m true", ()),
        ("RUN --mount=type=bind,from=other,target=/m true", ()),
        ("ARG A\nRUN --mount=target=/m,source=$A true", None),
        ("ONBUILD COPY a /", None),
    ],
)
def test_which_files_a_build_reads(lines: str, paths: tuple[str, ...] | None) -> None:
    text = f"FROM scratch AS other\nFROM scratch AS unused\nCOPY unused /\nFROM scratch\n{lines}\n"
    host = host_platform()
    plan = plan_stages(
        parse_dockerfile(text),
        build_args={},
        platform_args=platform_arguments(host, host, ""),
        platform=host,
        contexts={"named": "client:named"},
    )
    assert wanted_paths(plan, wanted_stages(plan), "") == paths


def test_which_records_are_meant() -> None:
    assert plan_choice([""]).is_everything
    assert plan_choice(["id~=abc,private"]) == CacheChoice(ids=frozenset({"abc"}), shared=False)
    assert plan_choice(["type==exec.cachemount"]) == CacheChoice(types=frozenset({"exec.cachemount"}))
    request = PruneRequest(keep_duration=3, reserved_space=7)
    assert plan_prune_choice(request, now_ns=10) == CacheChoice(unused_since_ns=7, reserved_bytes=7)
    for filters in (["a", "b"], ["mutable"], ["id!=x"]):
        with pytest.raises(Unsupported):
            plan_choice(filters)
