# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sampan.errors import InvalidArgument
from sampan.transport.location import Kind, Location, parse_location


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("docker://python:3.12", Location(Kind.REGISTRY, name="docker.io/library/python:3.12")),
        ("docker://a.example:5000/b/c", Location(Kind.REGISTRY, name="a.example:5000/b/c:latest")),
        ("oci:folder", Location(Kind.LAYOUT, "folder")),
        ("oci:/a/b:v1", Location(Kind.LAYOUT, "/a/b", "v1")),
        ("oci:x:docker.io/library/python:3", Location(Kind.LAYOUT, "x", "docker.io/library/python:3")),
        ("oci-archive:x.tar:v1", Location(Kind.LAYOUT_ARCHIVE, "x.tar", "v1")),
        (
            "docker-archive:x.tar:app",
            Location(Kind.DOCKER_ARCHIVE, "x.tar", "docker.io/library/app:latest"),
        ),
        ("docker-archive:x.tar:@2", Location(Kind.DOCKER_ARCHIVE, "x.tar", "@2")),
        ("dir:/a:b", Location(Kind.DIRECTORY, "/a:b")),
        ("sampan:app", Location(Kind.STORE, name="docker.io/library/app:latest")),
        ("docker-daemon:0123456789ab", Location(Kind.DAEMON, name="0123456789ab")),
    ],
)
def test_a_location_is_read(text: str, location: Location) -> None:
    assert parse_location(text) == location
    assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    "text", ["", "python:3.12", "docker:python", "docker://UPPER", "oci:", "oci::tag", "ftp://x", "sampan:"]
)
def test_what_is_no_location_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid image name"):
        parse_location(text)
