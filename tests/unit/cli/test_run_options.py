# SPDX-License-Identifier: Apache-2.0
"""Flags become what docker makes of them: the golden file was recorded from `docker create` 28.2.2.

Empty fields were left out of the record, as they are of our requests.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from sampan.cli.flags import Flag, parse_flags
from sampan.cli.run_flags import CREATE_FLAGS, RUN_FLAGS
from sampan.cli.run_options import ContainerRequest, plan_container
from sampan.errors import InvalidArgument, SampanError

FILES = {
    "env1": 'A=1\n# c\n  B=two words\n\nSETX\nUNSETX\nC="q"\n',
    "env2": "a b=1\n",
    "env3": "=1\n",
    "labels": "x=y\n#c\nz\n",
    "sec.json": '{ "a" : [1, 2],\n"b": "<x>" }\n',
}
ENVIRON = {"SETX": "client"}

with open(os.path.join(os.path.dirname(__file__), "data", "create_golden.json"), encoding="utf-8") as _file:
    GOLDEN = json.load(_file)


def plan(line: str, flags: tuple[Flag, ...] = CREATE_FLAGS) -> ContainerRequest:
    options, words = parse_flags(flags, shlex.split(line), interspersed=False)
    return plan_container(options, words[0], words[1:], ENVIRON)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(("line", "expected"), GOLDEN, ids=[line for line, _ in GOLDEN])
def test_asks_for_what_docker_asks_for(line: str, expected: dict[str, object], folder: str) -> None:
    wanted = json.loads(
        json.dumps(expected).replace("@DIR@/..", os.path.dirname(folder)).replace("@DIR@", folder)
    )
    if "../rel" in line:
        wanted["document"]["HostConfig"]["Binds"] = [os.path.dirname(folder) + "/rel:/b:ro"]
    line = line.replace("@DIR@", folder)
    if "error" in wanted:
        with pytest.raises(SampanError) as caught:
            plan(line)
        assert caught.value.message == wanted["error"]
    else:
        assert _sparse(plan(line).document) == _sparse(wanted["document"])


def _sparse(value: object, key: str = "") -> object:
    """Drop empty fields, but for maps whose keys are the user's."""
    if isinstance(value, dict):
        kept = {name: _sparse(item, name) for name, item in value.items()}
        if key in ("EndpointsConfig", "ExposedPorts", "Volumes", "Tmpfs"):
            return kept
        return {
            name: item
            for name, item in kept.items()
            if item not in (None, "", 0, False, [], {}) or name in _KEPT
        }
    return [_sparse(item) for item in value] if isinstance(value, list) else value


_KEPT = ("Init", "StopTimeout", "Soft", "Hard", "MaskedPaths", "ReadonlyPaths")


def test_the_host_authorities_are_asked_for_by_an_annotation() -> None:
    host = plan("--host-ca busybox").document["HostConfig"]
    assert isinstance(host, dict)
    assert host["Annotations"] == {"io.sampan.host-ca": "true"}


def test_what_to_do_with_an_unhealthy_container_is_an_annotation() -> None:
    host = plan("--on-unhealthy restart busybox").document["HostConfig"]
    assert isinstance(host, dict)
    assert host["Annotations"] == {"io.sampan.on-unhealthy": "restart"}
    with pytest.raises(InvalidArgument, match="use none, restart or stop"):
        plan("--on-unhealthy explode busybox")


def test_a_detached_run_attaches_nothing() -> None:
    request = plan("-d -i busybox", RUN_FLAGS)
    assert request.streams == frozenset()
    assert request.document["OpenStdin"] is True
    assert "StdinOnce" not in request.document
    assert "AttachStdout" not in request.document


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-v a::b busybox", "invalid spec: a::b: empty section between colons"),
        ("-v a:b:c:d busybox", "invalid spec: a:b:c:d: too many colons"),
        ("-v '' busybox", "invalid empty volume spec"),
        ("--no-healthcheck --health-retries 1 busybox", "--no-healthcheck conflicts with --health-* options"),
        ("--restart on-failure --rm busybox", "conflicting options: cannot specify both --restart and --rm"),
    ],
)
def test_refuses_what_makes_no_sense(line: str, message: str) -> None:
    with pytest.raises(SampanError) as caught:
        plan(line)
    assert caught.value.message == message


def test_name_and_platform_go_into_the_query() -> None:
    request = plan("--name web --platform linux/arm64 --rm -t busybox")
    assert (request.name, request.platform, request.auto_remove, request.tty) == (
        "web",
        "linux/arm64",
        True,
        True,
    )


def test_words_after_the_image_are_the_command() -> None:
    assert plan("busybox ls -l --rm").document["Cmd"] == ["ls", "-l", "--rm"]


def test_no_flag_is_declared_twice() -> None:
    letters = [flag.short for flag in RUN_FLAGS if flag.short]
    assert len({flag.name for flag in RUN_FLAGS}) == len(RUN_FLAGS)
    assert len(set(letters)) == len(letters)
