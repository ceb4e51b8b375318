# SPDX-License-Identifier: Apache-2.0
"""RUN: what the executor is asked for, mounts and what is left of them; ONBUILD, stages and the image."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_place import BuildPlace
from sampan.build.dockerfile.location import DockerfileError
from sampan.build.errors import BuildFailed
from sampan.build.progress import LogEvent, WarningEvent
from sampan.build.seams import ExecMount, ExecStep
from sampan.errors import InvalidArgument, NotFound, SampanError


@pytest.fixture
def place(tmp_path: Path) -> Iterator[BuildPlace]:
    made = BuildPlace(tmp_path)
    yield made
    made.close()


def step_of(place: BuildPlace, text: str, **options: object) -> ExecStep:
    """What the last RUN of these lines asks of the executor."""
    place.build("FROM scratch\n" + text, **options)
    return place.executor.steps[-1]


def mount_of(place: BuildPlace, flags: str, **options: object) -> ExecMount:
    return step_of(place, f"RUN {flags} true", **options).mounts[0]


def test_a_program_gets_what_its_stage_says(place: BuildPlace) -> None:
    step = step_of(
        place,
        'ARG v=1\nENV e=2\nWORKDIR /w\nUSER 5:6\nSHELL ["/bin/bash", "-ec"]\nRUN --network=none echo $v',
        extra_hosts=("a:1.2.3.4",),
        shm_size_bytes=99,
    )
    assert step.arguments == ("/bin/bash", "-ec", "echo $v")
    assert {"v=1", "e=2"} <= set(step.env)
    assert (step.cwd, step.user, step.network) == ("/w", "5:6", "none")
    assert (step.extra_hosts, step.shm_size_bytes) == (("a:1.2.3.4",), 99)


def test_the_request_s_network_is_the_default(place: BuildPlace) -> None:
    assert step_of(place, "RUN true", network="host").network == "host"


def test_output_is_passed_on_with_its_vertex(place: BuildPlace) -> None:
    place.build("FROM scratch\nRUN say hello")
    logs = [event for event in place.events if isinstance(event, LogEvent)]
    assert [(event.stream, event.data) for event in logs] == [(1, b"hello\n")]
    assert place.ended()["[1/1] RUN say hello"].id == logs[0].id


def test_a_bind_mount_shows_the_context_in_place(place: BuildPlace) -> None:
    place.write("sub/f", "x")
    mount = mount_of(place, "--mount=type=bind,source=sub,target=/m")
    assert mount == ExecMount("bind", "/m", source=str(place.project / "sub"), readonly=True)


def test_a_bind_mount_never_shows_what_is_ignored(place: BuildPlace) -> None:
    place.write("sub/f", "x")
    place.write("sub/secret.key", "x")
    place.write(".dockerignore", "**/*.key")
    seen: list[list[str]] = []
    place.executor.inspect = lambda step: seen.append(os.listdir(step.mounts[0].source))
    mount = mount_of(place, "--mount=type=bind,source=sub,target=/m")
    assert seen == [["f"]]
    assert not os.path.exists(mount.source)


def test_a_writable_bind_mount_is_a_copy(place: BuildPlace) -> None:
    place.write("sub/f", "x")
    place.executor.inspect = lambda step: Path(step.mounts[0].source, "f").write_text("changed") and None
    mount = mount_of(place, "--mount=type=bind,source=sub,target=/m,rw")
    assert not mount.readonly
    assert (place.project / "sub/f").read_text() == "x"


def test_a_whole_stage_is_mounted_as_layers(place: BuildPlace) -> None:
    text = "FROM scratch AS a\nRUN write /x y\nFROM scratch\nRUN --mount=from=a,target=/a true"
    place.build(text)
    mount = place.executor.steps[-1].mounts[0]
    assert (mount.kind, mount.readonly, len(mount.lowers)) == ("overlay", True, 1)
    assert os.listdir(mount.lowers[0]) == ["x"]


def test_a_file_of_a_stage_is_mounted(place: BuildPlace) -> None:
    seen: list[str] = []
    place.executor.inspect = lambda step: seen.extend(Path(one.source).read_text() for one in step.mounts)
    place.build(
        "FROM scratch AS a\nRUN write /d/x y\nFROM scratch\nRUN --mount=from=a,source=/d/x,target=/bin/x true"
    )
    assert seen == ["y"]


def test_a_missing_mount_source_is_an_error(place: BuildPlace) -> None:
    with pytest.raises(BuildFailed, match='"/nope": not found'):
        mount_of(place, "--mount=type=bind,source=nope,target=/m")


def test_a_cache_mount_outlives_the_build(place: BuildPlace) -> None:
    flags = "--mount=type=cache,target=/root/.cache,id=pip,uid=7,gid=8,mode=0750"
    mount = mount_of(place, flags)
    Path(mount.source, "wheel").write_text("x")
    again = mount_of(place, flags, no_cache=True)
    assert again.source == mount.source
    status = os.stat(mount.source)
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (7, 8, 0o750)
    assert os.listdir(again.source) == ["wheel"]


def test_cache_mounts_with_other_ids_are_others(place: BuildPlace) -> None:
    one = mount_of(place, "--mount=type=cache,target=/c,id=one")
    two = mount_of(place, "--mount=type=cache,target=/c,id=two")
    assert one.source != two.source
    assert mount_of(place, "--mount=type=cache,target=/c,sharing=private").source != one.source


def test_a_tmpfs(place: BuildPlace) -> None:
    assert mount_of(place, "--mount=type=tmpfs,target=/t,size=1m") == ExecMount(
        "tmpfs", "/t", size_bytes=1 << 20
    )


def test_a_secret_is_a_file_in_memory_for_the_step_only(place: BuildPlace) -> None:
    seen: list[tuple[str, int]] = []

    def look(step: ExecStep) -> None:
        path = Path(step.mounts[0].source)
        seen.append((path.read_text(), stat.S_IMODE(path.stat().st_mode)))

    place.executor.inspect = look
    mount = mount_of(place, "--mount=type=secret,id=token", secrets={"token": b"s3cret"})
    assert seen == [("s3cret", 0o400)]
    assert (mount.target, mount.readonly) == ("/run/secrets/token", True)
    assert not os.path.exists(mount.source)
    found = [path for path in place.root.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert found == []


def test_a_secret_as_a_variable(place: BuildPlace) -> None:
    step = step_of(place, "RUN --mount=type=secret,id=t,env=TOKEN true", secrets={"t": b"v"})
    assert "TOKEN=v" in step.env
    assert step.mounts == ()


def test_a_secret_that_is_not_given(place: BuildPlace) -> None:
    assert step_of(place, "RUN --mount=type=secret,id=t true").mounts == ()
    with pytest.raises(BuildFailed, match="secret t: not found"):
        step_of(place, "RUN --mount=type=secret,id=t,required true")


def test_an_agent_that_nobody_lends_is_not_there_or_missed(place: BuildPlace) -> None:
    assert step_of(place, "RUN --mount=type=ssh true").mounts == ()
    with pytest.raises(BuildFailed, match="unset ssh forward key mine"):
        step_of(place, "RUN --mount=type=ssh,id=mine,required true")


def test_a_script_is_run_as_a_file(place: BuildPlace) -> None:
    seen: list[tuple[str, bool]] = []
    place.executor.inspect = lambda step: seen.append(
        (Path(step.mounts[0].source).read_text(), os.access(step.mounts[0].source, os.X_OK))
    )
    step = step_of(place, "RUN <<EOF\n#!/bin/true\nx\nEOF")
    assert step.arguments == ("/bin/sh", "-c", "/dev/pipes/EOF")
    assert step.mounts[0].target == "/dev/pipes/EOF"
    assert seen == [("#!/bin/true\nx\n", True)]


def mount_points(place: BuildPlace, *names: str) -> None:
    """Let the executor make what mounting makes."""

    def make(step: ExecStep) -> None:
        root = Path(place.snapshots.upper_path(step.snapshot))
        for name in names:
            path = root / name.strip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.touch()

    place.executor.inspect = make


def test_empty_mount_points_are_gone_after_the_step(place: BuildPlace) -> None:
    mount_points(place, "root/.cache/pip/", "etc/resolv.conf", "etc/hosts", "proc/", "sys/", "dev/")
    text = "FROM scratch\nRUN --mount=type=cache,target=/root/.cache/pip write /made x"
    assert place.names(place.build(text)) == ["made"]


def test_mount_points_that_the_step_wrote_to_stay(place: BuildPlace) -> None:
    mount_points(place, "c/", "etc/hosts")
    text = "FROM scratch\nRUN --mount=type=tmpfs,target=/c write /c/x y;write /etc/hosts z"
    assert place.names(place.build(text)) == ["c", "c/x", "etc", "etc/hosts"]


def test_a_folder_touched_only_for_a_mount_point_is_no_change(place: BuildPlace) -> None:
    mount_points(place, "etc/resolv.conf", "var/cache/apt/")
    text = "FROM scratch\nCOPY <<f /etc/\nx\nf\nCOPY <<f /var/cache/\nx\nf\n"
    text += "RUN --mount=type=cache,target=/var/cache/apt write /made x"
    assert place.names(place.build(text)) == ["made"]


def test_what_the_image_had_at_a_mount_point_stays(place: BuildPlace) -> None:
    image = place.build("FROM scratch\nRUN write /etc/hosts x\nRUN write /b x")
    assert place.names(image, 0) == ["etc", "etc/hosts"]


def test_a_stage_from_an_image_and_its_triggers(place: BuildPlace) -> None:
    place.write("app", "x")
    place.build(
        "FROM scratch\nENV a=1\nONBUILD COPY app /app\nONBUILD RUN write /on build\nONBUILD ENV t=2\n",
        tags=("base:1",),
    )
    image = place.build('FROM base:1\nRUN write /own x\nCMD ["c"]')
    assert place.executor.commands == ["write /on build", "write /own x"]
    assert image.config.config.on_build == ()
    assert {"a=1", "t=2"} <= set(image.config.config.env)
    assert len(image.config.diff_ids) == 3


def test_a_chain_of_stages_keeps_config_and_history(place: BuildPlace) -> None:
    image = place.build(
        'FROM scratch AS a\nENV x=1\nCMD ["base"]\nRUN write /a 1\nFROM a AS b\nENTRYPOINT ["e"]\nRUN write /b 1\n'
        "FROM b\nLABEL l=1\n"
    )
    config = image.config
    assert (config.config.entrypoint, config.config.cmd) == (("e",), None)
    assert [line.created_by for line in config.history] == [
        "ENV x=1",
        'CMD ["base"]',
        "RUN /bin/sh -c write /a 1 # buildkit",
        'ENTRYPOINT ["e"]',
        "RUN /bin/sh -c write /b 1 # buildkit",
        "LABEL l=1",
    ]
    assert len(config.diff_ids) == sum(not line.empty_layer for line in config.history) == 2


def test_labels_and_tags_of_the_request(place: BuildPlace) -> None:
    image = place.build("FROM scratch\nLABEL a=1 b=2", labels={"b": "3", "c": None}, tags=("one", "two:x"))
    assert image.config.config.labels == {"a": "1", "b": "3", "c": ""}
    assert image.references == ("docker.io/library/one:latest", "docker.io/library/two:x")


def test_an_image_without_layers(place: BuildPlace) -> None:
    image = place.build('FROM scratch\nCMD ["x"]')
    assert image.config.diff_ids == ()


@pytest.mark.parametrize(
    ("text", "options", "kind", "reason"),
    [
        ("FROM nothing:1", {}, BuildFailed, "docker.io/library/nothing:1: nothing:1: not found"),
        ("FROM scratch\nRUNN x", {}, DockerfileError, "Dockerfile:2: unknown instruction: RUNN"),
        ("FROM scratch", {"target": "x"}, InvalidArgument, 'target stage "x" could not be found'),
        ("FROM scratch", {"tags": ("UPPER",)}, InvalidArgument, "must be lowercase"),
        (None, {"dockerfile": "nope"}, NotFound, "failed to read dockerfile: open nope: no such file"),
        (None, {"dockerfile": "../../etc"}, SampanError, "failed to read dockerfile"),
        (
            "FROM scratch AS a\nCOPY --from=b /x /\nFROM scratch AS b\nCOPY --from=a /x /",
            {},
            DockerfileError,
            'cannot copy from stage "b", it needs to be defined before',
        ),
        ("FROM scratch", {"platform": "a/b/c/d"}, InvalidArgument, "invalid OS/architecture"),
        (
            "FROM scratch\nCOPY --from=ctx / /",
            {"named_contexts": {"ctx": "/nonexistent"}},
            NotFound,
            "unable to prepare",
        ),
    ],
)
def test_what_cannot_be_built(
    place: BuildPlace, text: str | None, options: dict[str, object], kind: type[SampanError], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        place.build(text, **options)
    assert place.snapshots.walk() == []


def test_a_missing_base_says_what_to_do(place: BuildPlace) -> None:
    with pytest.raises(BuildFailed) as caught:
        place.build("FROM python:3.10.8-slim-bullseye")
    assert "sampan bootstrap python:3.10.8-slim-bullseye" in (caught.value.hint or "")
    assert "1 | >>> FROM python" in caught.value.excerpt


def test_a_warning_names_its_line(place: BuildPlace) -> None:
    place.build("FROM scratch\nRUN write /a \\\n\n  b")
    warnings = [event for event in place.events if isinstance(event, WarningEvent)]
    assert [(one.text, one.line) for one in warnings] == [("NoEmptyContinuation: Empty continuation line", 2)]


def test_marks_count_the_instructions_as_the_classic_builder(place: BuildPlace) -> None:
    place.build("FROM scratch\nENV a=1\nRUN true\nCMD x")
    ended = place.ended()
    assert [mark["number"] for mark in ended["[1/1] RUN true"].marks] == [1, 2, 3]
    assert [mark["number"] for mark in ended["exporting to image"].marks] == [4]
    assert all(mark["total"] == 4 for event in ended.values() for mark in event.marks)


def test_a_context_as_a_tar(place: BuildPlace) -> None:
    import asyncio
    import tarfile

    from sampan.build.request import BuildRequest

    path = place.root / "context.tar"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in {"Dockerfile": b"FROM scratch\nCOPY f /f\n", "f": b"x"}.items():
            source = place.write(f"in/{name}", data)
            archive.add(source, name)

    async def build() -> str:
        with path.open("rb") as body:
            async with place.builder.context_of(body) as folder:
                result = await place.builder.build(BuildRequest(context=folder), lambda _: None)
                return str(result.image_id)

    image = place.images.get(asyncio.run(build()))
    assert place.names(image) == ["f"]
    assert os.listdir(place.root / "build/tmp") == []
