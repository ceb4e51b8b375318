# SPDX-License-Identifier: Apache-2.0
"""What a second build runs again, and what it does not."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from build_place import BuildPlace
from sampan.build.cache import PREFIX
from sampan.build.errors import BuildFailed
from sampan.build.files.view import open_view
from sampan.build.request import BuildRequest

DOCKERFILE = """FROM scratch
ARG version
ENV language=en
WORKDIR /code
COPY requirements.txt /code/
RUN write /usr/lib/django installed
COPY . /code/
CMD ["python", "manage.py"]
"""
ALL = {
    "WORKDIR /code": True,
    "COPY requirements.txt /code/": True,
    "RUN write /usr/lib/django installed": True,
    "COPY . /code/": True,
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[BuildPlace]:
    made = BuildPlace(tmp_path)
    made.write("requirements.txt", "django\n")
    made.write("manage.py", "print()\n")
    made.write("app/models.py", "x = 1\n")
    yield made
    made.close()


def test_a_second_build_runs_nothing_and_makes_the_same_image(place: BuildPlace) -> None:
    first = place.build(DOCKERFILE)
    second = place.build(DOCKERFILE)
    assert second.id == first.id
    assert place.cached() == ALL
    assert place.executor.steps == []


def test_one_edit_runs_nothing_before_its_copy(place: BuildPlace) -> None:
    place.build(DOCKERFILE)
    place.write("app/models.py", "x = 2\n")
    image = place.build(DOCKERFILE)
    assert place.cached() == ALL | {"COPY . /code/": False}
    assert (place.layer(image) / "code/app/models.py").read_text() == "x = 2\n"


def touch(place: BuildPlace) -> None:
    for path in place.project.rglob("*"):
        os.utime(path, ns=(1, 1))


def give_away(place: BuildPlace) -> None:
    for path in place.project.rglob("*"):
        os.chown(path, 123, 456)


def copy_elsewhere(place: BuildPlace) -> None:
    moved = place.project.rename(place.root / "moved")
    shutil.copytree(moved, place.project)


@pytest.mark.parametrize("change", [touch, give_away, copy_elsewhere])
def test_changes_that_mean_nothing(place: BuildPlace, change: Callable[[BuildPlace], None]) -> None:
    place.build(DOCKERFILE)
    change(place)
    place.build(DOCKERFILE)
    assert place.cached() == ALL


@pytest.mark.parametrize(
    "text",
    [
        DOCKERFILE + "LABEL a=1\nEXPOSE 80\n",
        DOCKERFILE.replace('CMD ["python", "manage.py"]', 'CMD ["other"]'),
        DOCKERFILE.replace("ARG version", "LABEL early=1\nARG version\nEXPOSE 99"),
        "# a comment\n" + DOCKERFILE,
    ],
)
def test_lines_that_only_change_the_config_run_nothing(place: BuildPlace, text: str) -> None:
    first = place.build(DOCKERFILE)
    second = place.build(text)
    assert place.cached() == ALL
    assert second.config.diff_ids == first.config.diff_ids


def test_an_unrelated_file_outside_of_what_is_copied_changes_nothing(place: BuildPlace) -> None:
    text = "FROM scratch\nCOPY app /app\n"
    place.build(text)
    place.write("other.txt", "x")
    place.build(text)
    assert place.cached() == {"COPY app /app": True}


def test_an_ignored_file_changes_nothing(place: BuildPlace) -> None:
    place.write(".dockerignore", "*.log\n")
    place.build(DOCKERFILE)
    place.write("x.log", "x")
    place.build(DOCKERFILE)
    assert place.cached() == ALL


def test_a_change_of_mode_misses(place: BuildPlace) -> None:
    place.build(DOCKERFILE)
    (place.project / "manage.py").chmod(0o755)
    place.build(DOCKERFILE)
    assert place.cached() == ALL | {"COPY . /code/": False}


def test_a_new_empty_folder_misses(place: BuildPlace) -> None:
    place.build(DOCKERFILE)
    (place.project / "empty").mkdir()
    place.build(DOCKERFILE)
    assert not place.cached()["COPY . /code/"]


def test_a_change_of_the_same_size_within_a_clock_tick_misses(place: BuildPlace) -> None:
    text = "FROM scratch\nCOPY manage.py /\n"
    for number in range(5):
        path = place.write("manage.py", f"print({number})\n")
        os.utime(path, ns=(1, 1))
        image = place.build(text)
        assert (place.layer(image) / "manage.py").read_text() == f"print({number})\n"


def test_an_argument_in_scope_misses_from_the_first_run_on(place: BuildPlace) -> None:
    place.build(DOCKERFILE, build_args={"version": "1"})
    place.build(DOCKERFILE, build_args={"version": "2"})
    cached = place.cached()
    assert cached["COPY requirements.txt /code/"]
    assert not cached["RUN write /usr/lib/django installed"]
    place.build(DOCKERFILE, build_args={"version": "1", "unknown": "x"})
    assert place.cached() == ALL


def test_proxy_arguments_reach_the_program_and_nothing_else(place: BuildPlace) -> None:
    first = place.build(DOCKERFILE, build_args={"http_proxy": "http://one"})
    assert "HTTP_PROXY=http://one" in place.executor.steps[0].env
    second = place.build(DOCKERFILE, build_args={"http_proxy": "http://two"})
    assert place.cached() == ALL
    assert second.id == first.id
    assert b"proxy" not in first.config.raw.lower()


def test_the_host_s_ca_is_asked_for_and_leaves_no_trace(place: BuildPlace) -> None:
    first = place.build(DOCKERFILE, host_ca=True)
    assert place.executor.steps[0].host_ca is True
    second = place.build(DOCKERFILE, host_ca=False)
    assert place.cached() == ALL
    assert second.id == first.id


def test_the_value_of_a_secret_is_in_no_key(place: BuildPlace) -> None:
    text = "FROM scratch\nRUN --mount=type=secret,id=token write /a b\n"
    place.build(text, secrets={"token": b"one"})
    image = place.build(text, secrets={"token": b"two"})
    assert list(place.cached().values()) == [True]
    assert b"token" not in image.config.raw


def test_no_cache_runs_everything_and_is_cached_itself(place: BuildPlace) -> None:
    place.build(DOCKERFILE)
    place.build(DOCKERFILE, no_cache=True)
    assert not any(place.cached().values())
    place.build(DOCKERFILE)
    assert place.cached() == ALL


STAGES = """FROM scratch AS builder
COPY app /app
RUN write /out/result stable;write /out/log other
FROM scratch
COPY --from=builder /out/result /result
RUN write /after x
"""


def test_a_stage_that_ran_again_with_the_same_output_is_still_a_hit(place: BuildPlace) -> None:
    place.build(STAGES)
    place.write("app/models.py", "x = 3\n")
    place.build(STAGES)
    cached = place.cached()
    assert not cached["RUN write /out/result stable;write /out/log other"]
    assert cached["COPY --from=builder /out/result /result"]
    assert cached["RUN write /after x"]


def test_a_bind_mount_counts_by_content(place: BuildPlace) -> None:
    text = "FROM scratch\nRUN --mount=type=bind,source=app,target=/m write /a b\n"
    place.build(text)
    place.write("manage.py", "other")
    place.build(text)
    assert list(place.cached().values()) == [True]
    place.write("app/models.py", "x = 9\n")
    place.build(text)
    assert list(place.cached().values()) == [False]


def test_unused_stages_never_run(place: BuildPlace) -> None:
    text = (
        "FROM scratch AS a\nRUN write /a x\nFROM nothing/there AS b\nRUN exit 1\n"
        "FROM scratch AS c\nCOPY --from=a /a /c"
    )
    place.build(text)
    assert place.executor.commands == ["write /a x"]
    place.build(text, target="a")
    assert place.executor.commands == []


def test_independent_stages_run_at_the_same_time(place: BuildPlace) -> None:
    waiting: set[str] = set()
    met = asyncio.Event()

    async def meet(step: object, *, output: object) -> int:
        waiting.add(str(step))
        if len(waiting) == 2:
            met.set()
        await asyncio.wait_for(met.wait(), 10)
        return 0

    place.executor.run = meet  # type: ignore[assignment, method-assign]
    place.build(
        "FROM scratch AS a\nRUN one\nFROM scratch AS b\nRUN two\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n"
    )
    assert len(waiting) == 2


def test_two_builds_of_the_same_thing_run_it_once(place: BuildPlace) -> None:
    async def both() -> None:
        text = b"FROM scratch\nRUN write /a b\n"

        request = BuildRequest(context=str(place.project), dockerfile=text)
        results = await asyncio.gather(*(place.builder.build(request, lambda _: None) for _ in range(3)))
        assert len({result.image_id for result in results}) == 1

    asyncio.run(both())
    assert place.executor.commands == ["write /a b"]


def test_a_step_that_fails_leaves_nothing_and_what_came_before_is_cached(place: BuildPlace) -> None:
    text = "FROM scratch\nRUN write /a b\nRUN say oh;exit 3\n"
    with pytest.raises(BuildFailed) as caught:
        place.build(text)
    error = caught.value
    assert error.message == 'process "/bin/sh -c say oh;exit 3" did not complete successfully: exit code: 3'
    assert (error.exit_code, error.vertex) == (3, "[2/2] RUN say oh;exit 3")
    assert "3 | >>> RUN say oh;exit 3" in error.excerpt
    assert [snapshot.kind for snapshot in place.snapshots.walk()] == ["committed"]
    with pytest.raises(BuildFailed):
        place.build(text)
    assert place.executor.commands == ["say oh;exit 3"]


def test_a_cancelled_build_leaves_no_active_snapshot(place: BuildPlace) -> None:
    async def cancel() -> None:
        building = asyncio.ensure_future(place.build_in_loop("FROM scratch\nRUN write /a b\nRUN sleep\n"))
        await asyncio.sleep(0)
        while len(place.executor.steps) < 2:
            await place.executor.started.wait()
            await asyncio.sleep(0.001)
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building

    asyncio.run(cancel())
    assert [snapshot.kind for snapshot in place.snapshots.walk()] == ["committed"]


def test_the_cache_survives_a_restart(place: BuildPlace) -> None:
    first = place.build(DOCKERFILE)
    place.close()
    place.open()
    place.builder.sweep()
    second = place.build(DOCKERFILE)
    assert place.cached() == ALL
    assert second.id == first.id


def test_a_snapshot_without_a_record_is_swept(place: BuildPlace) -> None:
    place.build(DOCKERFILE)
    place.snapshots.prepare("build-active-x", None)
    place.snapshots.commit("build-active-x", PREFIX + "lost")
    place.builder.sweep()
    assert not place.snapshots.exists(PREFIX + "lost")
    place.build(DOCKERFILE)
    assert place.cached() == ALL


def test_a_record_of_another_boot_that_was_never_synced_is_not_believed(place: BuildPlace) -> None:
    with pytest.raises(BuildFailed):
        place.build("FROM scratch\nRUN write /a b\nRUN exit 1\n")
    place.builder.cache._boot_id = "another"
    with pytest.raises(BuildFailed):
        place.build("FROM scratch\nRUN write /a b\nRUN exit 1\n")
    assert place.executor.commands == ["write /a b", "exit 1"]


def test_removing_the_image_keeps_the_cache_until_it_is_pruned(place: BuildPlace) -> None:
    place.build(DOCKERFILE, tags=("x",))
    place.images.remove("x")
    place.build(DOCKERFILE)
    assert place.cached() == ALL
    place.images.remove(str(place.images.list()[0].id))
    removed, freed = asyncio.run(place.builder.prune(everything=True))
    assert len(removed) == 4
    assert freed > 0
    assert place.snapshots.walk() == []
    place.build(DOCKERFILE)
    assert not any(place.cached().values())


def test_pruning_keeps_what_an_image_needs(place: BuildPlace) -> None:
    image = place.build(DOCKERFILE, tags=("x",))
    asyncio.run(place.builder.prune())
    assert (place.layer(image) / "code/manage.py").exists()
    assert place.builder.describe_cache() == []


def test_the_cache_is_described_as_docker_does(place: BuildPlace) -> None:
    place.build(DOCKERFILE)
    records = place.builder.describe_cache()
    assert {record["Description"].partition("] ")[2] for record in records} == set(ALL)
    assert all(record["Size"] >= 0 and not record["InUse"] for record in records)


def test_an_edited_copy_links_the_files_that_are_as_before(place: BuildPlace) -> None:
    for number in range(40):
        place.write(f"many/{number}", f"{number}")
    text = "FROM scratch\nCOPY . /code/\n"
    first = place.build(text)
    place.write("many/7", "changed")
    second = place.build(text)
    old, new = place.layer(first) / "code/many", place.layer(second) / "code/many"
    assert (new / "3").stat().st_ino == (old / "3").stat().st_ino
    assert (new / "7").read_text() == "changed"
    assert (old / "7").read_text() == "7"


def test_a_link_is_not_used_for_a_file_whose_mode_changed(place: BuildPlace) -> None:
    for number in range(40):
        place.write(f"many/{number}", f"{number}")
    text = "FROM scratch\nCOPY . /code/\n"
    first = place.build(text)
    (place.project / "many/3").chmod(0o755)
    second = place.build(text)
    assert (place.layer(second) / "code/many/3").stat().st_mode & 0o777 == 0o755
    assert (place.layer(first) / "code/many/3").stat().st_mode & 0o777 == 0o644


KILLED = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from build_place import BuildPlace

place = BuildPlace.__new__(BuildPlace)
place.root, place.project, place.driver = Path(sys.argv[1]), Path(sys.argv[1]) / "project", None
place.open()
place.executor.inspect = lambda step: print(step.arguments[-1], flush=True)
place.build("FROM scratch\\nRUN write /a b\\nCOPY . /c\\nRUN write /d e;sleep\\n")
"""


