# SPDX-License-Identifier: Apache-2.0
"""ps, images, inspect, version, info, events: what is shown, and in which form."""

from __future__ import annotations

import json
import time

import pytest

from integration.engine_process import CommandLine, EngineProcess, wait_until


@pytest.fixture
def fleet(cli: CommandLine) -> dict[str, str]:
    """One that runs, one that has ended, one that never ran."""
    running = cli.out("run", "-d", "--name", "runs", "--label", "kind=a", "busybox", "sleep", "60")
    ended = cli.out("run", "-d", "--name", "ended", "--label", "kind=b", "busybox", "sh", "-c", "exit 3")
    cli("wait", ended)
    return {"runs": running, "ended": ended, "made": cli.out("create", "--name", "made", "busybox", "true")}


def test_ps_columns(cli: CommandLine, fleet: dict[str, str]) -> None:
    head, *lines = cli.out("ps").splitlines()
    assert head.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert len(lines) == 1
    assert lines[0].startswith(f'{fleet["runs"][:12]}   busybox   "sleep 60"')
    assert " Up " in lines[0]
    assert lines[0].endswith("runs")


def test_ps_all_newest_first(cli: CommandLine, fleet: dict[str, str]) -> None:
    assert cli.out("ps", "-a", "--format", "{{.Names}}").split() == ["made", "ended", "runs"]
    statuses = cli.out("ps", "-a", "--format", "{{.Status}}").splitlines()
    assert statuses[0] == "Created"
    assert statuses[1].startswith("Exited (3) ")
    assert statuses[2].startswith("Up ")


def test_ps_quiet_last_and_n(cli: CommandLine, fleet: dict[str, str]) -> None:
    assert cli.out("ps", "-q") == fleet["runs"][:12]
    assert cli.out("ps", "-q", "--no-trunc") == fleet["runs"]
    assert cli.out("ps", "-lq") == fleet["made"][:12]
    assert cli.out("ps", "-n", "2", "-q").split() == [fleet["made"][:12], fleet["ended"][:12]]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["name=run"], "runs"),
        (["status=exited"], "ended"),
        (["status=created", "status=running"], "made runs"),
        (["label=kind"], "ended runs"),
        (["label=kind=b"], "ended"),
        (["exited=3"], "ended"),
        (["ancestor=busybox"], "made ended runs"),
        (["name=run", "label=kind=b"], ""),
        (["before=ended"], "runs"),
        (["since=ended"], "made"),
        (["network=bridge", "status=running"], "runs"),
    ],
)
def test_ps_filters(cli: CommandLine, fleet: dict[str, str], filters: list[str], names: str) -> None:
    flags = [part for each in filters for part in ("--filter", each)]
    assert cli.out("ps", "-a", *flags, "--format", "{{.Names}}").split() == names.split()


def test_ps_filter_by_id(cli: CommandLine, fleet: dict[str, str]) -> None:
    assert cli.out("ps", "-aq", "--no-trunc", "-f", f"id={fleet['ended'][:12]}") == fleet["ended"]


def test_ps_unknown_filter(cli: CommandLine) -> None:
    assert "invalid filter 'colour'" in cli.fails(1, "ps", "--filter", "colour=red")


def test_ps_formats(cli: CommandLine, fleet: dict[str, str]) -> None:
    record = json.loads(cli.out("ps", "--format", "json"))
    assert (record["ID"], record["Names"], record["State"]) == (fleet["runs"][:12], "runs", "running")
    assert record["Command"] == '"sleep 60"'
    table = cli.out("ps", "--format", "table {{.ID}}\t{{.Names}}").splitlines()
    assert table[0].split() == ["CONTAINER", "ID", "NAMES"]
    assert table[1].split() == [fleet["runs"][:12], "runs"]
    assert cli.out("ps", "--format", '{{.Label "kind"}} {{upper .Names}}') == "a RUNS"


def test_ps_size(cli: CommandLine) -> None:
    container = cli.out("run", "-d", "busybox", "sh", "-c", "head -c 2000000 /dev/zero >/big; sync")
    cli("wait", container)
    assert cli.out("ps", "-a", "-s", "--format", "{{.Size}}").startswith("2")


