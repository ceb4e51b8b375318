# SPDX-License-Identifier: Apache-2.0
"""`compose up` again and again: only what changed is made anew, and which flags change that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.compose_project import ComposeProject
from integration.engine_process import EngineProcess
from integration.ssh_agent import running_agent

SLEEP = "image: busybox, command: sleep 300, stop_signal: SIGKILL"


@pytest.fixture
def make(shared_engine: EngineProcess, tmp_path: Path) -> Iterator[Callable[..., ComposeProject]]:
    """Projects of a test, taken away after it."""
    made: list[ComposeProject] = []

    def make_project(text: str, name: str = "") -> ComposeProject:
        name = name or f"up{len(made)}"
        made.append(ComposeProject(shared_engine, tmp_path / name, name, text))
        return made[-1]

    yield make_project
    for project in made:
        project.close()


def services(**keys: str) -> str:
    """A compose file with a sleeping service for each name, and what it has besides."""
    lines = [f"  {name}: {{{SLEEP}{', ' if more else ''}{more}}}" for name, more in keys.items()]
    return "\n".join(["services:", *lines, ""])


def changed(project: ComposeProject, *flags: str) -> tuple[set[str], str]:
    """The services whose containers another `up` has made anew, and what it told."""
    before = project.ids()
    told = project.up(*flags)
    after = project.ids()
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return {name.removeprefix(f"{project.name}-") for name in names}, told


def test_only_what_changed_is_made_anew_and_it_is_told_why(
    make: Callable[..., ComposeProject], shared_engine: EngineProcess
) -> None:
    shared_engine.sampan("tag", "busybox", "up-image:1")
    project = make(
        services(
            same="",
            variable="environment: {LEVEL: one}",
            image="",
            secret="secrets: [key]",
            inline="configs: [site]",
            wired="networks: [back]",
        )
        + "networks: {back: {}}\nsecrets: {key: {file: key.txt}}\nconfigs: {site: {content: one}}\n"
    )
    text = project.place.joinpath("compose.yaml").read_text()
    text = text.replace("image: {image: busybox", "image: {image: up-image:1")
    project.write(text)
    project.write("one", "key.txt")
    project.up()
    assert changed(project)[0] == set()
    project.write(
        text.replace("LEVEL: one", "LEVEL: two")
        .replace("content: one", "content: two")
        .replace("back: {}", "back: {internal: true}")
    )
    project.write("two", "key.txt")
    other = shared_engine.out("run", "-d", "busybox", "true")
    shared_engine.sampan("wait", other)
    shared_engine.sampan("commit", "--change", "LABEL new=1", other, "up-image:1")
    names, told = changed(project)
    assert names == {"variable-1", "image-1", "secret-1", "inline-1", "wired-1"}
    for line in (
        "Container up0-variable-1  Recreated  configuration changed: environment.LEVEL",
        "Container up0-image-1  Recreated  image changed",
        "Container up0-inline-1  Recreated  content changed: configs.site",
        "Container up0-wired-1  Recreated  network up0_back is made anew",
        "Network up0_back  Removed  its configuration changed",
        "Container up0-same-1  Running",
    ):
        assert line in told, told
    assert "Container up0-secret-1  Recreated  content changed: secrets.key" in told, told
    assert project.prints("secret", "cat /run/secrets/key") == "two"
    assert set(project.states().values()) == {"running"}


def test_what_is_made_anew_on_demand(make: Callable[..., ComposeProject]) -> None:
    project = make(services(db="", web="depends_on: [db]", other=""))
    project.up()
    assert changed(project, "--force-recreate", "web")[0] == {"web-1"}
    assert changed(project, "--always-recreate-deps", "web")[0] == {"db-1"}
    assert changed(project, "--force-recreate")[0] == {"db-1", "web-1", "other-1"}
    project.write(services(db="environment: {A: b}", web="depends_on: [db]", other=""))
    assert changed(project, "--no-recreate")[0] == set()
    assert changed(project, "--no-deps", "web")[0] == set()
    names, told = changed(project, "--dry-run")
    assert names == set()
    assert "recreate container up0-db-1: configuration changed: environment.A" in told
    assert changed(project, "web")[0] == {"db-1"}


def test_dependents_that_ask_for_it_start_again(make: Callable[..., ComposeProject]) -> None:
    text = services(
        db="environment: {A: a}",
        follows="depends_on: {db: {condition: service_started, restart: true}}",
        stays="depends_on: [db]",
    )
    project = make(text)
    project.up()
    began = {name: project.inspect(name)["State"]["StartedAt"] for name in ("follows", "stays")}
    project.write(text.replace("A: a", "A: b"))
    names, told = changed(project)
    assert names == {"db-1"}
    assert "Container up0-follows-1  Stopped  db is made anew" in told
    assert project.inspect("follows")["State"]["StartedAt"] != began["follows"]
    assert project.inspect("stays")["State"]["StartedAt"] == began["stays"]
    told = project.compose("--progress", "plain", "restart", "-t", "0", "db").stderr
    assert told.index("up0-db-1  Started") < told.index("up0-follows-1  Restarting")
    assert project.inspect("stays")["State"]["StartedAt"] == began["stays"]


def test_anonymous_volumes_are_kept_or_renewed(make: Callable[..., ComposeProject]) -> None:
    text = services(db="volumes: [/kept], environment: {A: a}")
    project = make(text)
    project.up()
    project.prints("db", "echo here >/kept/file")
    project.write(text.replace("A: a", "A: b"))
    project.up()
    assert project.prints("db", "cat /kept/file; echo $A") == "here\nb"
    first = project.inspect("db")["Mounts"][0]["Name"]
    project.up("-V", "--force-recreate")
    assert project.prints("db", "ls /kept") == ""
    assert first not in [item["Name"] for item in project.engine_api.volumes.list()]


def test_orphans_are_told_and_removed_on_demand(make: Callable[..., ComposeProject]) -> None:
    project = make(services(web="", gone=""))
    project.up()
    project.write(services(web=""))
    assert "Found orphan containers ([up0-gone-1])" in project.up()
    project.environment["COMPOSE_IGNORE_ORPHANS"] = "1"
    assert "orphan" not in project.up()
    del project.environment["COMPOSE_IGNORE_ORPHANS"]
    project.up("--remove-orphans")
    assert project.states() == {"web-1": "running"}


def test_scaling_up_and_down(make: Callable[..., ComposeProject]) -> None:
    project = make(services(web="", db=""))
    project.up("--scale", "web=3")
    first = project.ids("web")
    assert len(first) == 3
    assert "scaled to 2" in project.up("--scale", "web=2")
    assert project.ids("web") == {name: first[name] for name in sorted(first)[:2]}
    project.compose("scale", "web=4")
    assert project.ids("web").items() >= {name: first[name] for name in sorted(first)[:2]}.items()
    assert len(project.ids("web")) == 4
    assert "no such service: nobody" in project.up("--scale", "nobody=2", check=False)


def test_no_start_create_and_start(make: Callable[..., ComposeProject]) -> None:
    project = make(services(db="", web="depends_on: [db]"))
    project.up("--no-start")
    assert project.states() == {"db-1": "created", "web-1": "created"}
    project.compose("start")
    assert set(project.states().values()) == {"running"}
    project.compose("stop", "-t", "0", "web")
    assert project.states() == {"db-1": "running", "web-1": "exited"}
    assert changed(project)[0] == set()
    project.compose("rm", "-sf", "web")
    assert project.states() == {"db-1": "running"}
    project.compose("create", "web")
    assert project.states()["web-1"] == "created"


def test_waiting_for_health(make: Callable[..., ComposeProject]) -> None:
    check = "healthcheck: {test: test -e /tmp/ready, interval: 100ms, retries: 50}"
    ready = "command: sh -c 'sleep 0.4; touch /tmp/ready; sleep 300'"
    project = make(f"services:\n  web: {{image: busybox, {ready}, {check}, stop_signal: SIGKILL}}\n")
    project.up("--wait")
    assert project.inspect("web")["State"]["Health"]["Status"] == "healthy"
    project.write(services(web=check))
    began = time.monotonic()
    done = project.compose("up", "-d", "--wait", "--wait-timeout", "1", "web", check=False)
    assert done.returncode == 1
    assert 1 <= time.monotonic() - began < 8
    assert "application not healthy after 1s" in done.stderr


ATTACHED = """\
services:
  talker: {image: busybox, command: sh -c 'for i in 1 2 3; do echo line $$i; done; exit 0'}
  failing: {image: busybox, command: sh -c 'echo oops >&2; sleep 0.5; exit 7', depends_on: [talker]}
  server: {image: busybox, command: sleep 300, stop_signal: SIGKILL}