def test_a_build_that_is_killed_loses_only_the_step_it_was_in(place: BuildPlace) -> None:
    place.close()
    command = [sys.executable, "-c", KILLED, str(place.root), *sys.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "sleep" not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
    place.open()
    assert any(snapshot.kind == "active" for snapshot in place.snapshots.walk())
    place.builder.sweep()
    place.snapshots.purge()
    assert {snapshot.kind for snapshot in place.snapshots.walk()} == {"committed"}
    place.build("FROM scratch\nRUN write /a b\nCOPY . /c\nRUN write /d e;say done\n")
    assert place.executor.commands == ["write /d e;say done"]


def test_names_that_are_no_text(place: BuildPlace) -> None:
    for number in range(20):
        place.write(f"odd/{number}", "x")
    os.rename(place.project / "odd/3", os.fsencode(place.project) + b"/odd/\xff\xfe")
    text = "FROM scratch\nCOPY odd /odd\n"
    place.build(text)
    place.write("odd/4", "changed")
    image = place.build(text)
    assert b"\xff\xfe" in os.listdir(os.fsencode(place.layer(image)) + b"/odd")


def test_a_hundred_layers(place: BuildPlace) -> None:
    lines = [f"COPY <<f /n{number}\n{number}\nf\n" for number in range(100)]
    image = place.build("FROM scratch\n" + "".join(lines) + "COPY requirements.txt /n50\n")
    assert len(image.config.diff_ids) == 101
    with open_view(place.snapshots.lowers(str(image.chain_id)), place.builder.workplace.empty) as fd:
        assert len(os.listdir(fd)) == 100
