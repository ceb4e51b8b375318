# SPDX-License-Identifier: Apache-2.0
"""Instructions become steps, config and history as BuildKit makes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sampan.build.arguments import DEFAULT_PATH, platform_arguments
from sampan.build.compile import CompiledStage, StageNumbers, absolute_path, compile_stage
from sampan.build.dockerfile.location import DockerfileError, Misuse
from sampan.build.dockerfile.parser import parse_dockerfile
from sampan.build.draft import Draft
from sampan.build.modes import parse_mode_change
from sampan.build.ports import parse_exposed
from sampan.build.quoting import go_quoted
from sampan.build.stages import plan_stages
from sampan.build.steps import CopyStep, RunStep, WorkdirStep
from sampan.oci.platform import Platform
from sampan.oci.run_config import RunConfig

AMD64 = Platform("linux", "amd64")


def compiled(text: str, config: RunConfig | None = None, **options: Any) -> CompiledStage:
    """The only stage of ``FROM x`` and the text."""
    build_args = options.pop("build_args", {})
    plan = plan_stages(
        parse_dockerfile(options.pop("above", "") + "FROM x\n" + text),
        build_args=build_args,
        platform_args=platform_arguments(AMD64, AMD64, ""),
        platform=AMD64,
    )
    draft = Draft(config or RunConfig(env=("PATH=/bin",)))
    numbers = StageNumbers(first=1, total=9, prefix="")
    return compile_stage(plan, plan.target, draft, (), build_args=build_args, numbers=numbers)


def config_of(text: str, config: RunConfig | None = None, **options: Any) -> RunConfig:
    return compiled(text, config, **options).draft.config


def history_of(text: str, **options: Any) -> list[str]:
    return [line.created_by for line in compiled(text, **options).draft.history]


def run_of(text: str, **options: Any) -> RunStep:
    step = compiled(text, **options).steps[-1]
    assert isinstance(step, RunStep)
    return step


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("ENV a=1 b=2", ("PATH=/bin", "a=1", "b=2")),
        ("ENV a=1\nENV a=2", ("PATH=/bin", "a=2")),
        ("ENV a=1\nENV b=$a a=2 c=$a", ("PATH=/bin", "a=2", "b=1", "c=1")),
        ("ENV PATH=$PATH:/x", ("PATH=/bin:/x",)),
        ("ENV a 'x  y' z", ("PATH=/bin", "a=x  y z")),
        ("ARG a=1\nENV b=$a", ("PATH=/bin", "b=1")),
        ("ENV a=1\nARG a=2\nENV b=$a", ("PATH=/bin", "a=1", "b=2")),
        ("ARG a=1\nENV a=2\nENV b=$a", ("PATH=/bin", "a=2", "b=2")),
        ("ENV a=\\$PATH", ("PATH=/bin", "a=$PATH")),
    ],
)
def test_env(text: str, env: tuple[str, ...]) -> None:
    assert config_of(text).env == env


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("ARG a=x b=$a\nENV r=$b", {}, "x"),
        ("ARG a\nENV r=$a", {"build_args": {"a": "given"}}, "given"),
        ("ARG a=x\nENV r=$a", {"build_args": {"a": "given"}}, "given"),
        ("ARG a\nENV r=$a", {}, ""),
        ("ARG a\nENV r=$a", {"above": "ARG a=global\n"}, "global"),
        ("ARG a=own\nENV r=$a", {"above": "ARG a=global\n"}, "own"),
        ("ENV r=$a", {"above": "ARG a=global\n"}, ""),
        ("ENV r=$TARGETARCH", {}, ""),
        ("ARG TARGETARCH\nENV r=$TARGETARCH", {}, "amd64"),
        ("ARG TARGETPLATFORM\nENV r=$TARGETPLATFORM", {"build_args": {"TARGETPLATFORM": "z"}}, "z"),
        ("ENV a=env\nARG a\nENV r=$a", {}, "env"),
    ],
)
def test_arguments_in_scope(text: str, options: dict[str, Any], value: str) -> None:
    assert f"r={value}" in config_of(text, **options).env


def test_a_run_step_sees_arguments_and_the_history_says_so() -> None:
    text = "ARG a=1\nENV b=2\nRUN echo $a"
    assert run_of(text).env == ("PATH=/bin", "a=1", "b=2")
    assert history_of(text)[-1] == "RUN |1 a=1 /bin/sh -c echo $a # buildkit"


@pytest.mark.parametrize(
    ("text", "created_by"),
    [
        ("RUN pip install x", "RUN /bin/sh -c pip install x # buildkit"),
        ('RUN ["a", "b"]', "RUN a b # buildkit"),
        ('SHELL ["/bin/bash", "-ec"]\nRUN x', "RUN /bin/bash -ec x # buildkit"),
        ("COPY . /code/", "COPY . /code/ # buildkit"),
        ("COPY --from=y --chown=1:2 --chmod=755 a b", "COPY --chown=1:2 --chmod=755 a b # buildkit"),
        ("COPY <<a <<b /c/\na\nb\n", "COPY <<a <<b /c/ # buildkit"),
        ("ADD a.tar /", "ADD a.tar / # buildkit"),
        ("WORKDIR /code", "WORKDIR /code"),
        ("ENV a=1 b='2 3'", "ENV a=1 b=2 3"),
        ("ARG a=1 b", "ARG a=1 b"),
        ("LABEL a=1", "LABEL a=1"),
        ('CMD ["python", "x"]', 'CMD ["python" "x"]'),
        ("CMD python x", 'CMD ["/bin/sh" "-c" "python x"]'),
        ('ENTRYPOINT ["a"]', 'ENTRYPOINT ["a"]'),
        ("EXPOSE 80 53/udp", "EXPOSE [53/udp 80/tcp]"),
        ("USER app", "USER app"),
        ("VOLUME /a /b", "VOLUME [/a /b]"),
        ('SHELL ["bash", "-c"]', "SHELL [bash -c]"),
        ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"),
        ("MAINTAINER Me <me@x>", "MAINTAINER Me <me@x>"),
        (
            "HEALTHCHECK --interval=30s --retries=3 CMD x",
            'HEALTHCHECK &{["CMD-SHELL" "x"] "30s" "0s" "0s" "0s" \'\\x03\'}',
        ),
    ],
)
def test_history(text: str, created_by: str) -> None:
    assert history_of(text)[-1] == created_by


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("ENV a=1", True),
        ("RUN a", False),
        ("WORKDIR /a", False),
        ("WORKDIR /", True),
        ("COPY a b", False),
        ("USER a", True),
    ],
)
def test_only_steps_make_layers(text: str, empty: bool) -> None:
    assert compiled(text).draft.history[-1].empty_layer is empty


INHERITED = RunConfig(
    env=("PATH=/bin",),
    cmd=("base-cmd",),
    entrypoint=("base-entry",),
    exposed_ports=("80/tcp",),
    volumes=("/v",),
    labels={"a": "1"},
    working_dir="/base",
    user="base",
)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("CMD a", {"cmd": ("/bin/sh", "-c", "a"), "args_escaped": True}),
        ("CMD []", {"cmd": (), "args_escaped": True}),
        ('ENTRYPOINT ["e"]', {"entrypoint": ("e",), "cmd": None}),
        ('CMD ["c"]\nENTRYPOINT ["e"]', {"entrypoint": ("e",), "cmd": ("c",), "args_escaped": True}),
        ('ENTRYPOINT ["e"]\nCMD ["c"]', {"entrypoint": ("e",), "cmd": ("c",), "args_escaped": True}),
        ("EXPOSE 81", {"exposed_ports": ("80/tcp", "81/tcp")}),
        ("ARG p=8080\nEXPOSE $p", {"exposed_ports": ("80/tcp", "8080/tcp")}),
        ("VOLUME /w", {"volumes": ("/v", "/w")}),
        ('VOLUME ["/a b"]', {"volumes": ("/v", "/a b")}),
        ("LABEL a=2 b=3", {"labels": {"a": "2", "b": "3"}}),
        ("WORKDIR x", {"working_dir": "/base/x"}),
        ("WORKDIR /x\nWORKDIR y\nWORKDIR ../z", {"working_dir": "/x/z"}),
        ("ENV d=/e\nWORKDIR $d/f", {"working_dir": "/e/f", "env": ("PATH=/bin", "d=/e")}),
        ("USER u:g", {"user": "u:g"}),
        ("STOPSIGNAL 9", {"stop_signal": "9"}),
        ("ONBUILD RUN x", {"on_build": ("RUN x",)}),
        ('SHELL ["s"]', {"shell": ("s",)}),
    ],
)
def test_config_changes(text: str, fields: dict[str, Any]) -> None:
    assert config_of(text, INHERITED) == replace(INHERITED, **fields)


def test_a_healthcheck_replaces_the_inherited_one_whole() -> None:
    first = config_of("HEALTHCHECK --interval=5s CMD a")
    assert first.healthcheck is not None
    second = config_of("HEALTHCHECK CMD b", first)
    assert second.healthcheck is not None
    assert second.healthcheck.interval_ns == 0
    third = config_of("HEALTHCHECK NONE", second)
    assert third.healthcheck is not None
    assert third.healthcheck.test == ("NONE",)


def test_a_child_stage_clears_its_parent_s_cmd_too() -> None:
    parent = compiled('CMD ["c"]').draft
    child = parent.child()
    assert child.config.cmd == ("c",)
    assert not child.cmd_is_own


def test_a_child_stage_sees_its_parent_s_arguments() -> None:
    child = compiled("ARG a=1\nENV a=2\nARG b=3").draft.child()
    assert (child.env["a"], child.env["b"], child.args["b"]) == ("2", "3", "3")


def test_scratch_gets_docker_s_path() -> None:
    assert Draft.from_scratch().config.env == (f"PATH={DEFAULT_PATH}",)


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("COPY a b", "/b"),
        ("COPY a b/", "/b/"),
        ("WORKDIR /w\nCOPY a .", "/w/"),
        ("WORKDIR /w\nCOPY a ./", "/w/"),
        ("WORKDIR /w\nCOPY a b", "/w/b"),
        ("WORKDIR /w\nCOPY a ../b/.", "/b/"),
        ("COPY a /", "/"),
        ("ENV d=/x\nCOPY a $d/y", "/x/y"),
        ("COPY a ../../etc", "/etc"),
    ],
)
def test_destinations(text: str, destination: str) -> None:
    step = compiled(text).steps[-1]
    assert isinstance(step, CopyStep)
    assert step.destination == destination


def test_workdir_is_made_by_the_current_user() -> None:
    step = compiled("USER app\nWORKDIR /w").steps[0]
    assert isinstance(step, WorkdirStep)
    assert (step.path, step.user) == ("/w", "app")


@pytest.mark.parametrize(
    ("text", "arguments", "script"),
    [
        ("RUN <<EOF\necho a\necho b\nEOF", ("/bin/sh", "-c", "echo a\necho b\n"), None),
        ("RUN <<-EOF\n\techo a\n\tEOF", ("/bin/sh", "-c", "echo a\n"), None),
        (
            "RUN <<EOF\n#!/usr/bin/python\nprint(1)\nEOF",
            ("/bin/sh", "-c", "/dev/pipes/EOF"),
            "#!/usr/bin/python\nprint(1)\n",
        ),
        ("RUN <<EOF cat >/x\na\nEOF", ("/bin/sh", "-c", "<<EOF cat >/x\na\nEOF"), None),
        ("RUN cat <<A <<B\n1\nA\n2\nB", ("/bin/sh", "-c", "cat <<A <<B\n1\nA\n2\nB"), None),
        ("RUN << EOF\necho a\nEOF", ("/bin/sh", "-c", "echo a\n"), None),
    ],
)
def test_documents_of_run(text: str, arguments: tuple[str, ...], script: str | None) -> None:
    step = run_of(text)
    assert (step.arguments, step.script) == (arguments, script)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("ENV v=1\nCOPY <<f /x\na $v 'q' \\$v\nf\n", "a 1 'q' $v\n"),
        ("ENV v=1\nCOPY <<'f' /x\na $v\nf\n", "a $v\n"),
    ],
)
def test_inline_documents_expand_unless_quoted(text: str, content: str) -> None:
    step = compiled(text).steps[-1]
    assert isinstance(step, CopyStep)
    assert step.documents[0].text == content


def test_mounts_are_expanded_and_absolute() -> None:
    step = run_of(
        "ARG c=cache\nWORKDIR /w\nRUN --mount=type=cache,target=$c,id=$c-id --mount=type=cache,target=/t x"
    )
    assert [(one.mount.target, one.mount.id) for one in step.mounts] == [
        ("/w/cache", "cache-id"),
        ("/t", "/t"),
    ]


def test_vertices_are_named_as_buildkit_names_them() -> None:
    found = compiled("ENV v=1\nWORKDIR /code\nCOPY a b\nrun  echo $v $w \\\n  && x\nCMD y")
    assert [step.name for step in found.steps] == [
        "[2/4] WORKDIR /code",
        "[3/4] COPY a b",
        "[4/4] RUN echo 1 $w   && x",
    ]
    assert [[mark.number for mark in step.marks] for step in found.steps] == [[2, 3], [4], [5]]
    assert [mark.text for mark in found.trailing] == ["CMD y"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("EXPOSE 80/foo", 2, "invalid proto: foo"),
        ("EXPOSE 99999", 2, "invalid containerPort: 99999"),
        ("EXPOSE a", 2, "invalid containerPort: a"),
        ("STOPSIGNAL SIGFOO", 2, "invalid signal: SIGFOO"),
        ("ENV a=1\nRUN --security=insecure x", 3, "--security=insecure is not allowed"),
        ("ENV a=${b:?needed}", 2, "b: needed"),
        ("COPY --chmod=999 a b", 2, "invalid chmod parameter: '999'"),
        ("COPY --chmod=10000 a b", 2, "invalid chmod parameter"),
        ("COPY http://x/y z", 2, "source can't be a URL for COPY"),
        ("ADD https://github.com/x/y.git?colour=blue z", 2, "unexpected query key"),
        ("ADD --keep-git-dir=true x z", 2, "is for git repositories"),
        ("ADD --checksum=sha256:00 a b", 2, "checksum requires"),
        ("ARG v=nope\nRUN --mount=type=$v,target=/x y", 3, "unsupported mount type"),
    ],
)
def test_errors_name_the_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(DockerfileError, match=reason) as caught:
        compiled(text)
    assert caught.value.location.start == line


@pytest.mark.parametrize(
    ("word", "ports"),
    [
        ("80", ["80/tcp"]),
        ("80/UDP", ["80/udp"]),
        ("80-82", ["80/tcp", "81/tcp", "82/tcp"]),
        ("8080:80", ["80/tcp"]),
        ("127.0.0.1:8080:80/sctp", ["80/sctp"]),
        ("[::1]:1:80", ["80/tcp"]),
    ],
)
def test_ports(word: str, ports: list[str]) -> None:
    assert parse_exposed(word) == ports


@pytest.mark.parametrize("word", ["", "/tcp", "80-", "82-80", "x:80", "1.2.3:1:80", "80-81:90-95", "-1", "٣"])
def test_bad_ports(word: str) -> None:
    with pytest.raises(Misuse):
        parse_exposed(word)


@pytest.mark.parametrize(
    ("text", "before", "is_folder", "after"),
    [
        ("755", 0o600, False, 0o755),
        ("0644", 0o4755, False, 0o644),
        ("4755", 0o600, False, 0o4755),
        ("u+x", 0o644, False, 0o744),
        ("+x", 0o644, False, 0o755),
        ("a-w", 0o666, False, 0o444),
        ("go=", 0o777, False, 0o700),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("g=u", 0o740, False, 0o770),
        ("u+s,+t", 0o755, False, 0o5755),
        ("ug+rw-x", 0o111, False, 0o661),
    ],
)
def test_modes(text: str, before: int, is_folder: bool, after: int) -> None:
    assert parse_mode_change(text)(before, is_folder) == after


@pytest.mark.parametrize("text", ["", "8", "z+x", "u", "u+y", "u+x,", "77777"])
def test_bad_modes(text: str) -> None:
    with pytest.raises(Misuse):
        parse_mode_change(text)


def test_paths_never_leave_the_root() -> None:
    assert absolute_path("/a", "../../../b") == "/b"
    assert absolute_path("a", "b") == "/a/b"


def test_go_s_quoting() -> None:
    assert go_quoted('a"b\\c\n\x01é') == '"a\\"b\\\\c\\n\\x01é"'
