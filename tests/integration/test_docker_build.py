# SPDX-License-Identifier: Apache-2.0
"""`docker build` as it is: the docker command line with buildx, on our socket, by BuildKit's session protocol."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from integration.docker_clients import DockerClient
from integration.engine_process import EngineProcess, wait_until
from integration.ssh_agent import copy_program, running_agent

DOCKERFILE = """\
FROM busybox AS base
ARG COLOUR=red
WORKDIR /app
COPY file.txt ./
RUN echo "$COLOUR $(cat file.txt)" >result && echo $COLOUR-noise | tr n N
FROM base AS final
LABEL made=here
CMD ["cat", "/app/result"]
"""


@pytest.fixture(scope="module")
def docker(shared_engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> DockerClient:
    return DockerClient(shared_engine, tmp_path_factory.mktemp("docker-config"))


@pytest.fixture
def project(engine: EngineProcess, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "file.txt").write_text("text")
    yield folder
    names = engine.out("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for name in [name for name in names if name.startswith("built")]:
        engine.sampan("rmi", "-f", name, check=False)


def write(project: Path, text: str) -> None:
    (project / "Dockerfile").write_text(text)


def test_build_with_names_arguments_and_labels(docker: DockerClient, project: Path) -> None:
    options = ("-t", "built:1", "-t", "built:2", "--build-arg", "COLOUR=blue", "--label", "of=us")
    said = docker("build", "--no-cache", *options, str(project)).stderr
    assert docker.out("run", "--rm", "built:1") == "blue text"
    labels = json.loads(docker.out("inspect", "-f", "{{json .Config.Labels}}", "built:2"))
    assert labels == {"made": "here", "of": "us"}
    for line in (
        "[internal] load build definition from Dockerfile",
        "[internal] load build context",
        "transferring context:",
        "blue-Noise",
        "exporting to image",
    ):
        assert line in said


def test_the_second_build_is_cached(docker: DockerClient, project: Path) -> None:
    docker("build", "-t", "built:1", str(project))
    said = docker("build", "-t", "built:1", str(project)).stderr
    assert "CACHED" in said
    assert "red-Noise" not in said


def test_one_stage_without_the_cache(docker: DockerClient, project: Path) -> None:
    write(
        project,
        "FROM busybox AS one\nRUN echo a >/a\nFROM busybox\nCOPY --from=one /a /\nRUN echo b | tr b B\n",
    )
    docker("build", str(project))
    said = docker("build", "--no-cache-filter", "one", str(project)).stderr
    assert said.count("CACHED") < docker("build", str(project)).stderr.count("CACHED")


def test_the_image_id_in_files_and_quietly(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    iid, metadata = tmp_path / "iid", tmp_path / "metadata"
    options = ("--iidfile", str(iid), "--metadata-file", str(metadata), "-t", "built:1")
    image_id = docker.out("build", "-q", *options, str(project))
    assert docker.out("inspect", "-f", "{{.Id}}", "built:1") == image_id == iid.read_text()
    told = json.loads(metadata.read_text())
    assert told["containerimage.config.digest"] == image_id
    assert told["image.name"] == "docker.io/library/built:1"


def test_a_target_and_a_dockerfile_elsewhere(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    other = tmp_path / "Other"
    other.write_text(DOCKERFILE)
    docker("build", "-t", "built:1", "-f", str(other), "--target", "base", str(project))
    assert docker.out("inspect", "-f", "{{.Config.Labels}}", "built:1") == "map[]"
    assert 'target stage "nowhere" could not be found' in docker.fails(
        "build", "--target", "nowhere", str(project)
    )


def test_a_failed_step_shows_its_output_and_its_line(docker: DockerClient, project: Path) -> None:
    write(project, "FROM busybox\nRUN echo before; exit 7\nRUN true\n")
    said = docker.fails("build", str(project))
    assert "before" in said
    assert "   2 | >>> RUN echo before; exit 7" in said
    assert 'process "/bin/sh -c echo before; exit 7" did not complete successfully: exit code: 7' in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM busybox\nRUNN true\n", "unknown instruction: RUNN"),
        ("FROM busybox\nCOPY missing /\n", '"/missing": not found'),
        ("FROM no-such-image:9\n", "docker.io/library/no-such-image:9"),
        ("", "the Dockerfile cannot be empty"),
    ],
)
def test_what_cannot_be_built(docker: DockerClient, project: Path, text: str, said: str) -> None:
    write(project, text)
    assert said in docker.fails("build", str(project))


def test_a_missing_dockerfile(docker: DockerClient, project: Path) -> None:
    (project / "Dockerfile").unlink()
    assert "failed to read dockerfile: open Dockerfile: no such file or directory" in docker.fails(
        "build", str(project)
    )


def test_what_we_do_not_do_is_refused_by_name(docker: DockerClient, project: Path) -> None:
    for flag, said in {
        "--cache-to=type=azblob,name=x,account_url=y": "--cache-to type=azblob",
        "--output=type=image,store=false,name=x": "store=false",
    }.items():
        assert said in docker.fails("build", flag, str(project))


def test_checks(docker: DockerClient, project: Path) -> None:
    assert "Check complete, no warnings found." in docker.out("build", "--check", str(project))
    write(project, "FROM busybox as base\nRUN echo $NOWHERE\nCMD echo hi\n")
    done = docker("build", "--check", str(project), check=False)
    assert done.returncode == 1
    assert "WARNING: JSONArgsRecommended" in done.stdout
    assert "   3 | >>> CMD echo hi" in done.stdout


def test_secrets(docker: DockerClient, project: Path) -> None:
    write(
        project,
        "FROM busybox\n"
        'RUN --mount=type=secret,id=token,required cp /run/secrets/token /copy && [ -z "$(ls /run/secrets)" ] || true\n'
        'RUN --mount=type=secret,id=word,env=WORD echo "$WORD" >/word\n'
        "RUN ! ls /run/secrets/token\n"
        'CMD ["cat", "/copy", "/word"]\n',
    )
    (project.parent / "token").write_text("hidden\n")
    environment = docker.environment | {"WORD": "said"}
    secrets = ("--secret", f"id=token,src={project.parent}/token", "--secret", "id=word,env=WORD")
    docker("build", "-t", "built:1", *secrets, str(project), env=environment)
    assert docker.out("run", "--rm", "built:1").split() == ["hidden", "said"]
    assert "secret token: not found" in docker.fails("build", "--no-cache", str(project))


def test_an_ssh_agent(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    copy_program("ssh-add", project / "root")
    write(
        project,
        "FROM busybox\nCOPY root /\nRUN --mount=type=ssh,required=true ssh-add -l >/keys\n"
        'RUN [ -z "$SSH_AUTH_SOCK" ] && [ ! -e /run/buildkit ]\nCMD ["cat", "/keys"]\n',
    )
    with running_agent(tmp_path) as agent:
        environment = docker.environment | {"SSH_AUTH_SOCK": agent}
        docker("build", "-t", "built:1", "--ssh", "default", str(project), env=environment)
    assert "the key (ED25519)" in docker.out("run", "--rm", "built:1")
    assert "unset ssh forward key default" in docker.fails("build", "--no-cache", str(project))


def test_dockerignore(docker: DockerClient, project: Path) -> None:
    (project / ".dockerignore").write_text("*.log\n!keep.log\n# a comment\nsub/ü*\n")
    (project / "sub").mkdir()
    for name in ("a.log", "keep.log", "sub/a", "sub/über"):
        (project / name).write_text("")
    write(project, 'FROM busybox\nCOPY . /c\nCMD ["sh", "-c", "cd /c && find . -type f | sort"]\n')
    docker("build", "-t", "built:1", str(project))
    found = docker.out("run", "--rm", "built:1").split()
    assert found == ["./.dockerignore", "./Dockerfile", "./file.txt", "./keep.log", "./sub/a"]
    (project / "Dockerfile.dockerignore").write_text("*\n!keep.log\n")
    docker("build", "-t", "built:1", str(project))
    assert docker.out("run", "--rm", "built:1").split() == ["./keep.log"]


def test_only_what_is_read_is_sent(docker: DockerClient, project: Path) -> None:
    (project / "big").write_bytes(os.urandom(4 << 20))
    said = docker("build", "--no-cache", str(project)).stderr
    assert "transferring context: 4" not in said
    write(project, "FROM busybox\nARG NAME=file.txt\nCOPY ${NAME} /\n")
    said = docker("build", "--no-cache", str(project)).stderr
    assert "transferring context: 4" in said
    (project / "file.txt").write_text("other")
    said = docker("build", str(project)).stderr
    assert "transferring context: 4" not in said


def test_changes_of_every_kind_are_seen(docker: DockerClient, project: Path) -> None:
    tree = project / "tree"
    for name in ("folder/inner", "file", "gone", "becomes-folder", "becomes-link"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    os.link(tree / "file", tree / "hard")
    (tree / "link").symlink_to("file")
    write(
        project,
        'FROM busybox\nCOPY tree /t\nCMD ["sh", "-c", "cd /t && find . | sort | xargs stat -c %n:%a:%F"]\n',
    )
    docker("build", "-t", "built:1", str(project))
    assert _listing(docker) == _expected(tree)
    (tree / "gone").unlink()
    (tree / "file").chmod(0o751)
    shutil.rmtree(tree / "folder")
    (tree / "folder").write_text("a file now")
    (tree / "becomes-folder").unlink()
    (tree / "becomes-folder").mkdir()
    (tree / "becomes-folder/x").write_text("x")
    (tree / "becomes-link").unlink()
    (tree / "becomes-link").symlink_to("/etc")
    docker("build", "-t", "built:1", str(project))
    assert _listing(docker) == _expected(tree)
    assert docker.out("run", "--rm", "built:1", "cat", "/t/folder") == "a file now"


def _listing(docker: DockerClient) -> list[str]:
    lines = docker.out("run", "--rm", "built:1").splitlines()
    return [line.replace("regular empty file", "regular file") for line in lines]


def _expected(tree: Path) -> list[str]:
    command = "find . | LC_ALL=C sort | xargs stat -c %n:%a:%F"
    done = subprocess.run(command, shell=True, cwd=tree, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_contexts_from_stdin(docker: DockerClient, project: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(project, ".")
    image = docker("build", "-q", "-", input=out.getvalue(), text=False).stdout.decode().strip()
    assert docker.out("run", "--rm", image) == "red text"
    image = docker.out("build", "-q", "-", input='FROM busybox\nCMD ["echo", "piped"]\n')
    assert docker.out("run", "--rm", image) == "piped"
    image = docker.out("build", "-q", "-f", "-", str(project), input="FROM busybox\nCOPY file.txt /\n")
    assert docker.out("run", "--rm", image, "cat", "/file.txt") == "text"


def test_contexts_from_elsewhere(
    docker: DockerClient, older: DockerClient, project: Path, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "context.tar.gz", "w:gz") as archive:
        archive.add(project, ".")
    (tmp_path / "Other").write_text("FROM busybox\nCOPY file.txt /other\n")
    with serving(tmp_path) as url:
        image = docker.out("build", "-q", f"{url}/context.tar.gz")
        assert docker.out("run", "--rm", image) == "red text"
        image = docker.out("build", "-q", "-f", str(tmp_path / "Other"), f"{url}/context.tar.gz")
        assert docker.out("run", "--rm", image, "cat", "/other") == "text"
        assert "not-there" in docker.fails("build", f"{url}/not-there.tar.gz")
        image = older.out("build", "-q", f"{url}/context.tar.gz")
        assert docker.out("run", "--rm", image) == "red text"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server for a folder."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_named_contexts(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra/n.txt").write_text("named")
    write(project, "FROM other AS base\nCOPY --from=more n.txt /\nRUN cat /n.txt\n")
    contexts = (
        "--build-context",
        f"more={tmp_path}/extra",
        "--build-context",
        "other=docker-image://busybox",
    )
    said = docker("build", "--no-cache", *contexts, str(project)).stderr
    assert "[context more] load from client" in said
    assert "named" in said


def test_export_to_a_folder_and_a_tar(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    write(
        project,
        "FROM busybox AS make\nRUN mkdir /out && echo a >/out/a && chmod 640 /out/a && ln -s a /out/link\n"
        "FROM scratch\nCOPY --from=make /out /\n",
    )
    folder, archive = tmp_path / "folder", tmp_path / "out.tar"
    docker("build", "-o", str(folder), str(project))
    assert (folder / "a").read_text() == "a\n"
    assert (folder / "a").stat().st_mode & 0o777 == 0o640
    assert os.readlink(folder / "link") == "a"
    docker("build", "-o", f"type=tar,dest={archive}", str(project))
    with tarfile.open(archive) as tar:
        assert sorted(tar.getnames()) == ["a", "link"]
    streamed = docker("build", "-o", "-", str(project), text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(streamed)) as tar:
        assert sorted(tar.getnames()) == ["a", "link"]


def test_export_to_archives(docker: DockerClient, project: Path, tmp_path: Path) -> None:
    for kind in ("docker", "oci"):
        archive = tmp_path / f"{kind}.tar"
        docker("build", "-t", "built:archived", "-o", f"type={kind},dest={archive}", str(project))
        assert docker("image", "inspect", "built:archived", check=False).returncode == 1
        assert "built:archived" in docker.out("load", "-i", str(archive))
        assert docker.out("run", "--rm", "built:archived") == "red text"
        docker("rmi", "-f", "built:archived")


def test_progress_as_json(docker: DockerClient, project: Path) -> None:
    said = docker("build", "--no-cache", "--progress", "rawjson", str(project)).stderr
    events = [json.loads(line) for line in said.splitlines()]
    names = {vertex["name"] for event in events for vertex in event.get("vertexes", [])}
    assert any(name.endswith("COPY file.txt ./") for name in names)
    assert any("data" in log for event in events for log in event.get("logs", []))


def test_load_and_options_of_steps(docker: DockerClient, project: Path) -> None:
    write(project, 'FROM busybox\nRUN grep -q 1.2.3.4 /etc/hosts && df -k /dev/shm | grep -q " 2048 "\n')
    options = (
        "--load",
        "-t",
        "built:1",
        "--add-host",
        "other:1.2.3.4",
        "--shm-size",
        "2m",
        "--network",
        "none",
    )
    docker("build", *options, str(project))
    assert docker.out("images", "-q", "built:1")


def test_the_builder_the_cache_and_the_history(docker: DockerClient, project: Path) -> None:
    docker("build", "-t", "built:1", str(project))
    assert "running" in docker.out("buildx", "ls")
    assert "linux/" in docker.out("buildx", "inspect")
    assert "Total:" in docker.out("buildx", "du")
    builds = [
        json.loads(line) for line in docker.out("buildx", "history", "ls", "--format", "json").splitlines()
    ]
    ref = builds[0]["ref"].rpartition("/")[2]
    assert builds[0]["status"] == "Completed"
    logs = docker("buildx", "history", "logs", ref)
    assert "COPY file.txt" in logs.stdout + logs.stderr
    assert project.name in docker.out("buildx", "history", "inspect", ref)
    docker("buildx", "history", "rm", ref)
    assert ref not in docker.out("buildx", "history", "ls")
    assert docker.out("buildx", "prune", "-f", "--filter", "until=24h").split() == ["Total:", "0B"]
    assert "Total:" in docker.out("buildx", "prune", "-f")
    assert "Total" in docker.out("builder", "prune", "-af")


def test_two_builds_of_one_folder_at_the_same_time(docker: DockerClient, project: Path) -> None:
    for name in ("one", "two"):
        (project / f"{name}.Dockerfile").write_text(
            f"FROM busybox\nCOPY . /c\nRUN echo {name} >/who && sleep 0.3\n"
        )

    def build(name: str) -> str:
        return docker.out("build", "--no-cache", "-q", "-f", f"{project}/{name}.Dockerfile", str(project))

    with ThreadPoolExecutor(2) as pool:
        images = list(pool.map(build, ["one", "two"]))
    assert [docker.out("run", "--rm", image, "cat", "/who") for image in images] == ["one", "two"]


def test_steps_are_held_to_the_ulimits_that_are_asked_for(
    docker: DockerClient, engine: EngineProcess, project: Path
) -> None:
    write(project, "FROM busybox\nRUN ulimit -Sn > /limits; ulimit -Hn >> /limits\n")
    for build in (docker, engine.sampan):
        build("build", "--ulimit", "nofile=123:456", "--no-cache", "-t", "held:1", str(project))
        assert engine.out("run", "--rm", "held:1", "cat", "/limits").split() == ["123", "456"]


def test_steps_run_in_the_cgroup_that_is_asked_for(docker: DockerClient, project: Path) -> None:
    write(project, "FROM busybox\nRUN echo started && sleep 1000\n")
    groups = Path("/sys/fs/cgroup")
    with docker.running(
        "build", "--no-cache", "--cgroup-parent", "/harbour-builds", str(project)
    ) as building:
        _read_until(building, "started")
        held = [*groups.glob("harbour-builds/*/"), *groups.glob("*/harbour-builds/*/")]
        building.send_signal(signal.SIGINT)
        building.wait(20)
    assert held
    wait_until(lambda: not any(group.exists() for group in held), "the step's groups are gone")
    for parent in {group.parent for group in held}:
        parent.rmdir()


def test_interrupting_stops_the_step(docker: DockerClient, engine: EngineProcess, project: Path) -> None:
    write(project, "FROM busybox\nRUN echo started && sleep 1000\n")
    with docker.running("build", "--no-cache", str(project)) as building:
        _read_until(building, "started")
        building.send_signal(signal.SIGINT)
        building.wait(20)
        assert building.returncode != 0
    wait_until(lambda: not _steps(engine), "the step's container is gone")


def test_a_client_that_vanishes_leaves_nothing(
    docker: DockerClient, engine: EngineProcess, project: Path
) -> None:
    docker("build", "-q", str(project))
    before = _descriptors(engine)
    write(project, "FROM busybox\nCOPY . /c\nRUN echo started && sleep 1000\n")
    for _ in range(2):
        with docker.running("build", "--no-cache", str(project)) as building:
            _read_until(building, "started")
            os.killpg(building.pid, signal.SIGKILL)
        wait_until(lambda: not _steps(engine), "the step's container is gone")
    wait_until(lambda: _descriptors(engine) <= before, "no descriptor is left")
    write(project, DOCKERFILE)
    docker("build", "-q", str(project))


def test_an_engine_that_stops_ends_its_builds(
    own_engine: EngineProcess, project: Path, tmp_path: Path
) -> None:
    docker = DockerClient(own_engine, tmp_path / "own-config")
    write(project, "FROM busybox\nRUN echo started && sleep 1000\n")
    with docker.running("build", str(project)) as building:
        _read_until(building, "started")
        own_engine.stop()
        assert building.wait(20) != 0
    assert not _steps(own_engine)
    assert "Traceback" not in (own_engine.data.parent / "engine.log").read_text()


def _read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line and "RUN" not in line:
            return
    raise AssertionError(f"the build ended without {word}")


def _steps(engine: EngineProcess) -> list[str]:
    return os.listdir(engine.run / "containers")


def _descriptors(engine: EngineProcess) -> int:
    assert engine.process is not None
    return len(os.listdir(f"/proc/{engine.process.pid}/fd"))


def test_compose_builds_the_same_way(docker: DockerClient, project: Path) -> None:
    (project / "compose.yaml").write_text(
        "services:\n  app:\n    image: built:composed\n    build: {context: ., args: {COLOUR: green}}\n"
    )
    docker("compose", "-f", f"{project}/compose.yaml", "build")
    assert docker.out("run", "--rm", "built:composed") == "green text"


def test_an_older_buildx(engine: EngineProcess, project: Path, tmp_path: Path) -> None:
    docker = DockerClient(engine, tmp_path / "config", plugins=False)
    docker.add_plugin("buildx-0.13")
    docker("build", "-t", "built:1", str(project))
    assert docker.out("run", "--rm", "built:1") == "red text"
    write(project, "FROM busybox\nRUN exit 3\n")
    assert "exit code: 3" in docker.fails("build", str(project))


@pytest.fixture
def older(engine: EngineProcess, tmp_path: Path) -> DockerClient:
    """docker 20.10, which speaks to BuildKit without a plugin."""
    from integration.docker_clients import client_path

    docker = DockerClient(engine, tmp_path / "config", program=client_path("docker-20.10"), plugins=False)
    docker.environment["DOCKER_BUILDKIT"] = "1"
    return docker


def test_docker_20_builds_in_a_session(older: DockerClient, project: Path, tmp_path: Path) -> None:
    said = older("build", "--no-cache", "-t", "built:1", "--build-arg", "COLOUR=old", str(project)).stderr
    assert "old-Noise" in said
    assert older.out("run", "--rm", "built:1") == "old text"
    image = older.out("build", "-q", str(project))
    assert older.out("run", "--rm", image) == "red text"
    older("build", "-o", str(tmp_path / "out"), str(project))
    assert (tmp_path / "out/app/result").read_text() == "red text\n"
    write(project, "FROM busybox\nRUN exit 7\n")
    assert "exit code: 7" in older.fails("build", str(project))


def test_docker_20_builds_an_archive_from_stdin(older: DockerClient, project: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(project, ".")
    older("build", "-t", "built:1", "-", input=out.getvalue(), text=False)
    assert older.out("run", "--rm", "built:1") == "red text"