def test_inspect_whole_and_several(cli: CommandLine, fleet: dict[str, str]) -> None:
    records = json.loads(cli.out("inspect", "runs", "ended"))
    assert [r["Id"] for r in records] == [fleet["runs"], fleet["ended"]]
    record = records[0]
    assert record["Config"]["Cmd"] == ["sleep", "60"]
    assert (record["Path"], record["Args"]) == ("sleep", ["60"])
    assert record["State"]["Status"] == "running"
    assert record["HostConfig"]["NetworkMode"] in ("bridge", "default")


def test_inspect_of_nothing(cli: CommandLine) -> None:
    done = cli("inspect", "nothing-here", check=False)
    assert done.returncode == 1
    assert done.stdout.strip() == "[]"
    assert "no such object: nothing-here" in done.stderr.lower()


def test_inspect_by_type_and_template(cli: CommandLine, fleet: dict[str, str]) -> None:
    assert cli.out("inspect", "--type", "image", "-f", "{{index .RepoTags 0}}", "busybox") == "busybox:latest"
    form = "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{end}}"
    form += " {{if .State.Running}}up{{else}}down{{end}} {{len .Id}}"
    assert cli.out("inspect", "-f", form, "runs") == "kind=a up 64"


def test_version_and_info_formats(cli: CommandLine) -> None:
    assert json.loads(cli.out("version", "--format", "json"))["Server"]["ApiVersion"] == "1.51"
    assert cli.out("version", "-f", "{{.Server.Os}}") == "linux"
    cli("run", "-d", "busybox", "sleep", "60")
    assert cli.out("info", "-f", "{{.ContainersRunning}} {{.OSType}}") == "1 linux"
    assert json.loads(cli.out("info", "--format", "{{json .}}"))["Containers"] == 1


def test_events_in_order(cli: CommandLine) -> None:
    with cli.running("events", "--format", "{{.Type}} {{.Action}}", "--filter", "type=container") as client:
        assert client.stdout
        wait_until(lambda: probe(cli), "the stream is there")
        cli("run", "--rm", "--name", "ship", "busybox", "true")
        seen = []
        while not seen or seen[-1] != "container destroy":
            seen.append(client.stdout.readline().decode().strip())
    ours = [line.removeprefix("container ") for line in seen]
    assert [each for each in ours if each in ("create", "start", "die", "destroy")] == [
        "create",
        "start",
        "die",
        "destroy",
    ]


def probe(cli: CommandLine) -> bool:
    """The stream's head goes out before any event can be missed: one round trip later it is open."""
    return cli("version").returncode == 0


def test_events_of_the_past(cli: CommandLine) -> None:
    cli.fails(2, "run", "--rm", "--name", "past", "busybox", "sh", "-c", "exit 2")
    flags = ["--since", "10m", "--until", f"{time.time():.6f}", "--filter", "container=past"]
    lines = [json.loads(line) for line in cli.out("events", *flags, "--format", "json").splitlines()]
    by_action = {line["Action"]: line for line in lines}
    assert by_action["die"]["Actor"]["Attributes"]["exitCode"] == "2"
    assert by_action["create"]["Actor"]["Attributes"]["image"] == "busybox"


def test_images_columns_and_formats(cli: CommandLine) -> None:
    head, line = cli.out("images", "busybox").splitlines()
    assert head.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert line.split()[:2] == ["busybox", "latest"]
    record = json.loads(cli.out("images", "--format", "json", "busybox"))
    assert (record["Repository"], record["Tag"]) == ("busybox", "latest")
    assert cli.out("images", "-q", "--no-trunc", "busybox").startswith("sha256:")
    assert cli.out("images", "--filter", "reference=busy*:latest", "--format", "{{.Repository}}") == "busybox"
    assert cli.out("images", "nothing-here", "-q") == ""


def test_ps_both_command_lines_print_the_same(engine: EngineProcess) -> None:
    engine.sampan("run", "-d", "--name", "same", "-p", "127.0.0.1::80", "busybox", "sleep", "60")
    engine.sampan(
        "create", "--name", "other", "busybox", "a-long-command-line", "that-is-cut-short-somewhere"
    )
    for args in (
        ["ps", "-a"],
        ["ps", "-a", "--no-trunc"],
        ["images"],
        ["images", "--digests"],
        ["volume", "ls"],
        ["network", "ls"],
    ):
        assert engine.sampan(*args).stdout == engine.docker(*args).stdout, args
