# SPDX-License-Identifier: Apache-2.0
"""Id-mapped mounts in the runtime: who owns what inside, and what that makes on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime_bundle import Bundle
from sampan.errors import InvalidArgument, SampanError
from sampan.linux.user_namespace import open_user_namespace


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    made = Bundle(tmp_path / "bundle")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").touch()
    for each in (path, path / "file"):
        os.chown(each, 1234, 1235)
    return path


def mapped(source: object, *options: str, on_disk: tuple[int, int] = (1234, 1235)) -> dict[str, Any]:
    uids, gids = ([{"containerID": number, "hostID": 0, "size": 1}] for number in on_disk)
    return {
        "destination": "/folder",
        "type": "bind",
        "source": str(source),
        "options": ["bind", *options],
        "uidMappings": uids,
        "gidMappings": gids,
    }


@pytest.mark.parametrize("options", [("idmap",), ("ridmap",), (), ("idmap", "ro")])
def test_owners_are_mapped_both_ways(bundle: Bundle, folder: Path, options: tuple[str, ...]) -> None:
    spec = bundle.spec("sh", "-c", "stat -c %u:%g /folder/file; touch /folder/made")
    spec["mounts"].append(mapped(folder, *options))
    assert bundle.run(spec=spec).lines == ["0:0"]
    if "ro" in options:
        assert not (folder / "made").exists()
    else:
        made = (folder / "made").stat()
        assert (made.st_uid, made.st_gid) == (1234, 1235)


def test_whoever_has_no_number_is_nobody(bundle: Bundle, folder: Path) -> None:
    spec = bundle.spec("stat", "-c", "%u:%g", "/folder/file")
    spec["mounts"].append(mapped(folder, on_disk=(7, 8)))
    assert bundle.run(spec=spec).lines == ["65534:65534"]


def test_what_cannot_be_mapped_is_refused(bundle: Bundle) -> None:
    spec = bundle.spec("true")
    spec["mounts"].append(mapped("/proc"))
    with pytest.raises(SampanError, match="cannot map ids"):
        bundle.run(spec=spec)
    spec["mounts"][-1] |= {"type": "tmpfs", "options": ["idmap"]}
    with pytest.raises(InvalidArgument, match="idmap is for bind mounts"):
        bundle.run(spec=spec)


def test_a_namespace_made_for_its_maps_leaves_no_process() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="uid_map"):
        open_user_namespace("not a map\n", "0 0 1\n")
    os.close(open_user_namespace("0 5 1\n", "0 6 1\n"))
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert len(os.listdir("/proc/self/fd")) == before