"""


def test_attached_output_and_its_end(make: Callable[..., ComposeProject]) -> None:
    project = make(ATTACHED.replace("  server", "x-server"))
    done = project.compose("up")
    assert "Attaching to failing-1, talker-1" in done.stderr
    for line in ("talker-1   | line 1", "talker-1   | line 3", "failing-1  | oops"):
        assert line in done.stdout
    assert done.stdout.rstrip().endswith("failing-1 exited with code 7")
    assert "talker-1 exited with code 0" in done.stdout
    done = project.compose("up", "--no-log-prefix", "--no-attach", "failing")
    assert "\nline 2\n" in done.stdout
    assert "oops" not in done.stdout


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--abort-on-container-exit"], 0),
        (["--abort-on-container-failure"], 7),
        (["--exit-code-from", "failing"], 7),
    ],
)
def test_one_end_that_ends_all(make: Callable[..., ComposeProject], flags: list[str], code: int) -> None:
    project = make(ATTACHED)
    assert project.compose("up", *flags, check=False).returncode == code
    assert project.states()["server-1"] == "exited"


def test_pull_policies_of_the_command_line(make: Callable[..., ComposeProject]) -> None:
    project = make(services(web="").replace("busybox", "localhost:1/not/here"))
    done = project.compose("up", "-d", "--pull", "never", check=False)
    assert done.returncode == 1
    assert "services.web.image" in done.stderr
    assert "image localhost:1/not/here is not here, and pull_policy is never" in done.stderr


def test_a_project_is_known_by_its_name_alone(make: Callable[..., ComposeProject], tmp_path: Path) -> None:
    project = make(services(db="volumes: ['data:/data']", web="depends_on: [db]") + "volumes: {data: {}}\n")
    project.up()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "up0-web-1" in project.compose("ps", cwd=elsewhere).stdout
    assert project.compose("logs", cwd=elsewhere).stdout == ""
    assert project.compose("exec", "-T", "db", "echo", "hello", cwd=elsewhere).stdout == "hello\n"
    rows = json.loads(project.compose("ls", "--format", "json", cwd=elsewhere).stdout)
    assert [row["Status"] for row in rows if row["Name"] == "up0"] == ["running(2)"]
    project.compose("stop", "-t", "0", cwd=elsewhere)
    assert set(project.states().values()) == {"exited"}
    told = project.compose("--progress", "plain", "down", "-v", cwd=elsewhere).stderr
    assert told.index("up0-web-1") < told.index("up0-db-1")
    assert project.left() == []
    assert 'No resource found to remove for project "up0"' in project.down()


def test_builds_use_agents_and_caches(make: Callable[..., ComposeProject]) -> None:
    text = """\
services:
  web:
    build:
      context: .
      dockerfile_inline: "FROM busybox\\nRUN --mount=type=ssh,id=KEY,required=true test -S $$SSH_AUTH_SOCK"
      ssh: [default, mine=./agent.sock]
      cache_to: ["type=local,dest=./kept"]
      cache_from: ["type=local,src=./kept"]
    image: composed-ssh
"""
    project = make(text.replace("KEY", "default"))
    with running_agent(project.place) as agent:
        assert "there is no agent" in project.compose("build", check=False).stderr
        project.environment["SSH_AUTH_SOCK"] = agent
        project.compose("build")
        assert (project.place / "kept/index.json").exists()
        project.write(text.replace("KEY", "mine"))
        project.compose("build")
        project.write(text.replace("KEY", "other"))
        assert project.compose("build", check=False).returncode == 1
        project.compose("build", "--ssh", f"other={agent}")
    project.engine_api.images.remove("composed-ssh", force=True)
