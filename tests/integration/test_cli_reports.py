# SPDX-License-Identifier: Apache-2.0
"""The less common listings of Docker's own command line: it decodes every answer strictly."""

from __future__ import annotations

import json
import re
import time

import pytest

from integration.engine_process import EngineProcess

WROTE = 300_000


@pytest.fixture
def written(engine: EngineProcess) -> str:
    """A container that has ended after it wrote into its own layer."""
    engine.docker("run", "--name", "writer", "busybox", "sh", "-c", f"head -c {WROTE} /dev/zero > /big")
    return "writer"


def test_info_is_understood_whole(engine: EngineProcess) -> None:
    out = engine.docker("info")
    assert "Error" not in out.stderr
    for line in (
        "Server Version:",
        "Storage Driver:",
        "Cgroup Version:",
        "Default Runtime:",
        "Swarm: inactive",
    ):
        assert line in out.stdout
    assert json.loads(engine.docker("info", "--format", "{{json .Plugins.Network}}").stdout) == [
        "bridge",
        "host",
        "macvlan",
        "null",
    ]


def test_ps_and_inspect_show_sizes(engine: EngineProcess, written: str) -> None:
    sizes = engine.docker("ps", "-a", "--size", "--format", "{{.Names}} {{.Size}}").stdout
    assert re.search(rf"{written} 300kB \(virtual [\d.]+MB\)", sizes)
    shown = json.loads(engine.docker("inspect", "--size", written).stdout)[0]
    assert shown["SizeRw"] >= WROTE
    assert shown["SizeRootFs"] > shown["SizeRw"]
    plain = json.loads(engine.docker("inspect", written).stdout)[0]
    assert "SizeRw" not in plain


def test_system_df_tells_each_kind_and_in_detail(engine: EngineProcess, written: str) -> None:
    engine.docker("volume", "create", "counted")
    rows = {line.split("  ")[0]: line for line in engine.docker("system", "df").stdout.splitlines()[1:]}
    assert set(rows) == {"Images", "Containers", "Local Volumes", "Build Cache"}
    assert re.search(r"Containers\s+1\s+0\s+300kB\s+300kB \(100%\)", rows["Containers"])
    detail = engine.docker("system", "df", "-v").stdout
    assert re.search(r"busybox\s+latest\s+\S+ .*\b1\s*$", detail, re.MULTILINE)
    assert re.search(rf"busybox .*300kB .*{written}", detail)
    assert re.search(r"counted\s+0\s+0B", detail)
    engine.docker("volume", "rm", "counted")


def test_shared_sizes_of_images_that_share_layers(engine: EngineProcess) -> None:
    recipe = "FROM busybox\nRUN head -c 50000 /dev/zero > /own\n"
    built = engine.docker("build", "-q", "-t", "sharing", "-", input=recipe, check=False)
    if built.returncode:  # newer command lines insist on BuildKit
        built = engine.sampan("build", "-q", "-t", "sharing", "-", input=recipe)
    usage = json.loads(engine.docker("system", "df", "-v", "--format", "json").stdout)
    images = {image["Repository"]: image for image in usage["Images"]}
    assert images["sharing"]["UniqueSize"] == "50kB"
    assert images["sharing"]["SharedSize"] == images["busybox"]["SharedSize"] != "0B"
    engine.docker("rmi", "sharing")


def test_events_between_two_moments(engine: EngineProcess) -> None:
    begun = time.time()
    engine.docker("run", "--rm", "--name", "brief", "--label", "a=b", "busybox", "true")
    ended = time.time()
    window = ["--since", f"{begun:.6f}", "--until", f"{ended:.6f}"]
    lines = engine.docker("events", *window, "--format", "{{.Type}} {{.Action}}").stdout.splitlines()
    life = [line for line in lines if line.startswith("container ") and "attach" not in line]
    assert life == ["container create", "container start", "container die", "container destroy"]
    assert lines.index("network connect") < lines.index("container start")
    one = engine.docker("events", *window, "--filter", "event=die", "--filter", "label=a=b").stdout
    assert "exitCode=0" in one
    assert "image=busybox" in one
    none = engine.docker(
        "events", "--since", "2h", "--until", f"{begun:.6f}", "--filter", "container=brief"
    ).stdout
    assert none == ""
    backwards = engine.docker("events", "--since", f"{ended:.6f}", "--until", f"{begun:.6f}", check=False)
    assert "cannot be after" in backwards.stderr


def test_events_as_json_carry_nanoseconds(engine: EngineProcess) -> None:
    begun = time.time()
    engine.docker("volume", "create", "seen")
    engine.docker("volume", "rm", "seen")
    window = ["--since", f"{begun:.6f}", "--until", f"{time.time():.6f}", "--filter", "type=volume"]
    events = [
        json.loads(line) for line in engine.docker("events", *window, "--format", "json").stdout.splitlines()
    ]
    assert [event["Action"] for event in events] == ["create", "destroy"]
    assert all(event["timeNano"] // 10**9 == event["time"] for event in events)
