# SPDX-License-Identifier: Apache-2.0
"""Progress, the archive, the cache, and how one request goes through them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from sampan.bootstrap.cache import ArchiveCache, cache_key, default_cache_directory
from sampan.bootstrap.catalogue import find_recipe
from sampan.bootstrap.command import (
    Request,
    choose_epoch,
    choose_recipe,
    choose_references,
    open_archive,
    write_archive_file,
)
from sampan.bootstrap.docker_archive import (
    digest_layer,
    encode_config,
    name_archive,
    start_layer,
    write_archive,
)
from sampan.bootstrap.progress import Event, ProgressReader
from sampan.bootstrap.rootfs import BootstrapFailed
from sampan.errors import InvalidArgument, Unavailable

MARK = "mark: "

SAID = """\
I: running apt-get update...
Get:1 http://m.test/debian trixie InRelease [75.1 kB]
I: downloading packages with apt...
2 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://m.test/debian trixie/main amd64 libc6 amd64 2.41 [2820 kB]
Get:2 http://m.test/debian trixie/main amd64 dash amd64 0.5 [90 kB]
I: extracting archives...
I: installing essential packages...
Setting up libc6:amd64 (2.41) ...
Setting up dash (0.5) ...
mark: VERSION= 3.13
"""


def feed(reader: ProgressReader, text: str) -> list[Event]:
    events = (reader.feed(line, probe_mark=MARK) for line in text.splitlines())
    return [event for event in events if event is not None]


def test_packages_are_counted_and_lists_are_not() -> None:
    events = feed(ProgressReader(), SAID)
    assert events == [
        Event("reading package lists"),
        Event("fetching packages"),
        Event("fetching packages", 1, 2, "libc6"),
        Event("fetching packages", 2, 2, "dash"),
        Event("unpacking the base"),
        Event("installing the base"),
        Event("installing the base", 1, 2, "libc6"),
        Event("installing the base", 2, 2, "dash"),
    ]


def test_probes_are_no_news_but_answers() -> None:
    reader = ProgressReader()
    feed(reader, SAID)
    assert reader.probes == {"VERSION": "3.13"}
    assert len(reader.tail) == len(SAID.splitlines()) - 1


def test_a_failure_shows_mmdebstraps_own_reasons() -> None:
    error = BootstrapFailed("x", 25, ("I: doing", "E: apt-get update failed", "I: removing tempdir"))
    assert str(error) == "bootstrap x: mmdebstrap exited with code 25\nE: apt-get update failed"


def make_archive() -> bytes:
    recipe = find_recipe("redis")
    layer = io.BytesIO()
    start_layer(layer, epoch=7)
    layer.write(bytes(1024))
    config = encode_config(recipe, diff_id=digest_layer(layer), epoch=86400, probes={"REDIS_VERSION": "7.0"})
    out = io.BytesIO()
    write_archive(out, layer, config=config)
    return out.getvalue()


def test_the_archive_is_a_docker_archive_under_the_names_it_is_given() -> None:
    named = name_archive(io.BytesIO(make_archive()), ["redis:latest", "mine:1"])
    with tarfile.open(fileobj=io.BytesIO(named.read())) as archive:
        assert archive.getnames()[0] == "manifest.json"
        manifest = json.load(archive.extractfile("manifest.json"))[0]
        config = json.load(archive.extractfile(manifest["Config"]))
        layer = archive.extractfile(manifest["Layers"][0]).read()
    assert manifest["RepoTags"] == ["redis:latest", "mine:1"]
    assert config["rootfs"]["diff_ids"] == [digest_layer(io.BytesIO(layer))]
    assert config["created"] == "1970-01-02T00:00:00Z"
    assert config["config"]["ExposedPorts"] == {"6379/tcp": {}}
    assert "REDIS_VERSION=7.0" in config["config"]["Env"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getnames() == ["./dev"]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert make_archive() == make_archive()


def test_an_entry_of_the_cache_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = ArchiveCache(str(tmp_path / "cache"))
    with pytest.raises(ZeroDivisionError), cache.open_writer("a.tar.zst") as out:
        out.write(b"half" * (1 // 0))
    assert os.listdir(tmp_path / "cache") == []
    assert cache.age_s("a.tar.zst", now=0) is None
    with cache.open_writer("a.tar.zst") as out:
        out.write(b"whole" * 1000)
    with cache.open_reader("a.tar.zst") as stream:
        assert stream.read() == b"whole" * 1000
    assert cache.age_s("a.tar.zst", now=os.stat(cache.path("a.tar.zst")).st_mtime + 5) == pytest.approx(5)


def test_the_key_knows_what_decides_the_outcome() -> None:
    recipe = find_recipe("python:3.13-slim-trixie")
    key = cache_key(recipe, machine="linux/amd64", sources=())
    assert key.startswith("python-3.13-slim-trixie-")
    assert key == cache_key(recipe, machine="linux/amd64", sources=())
    assert key != cache_key(recipe, machine="linux/arm64/v8", sources=())
    assert key != cache_key(recipe, machine="linux/amd64", sources=("deb x",))
    assert key != cache_key(find_recipe("redis"), machine="linux/amd64", sources=())


def test_the_cache_lies_where_caches_lie() -> None:
    assert default_cache_directory({"XDG_CACHE_HOME": "/c"}) == "/c/sampan/bootstrap"
    assert default_cache_directory({"HOME": "/home/u"}) == "/home/u/.cache/sampan/bootstrap"


def test_two_builds_of_one_day_have_one_time() -> None:
    assert choose_epoch({}, now=86400 * 3 + 5) == choose_epoch({}, now=86400 * 4 - 1) == 86400 * 3
    assert choose_epoch({"SOURCE_DATE_EPOCH": "77"}, now=1e9) == 77


def test_an_image_is_called_as_asked_else_as_it_was_named() -> None:
    recipe = find_recipe("redis:7")
    assert choose_references(Request(name="redis:7"), recipe) == ("redis:7",)
    assert choose_references(Request(name="redis", tags=("a/b", "a/b:latest")), recipe) == ("a/b:latest",)
    assert choose_references(Request(recipe_file="x.toml"), recipe) == ("redis:latest",)


def test_a_request_names_one_recipe() -> None:
    for request in (Request(), Request(name="redis", recipe_file="x.toml")):
        with pytest.raises(InvalidArgument, match="either a recipe's name or --recipe FILE"):
            choose_recipe(request)


def test_without_mmdebstrap_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(Unavailable, match="mmdebstrap is not installed") as caught:  # noqa: SIM117
        with open_archive(Request(name="busybox"), environ, lambda _: None):
            pass
    assert caught.value.hint is not None
    assert "apt-get install mmdebstrap" in caught.value.hint


def test_a_file_of_the_users_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_archive_file(Broken(), str(tmp_path / "x.tar"))
    assert os.listdir(tmp_path) == []
    write_archive_file(io.BytesIO(b"data"), str(tmp_path / "x.tar"))
    assert (tmp_path / "x.tar").read_bytes() == b"data"
