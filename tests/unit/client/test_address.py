# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.client.address import parse_address, resolve_address
from sampan.errors import InvalidArgument

SOCKET = "/run/x/engine.sock"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unix:///run/a.sock", "unix:///run/a.sock"),
        ("/run/a.sock", "unix:///run/a.sock"),
        ("tcp://box:2376", "tcp://box:2376"),
        ("tcp://box", "tcp://box:2375"),
        ("tcp://:1234", "tcp://127.0.0.1:1234"),
        ("tcp://[::1]:1234", "tcp://[::1]:1234"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("http://box:80/", "tcp://box:80"),
        ("box:99", "tcp://box:99"),
    ],
)
def test_reads_addresses(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize("text", ["unix://relative", "ssh://box", "tcp://box:x", "tcp://box:70000"])
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidArgument, match="host"):
        parse_address(text)


@pytest.mark.parametrize(
    ("flag", "environ", "expected", "may_start"),
    [
        ("", {}, SOCKET, True),
        ("", {"DOCKER_HOST": "unix:///d"}, "/d", False),
        ("", {"SAMPAN_HOST": "unix:///s", "DOCKER_HOST": "unix:///d"}, "/s", True),
        ("unix:///f", {"SAMPAN_HOST": "unix:///s"}, "/f", False),
        (f"unix://{SOCKET}", {}, SOCKET, True),
        ("", {"SAMPAN_HOST": "tcp://box:1"}, "", False),
        ("", {"SAMPAN_HOST": "", "DOCKER_HOST": ""}, SOCKET, True),
    ],
)
def test_flag_beats_environment_beats_default(
    flag: str, environ: dict[str, str], expected: str, may_start: bool
) -> None:
    address = resolve_address(environ, flag=flag, socket=SOCKET)
    assert (address.path, address.may_start) == (expected, may_start)
